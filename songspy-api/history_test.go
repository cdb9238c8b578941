package main

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// page is one page of a list.
type page struct {
	Items []struct {
		ID          int64
		StartedAt   time.Time
		ListenedMs  int64
		Source      string
		Provisional bool
		Track       struct{ Title string }
		From        time.Time
		To          *time.Time
		Reason      string
	}
	NextCursor *string
}

// readPages reads all pages of a list.
func (w *testAPI) readPages(t *testing.T, user signedIn, list string, limit int) (all page) {
	t.Helper()
	query := url.Values{"limit": {fmt.Sprint(limit)}}
	for {
		var p page
		a := w.Call("GET", prefix+list+"?"+query.Encode(), nil, user.bearer()...)
		w.wantStatus(t, a, 200, "")
		a.DecodeData(t, &p)
		if len(p.Items) > limit || len(p.Items) == 0 {
			t.Fatalf("a page has %d items, want 1 to %d", len(p.Items), limit)
		}
		all.Items = append(all.Items, p.Items...)
		if p.NextCursor == nil {
			return all
		}
		query.Set("cursor", *p.NextCursor)
	}
}

// checkHistory writes five plays, one of them from history only, and a gap (a time in which no
// plays could be recorded), and breaks the link to Spotify, which opens a second gap. Then it
// reads the plays and the gaps from the API, and deletes the newest play.
func (w *testAPI) checkHistory(t *testing.T, user signedIn) {
	t.Helper()
	link, err := w.db.Link(t.Context(), user.UserID)
	if err != nil {
		t.Fatal(err)
	}
	song := songspy.Track{URI: "spotify:track:stored", Kind: songspy.KindTrack, Title: "Stored", DurationMS: 180_000}
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	play := func(n int, source songspy.PlaySource) songspy.Play {
		at := start.Add(time.Duration(n) * 5 * time.Minute)
		return songspy.Play{TrackURI: song.URI, StartedAt: at, EndedAt: at.Add(3 * time.Minute), ListenedMS: 180_000, Source: source}
	}
	now := time.Now()
	update := songspy.PlaybackUpdate{
		Playing: songspy.NowPlaying{UserID: link.UserID, State: songspy.PlayerIdle, ObservedAt: now, Generation: link.Generation},
		Tracks:  []songspy.Track{song},
		Gap:     &songspy.Gap{BeganAt: start.Add(-time.Hour), EndedAt: &start, Reason: songspy.GapAppBlocked},
	}
	for n := range 4 {
		update.Plays = append(update.Plays, play(n, songspy.SourceLive))
	}
	if written, err := w.db.WritePlaybackUpdates(t.Context(), []songspy.PlaybackUpdate{update}); err != nil || written[0].Err != nil || written[0].Dropped {
		t.Fatalf("written %+v, error %v", written, err)
	}
	items := []songspy.HistoryItem{{Track: song, PlayedAt: play(4, "").StartedAt}}
	if _, err := w.db.ReconcileHistory(t.Context(), link.UserID, link.Generation, items, func(songspy.StoredPlays) songspy.Reconciliation {
		return songspy.Reconciliation{Added: []songspy.StoredPlay{{Play: play(4, songspy.SourceHistory), Track: song, PlayedAt: items[0].PlayedAt}}}
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.db.UpdateLink(t.Context(), link.UserID, func(l *songspy.Link) error {
		l.State = songspy.LinkReauthRequired
		return nil
	}); err != nil {
		t.Fatal(err)
	}

	plays := w.readPages(t, user, "/me/plays", 2)
	if len(plays.Items) != 5 || plays.Items[0].Source != "history" || plays.Items[1].Source != "live" {
		t.Fatalf("the plays are %+v", plays.Items)
	}
	for n, p := range plays.Items {
		if want := play(4-n, "").StartedAt; !p.StartedAt.Equal(want) || p.Track.Title != "Stored" || p.ListenedMs != 180_000 {
			t.Errorf("play %d is %+v, want a play at %s", n, p, want)
		}
	}
	newest := fmt.Sprint(prefix, "/me/plays/", plays.Items[0].ID)
	w.wantStatus(t, w.Call("DELETE", newest, nil, user.bearer()...), 200, "")
	w.wantStatus(t, w.Call("DELETE", newest, nil, user.bearer()...), 404, "NOT_FOUND")
	if left := w.readPages(t, user, "/me/plays", 2).Items; len(left) != 4 || left[0].ID == plays.Items[0].ID {
		t.Errorf("after the newest was deleted, the plays are %+v", left)
	}
	gaps := w.readPages(t, user, "/me/gaps", 1).Items
	if len(gaps) != 2 || gaps[0].To != nil || gaps[0].Reason != "link_broken" || gaps[1].To == nil || !gaps[1].To.Equal(start) || gaps[1].Reason != "app_blocked" {
		t.Errorf("the gaps are %+v", gaps)
	}
}
