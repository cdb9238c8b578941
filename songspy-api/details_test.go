package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// These tests, and others whose names begin with TestDetails, are about details of answers that
// would reveal what a viewer may not see. docs/privacy.md lists these details.

// page returns the HTML of a page as a program that makes link previews gets it.
func (w *testAPI) page(t *testing.T, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+w.publicListener.Addr().String()+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "facebookexternalhit/1.1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: status %d, error %v", path, resp.StatusCode, err)
	}
	return string(body)
}

func TestDetails_FollowListsAreTheirOwners(t *testing.T) {
	w, ann, bob, cid := newPeople(t)
	w.play(t, ann, "A song")
	w.share(t, ann, map[string]any{"findable": true})
	others := map[string][]string{"a stranger": nil, "Bob": bob.bearer()}
	paths := []string{"/people/" + ann.handle(), "/people/" + ann.handle() + "/plays", "/people?q=", "/listening", "/me/following", "/me/followers"}
	seen := func() map[string]string {
		answers := map[string]string{}
		for name, header := range others {
			for _, path := range paths {
				a := w.Call("GET", prefix+path, nil, header...)
				answers[name+" "+path] = fmt.Sprint(a.Status, a.Header.Get("ETag"), string(a.Body))
			}
		}
		return answers
	}
	before := seen()
	w.follow(t, cid, ann)
	w.follow(t, ann, cid)
	for what, answer := range seen() {
		if answer != before[what] {
			t.Errorf("%s shows that Ann and Cid follow each other:\n%s\n%s", what, before[what], answer)
		}
	}
	for _, list := range []string{"/me/followers", "/me/following"} {
		if a := w.Call("GET", prefix+list, nil, ann.bearer()...); !bytes.Contains(a.Data, []byte(cid.handle())) {
			t.Errorf("Ann's own list %s is %s", list, a.Data)
		}
	}
}

var pageTime = regexp.MustCompile(`"now":"[^"]*"`)

func TestDetails_LinkPreviewsNeverHaveWhatAUserHearsAndANameOnlyForEveryone(t *testing.T) {
	w, ann, _, _ := newPeople(t)
	const name = "Annabel the First"
	w.wantStatus(t, w.Call("POST", fmt.Sprint(prefix, "/users/", ann.ID, "/edit"), map[string]any{"nickName": name, "showProfileImage": true}, ann.bearer()...), 200, "")
	w.play(t, ann, "A song")
	var own struct {
		NowPlaying struct{ Track struct{ Handle string } }
	}
	w.Call("GET", prefix+"/people/"+ann.handle(), nil, ann.bearer()...).DecodeData(t, &own)
	for _, audience := range []songspy.Audience{songspy.AudienceEveryone, songspy.AudienceLink, songspy.AudienceFollowers, songspy.AudienceNobody} {
		w.share(t, ann, map[string]any{"now": audience, "history": audience, "findable": false})
		for _, path := range []string{"/u/" + ann.handle(), "/t/" + own.NowPlaying.Track.Handle} {
			html := w.page(t, path)
			if strings.Contains(html, "A song") {
				t.Errorf("for the audience %s, %s has the song", audience, path)
			}
			if audience != songspy.AudienceEveryone && (strings.Contains(html, name) || strings.Contains(html, "/picture")) {
				t.Errorf("for the audience %s, %s has the name or the picture", audience, path)
			}
		}
		if audience != songspy.AudienceEveryone {
			// Every page contains its own address and the time, so the comparison replaces the
			// address and removes the time.
			unknown := strings.ReplaceAll(w.page(t, "/u/00000000001"), "00000000001", ann.handle())
			if html := w.page(t, "/u/"+ann.handle()); pageTime.ReplaceAllString(html, "") != pageTime.ReplaceAllString(unknown, "") {
				t.Errorf("for the audience %s, the page differs from that of an unknown handle:\n%s\n%s", audience, html, unknown)
			}
		}
	}
}

func TestDetails_TheLastMinutesOfAUserAreHistory(t *testing.T) {
	w, ann, bob, _ := newPeople(t)
	w.share(t, ann, map[string]any{"now": "everyone", "history": "nobody"})
	w.play(t, ann, "A song")
	link, err := w.db.Link(t.Context(), ann.UserID)
	if err != nil {
		t.Fatal(err)
	}
	now, track := time.Now(), songspy.Track{URI: "spotify:track:0000000000000000000009", Kind: songspy.KindTrack, Title: "The song before", DurationMS: 60_000}
	update := songspy.PlaybackUpdate{
		Playing: songspy.NowPlaying{UserID: ann.UserID, State: songspy.PlayerIdle, ObservedAt: now.Add(time.Hour), Generation: link.Generation},
		Tracks:  []songspy.Track{track},
		Plays:   []songspy.Play{{UserID: ann.UserID, TrackURI: track.URI, StartedAt: now, EndedAt: now.Add(time.Millisecond), ListenedMS: 1, Source: songspy.SourceLive}},
	}
	if written, err := w.db.WritePlaybackUpdates(t.Context(), []songspy.PlaybackUpdate{update}); err != nil || written[0].Err != nil {
		t.Fatalf("%+v, error %v", written, err)
	}
	plays := func(header ...string) string {
		t.Helper()
		a := w.Call("GET", prefix+"/people/"+ann.handle()+"/plays", nil, header...)
		w.wantStatus(t, a, 200, "")
		return string(a.Data)
	}
	const none = `{"items":[],"nextCursor":null}`
	for name, header := range map[string][]string{"a stranger": nil, "Bob": bob.bearer()} {
		if got := plays(header...); got != none {
			t.Errorf("%s sees the plays %s of a user who shares no history", name, got)
		}
	}
	if got := plays(ann.bearer()...); !strings.Contains(got, track.Title) {
		t.Errorf("Ann's own plays are %s", got)
	}
	// After the user widens the audience of the history, strangers must still not see the plays
	// of the time before.
	w.share(t, ann, map[string]any{"history": "everyone"})
	if got := plays(); got != none {
		t.Errorf("after the history was widened a stranger sees %s", got)
	}
}

func TestDetails_AFeaturedArtistThatIsHiddenHidesTheTrackEverywhere(t *testing.T) {
	w, ann, bob, _ := newPeople(t)
	w.play(t, ann, "A song")
	token, _ := w.newEmbed(t, ann, "embed")
	link, err := w.db.Link(t.Context(), ann.UserID)
	if err != nil {
		t.Fatal(err)
	}
	const art = "http://127.0.0.1:1/art-of-the-featured-song"
	now, end := time.Now(), time.Now().Add(time.Hour)
	track := songspy.Track{
		URI: "spotify:track:0000000000000000000008", Kind: songspy.KindTrack, Title: "A song with a guest", Artists: "Host, Guest", ImageURL: art, DurationMS: 3_600_000,
		ArtistRefs: []songspy.Artist{{URI: "spotify:artist:0000000000000000000007", Name: "Host"}, {URI: artistURI, Name: "Guest"}},
	}
	update := songspy.PlaybackUpdate{
		Visible: true, Tracks: []songspy.Track{track},
		Playing: songspy.NowPlaying{UserID: ann.UserID, State: songspy.PlayerPlaying, TrackURI: track.URI, DurationMS: track.DurationMS, StartedAt: now, ObservedAt: now, EndsAt: &end, Generation: link.Generation},
		Plays: []songspy.Play{{
			UserID: ann.UserID, TrackURI: track.URI, StartedAt: now.Add(-time.Minute), EndedAt: now.Add(-time.Second), ListenedMS: 50_000, Source: songspy.SourceLive,
		}},
	}
	if written, err := w.db.WritePlaybackUpdates(t.Context(), []songspy.PlaybackUpdate{update}); err != nil || written[0].Err != nil {
		t.Fatalf("%+v, error %v", written, err)
	}
	w.eventually(t, "the song", func() bool { return strings.Contains(w.boardJSON(t), track.Title) })
	var profile struct {
		NowPlaying struct{ Track struct{ Handle string } }
	}
	w.Call("GET", prefix+"/people/"+ann.handle(), nil, bob.bearer()...).DecodeData(t, &profile)
	paths := []string{
		prefix + "/tracks/current-playing", prefix + "/listening", prefix + "/people/" + ann.handle(), prefix + "/people/" + ann.handle() + "/plays",
		prefix + "/people?q=", prefix + "/tracks/" + profile.NowPlaying.Track.Handle, "/embed/" + token + ".json", "/embed/" + token + ".svg", "/",
	}
	w.wantStatus(t, w.Call("PUT", prefix+"/me/hidden/"+artistURI, nil, ann.bearer()...), 200, "")
	w.eventually(t, "the song to disappear", func() bool { return !strings.Contains(w.boardJSON(t), track.Title) })
	for name, header := range map[string][]string{"a stranger": nil, "Bob": bob.bearer()} {
		for _, path := range paths {
			body := ""
			if path == "/" {
				body = w.page(t, path)
			} else {
				body = string(w.Call("GET", path, nil, header...).Body)
			}
			for _, hidden := range []string{track.Title, "Guest", art, track.URI} {
				if strings.Contains(body, hidden) {
					t.Errorf("for %s, %s has %s", name, path, hidden)
				}
			}
		}
	}
}

func TestDetails_FramesHaveNoIDAndAResumedStreamBeginsWithASnapshot(t *testing.T) {
	w, ann, _, _ := newPeople(t)
	w.play(t, ann, "A song")
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+w.publicListener.Addr().String()+prefix+"/listening/stream?topics=window", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", "1000000")
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("the stream: %v, error %v", resp, err)
	}
	defer resp.Body.Close()
	var events []string
	for lines := bufio.NewScanner(resp.Body); len(events) < 2 && lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "id") {
			t.Errorf("the stream has the line %s", line)
		}
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			if events = append(events, name); len(events) == 1 {
				w.writePlayback(t, ann.UserID, "B song")
			}
		}
	}
	if len(events) != 2 || events[0] != "snapshot" || events[1] != "playing" {
		t.Errorf("the stream begins with %q, want snapshot and playing", events)
	}
}
