package chore

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/due"
	songspy "github.com/songspy/songspy/songspy-domain"
)

// sealed is things by the key that sealed them.
type sealed struct {
	by    map[songspy.UserID]string
	fault error // after the first page
	pages int
}

// named is the things as the chore knows them.
func (s *sealed) named(what string) Sealed {
	return Sealed{
		What: what, Remedy: "pray",
		Count:  func(context.Context) (int64, error) { return int64(len(s.by)), nil },
		Reseal: s.reseal,
	}
}

func (s *sealed) reseal(_ context.Context, after songspy.UserID, limit int) (Resealed, error) {
	if s.pages++; s.pages > 1 && s.fault != nil {
		return Resealed{}, s.fault
	}
	r := Resealed{Last: after, By: map[string]int{}}
	for _, id := range slices.Sorted(maps.Keys(s.by)) {
		if id <= after || r.Seen == limit {
			continue
		}
		r.Last, r.Seen = id, r.Seen+1
		r.By[s.by[id]]++
		switch s.by[id] {
		case "old":
			s.by[id] = "new"
			r.Anew++
		case "lost":
			r.Broken = append(r.Broken, id)
		}
	}
	return r, nil
}

func TestResealSaysWhatCameOfItAndWhichKeysMayGo(t *testing.T) {
	links := &sealed{by: map[songspy.UserID]string{}}
	for id := range songspy.UserID(450) {
		links.by[id+1] = []string{"old", "new", "old"}[id%3]
	}
	addresses := &sealed{by: map[songspy.UserID]string{3: "old"}}
	all := []Sealed{links.named("links"), addresses.named("addresses")}
	var out, errs bytes.Buffer
	if err := Reseal(t.Context(), all, "new", time.Now, &out, &errs); err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"450 links", "old                              300", "300 were sealed anew with new", "1 addresses", "1 were sealed anew", "the others may go"} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("the report does not say %q:\n%s", words, out.String())
		}
	}
	links.by[7] = "lost"
	out.Reset()
	if err := Reseal(t.Context(), all, "new", time.Now, &out, &errs); err == nil || !strings.Contains(out.String(), "of the users [7]") || strings.Contains(out.String(), "may go") {
		t.Errorf("%v:\n%s", err, out.String())
	}
}

func TestAResealThatIsStoppedSaysHowFarItCame(t *testing.T) {
	links := &sealed{by: map[songspy.UserID]string{}, fault: errors.New("the database is down")}
	for id := range songspy.UserID(300) {
		links.by[id+1] = "old"
	}
	var out bytes.Buffer
	if err := Reseal(t.Context(), []Sealed{links.named("links")}, "new", time.Now, &out, &out); !errors.Is(err, links.fault) || !strings.Contains(out.String(), "after 200 of 300 links") {
		t.Errorf("%v:\n%s", err, out.String())
	}
}

// hall is listeners with what Spotify's history holds of them.
type hall struct {
	mu       sync.Mutex
	people   map[songspy.UserID]songspy.Listener
	items    []songspy.HistoryItem
	refuse   func(songspy.Secret) error
	sealed   map[songspy.UserID]bool // whose tokens do not open
	told     map[songspy.UserID]map[time.Time]bool
	renewals int
}

func (h *hall) LinkCount(context.Context) (int64, error) { return int64(len(h.people)), nil }

func (h *hall) LinkMarks(_ context.Context, after songspy.UserID, limit int) (marks []songspy.LinkMark, err error) {
	for _, id := range slices.Sorted(maps.Keys(h.people)) {
		if id > after && len(marks) < limit {
			marks = append(marks, songspy.LinkMark{UserID: id})
		}
	}
	return marks, nil
}

func (h *hall) ListenersByID(_ context.Context, ids []songspy.UserID) (found []songspy.Listener, err error) {
	for _, id := range ids {
		if !h.sealed[id] {
			found = append(found, h.people[id])
		}
	}
	return found, nil
}

func (h *hall) UpdateHistory(_ context.Context, id songspy.UserID, _ int64, items []songspy.HistoryItem,
	fn func(songspy.Kept) songspy.Reconciled,
) (songspy.Reconciled, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.told[id] == nil {
		h.told[id] = map[time.Time]bool{}
	}
	kept := songspy.Kept{Told: slices.Collect(maps.Keys(h.told[id]))}
	r := fn(kept)
	for _, f := range r.Found {
		h.told[id][f.HeardAt] = true
	}
	return r, nil
}

func (h *hall) RecentlyPlayed(_ context.Context, access songspy.Access, _ time.Time) ([]songspy.HistoryItem, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse != nil {
		if err := h.refuse(access.Token); err != nil {
			return nil, err
		}
	}
	return h.items, nil
}

func (h *hall) Renew(_ context.Context, id songspy.UserID, _ int64) (songspy.Link, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.renewals++
	l := h.people[id].Link
	l.AccessToken = "fresh"
	return l, nil
}

func newHall(people int) (*hall, *Backfill) {
	now := time.Now()
	h := &hall{people: map[songspy.UserID]songspy.Listener{}, told: map[songspy.UserID]map[time.Time]bool{}}
	for id := range songspy.UserID(people) {
		h.people[id+1] = songspy.Listener{
			Link:    songspy.Link{UserID: id + 1, AccessToken: "stale", CreatedAt: now.Add(-48 * time.Hour)},
			Playing: songspy.NowPlaying{State: songspy.PlayerIdle, ObservedAt: now, ElsewhereAt: now},
		}
	}
	track := songspy.Track{URI: "spotify:track:a", DurationMS: 200_000}
	for i := range 3 {
		h.items = append(h.items, songspy.HistoryItem{Track: track, PlayedAt: now.Add(time.Duration(-60+10*i) * time.Minute)})
	}
	return h, &Backfill{Listeners: h, Player: h, Renewer: h, Workers: 4, Now: time.Now, Wait: due.Wait}
}

func TestABackfillKeepsWhatEverybodyHeardAndASecondOneChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := newHall(1200)
		h.refuse = func(access songspy.Secret) error {
			if access == "stale" {
				return &songspy.Error{Disposition: songspy.DispositionRenewToken}
			}
			return nil
		}
		var out, errs bytes.Buffer
		if err := b.Run(t.Context(), &out, &errs); err != nil || !strings.Contains(out.String(), "1200 people asked about; for 0 of them nothing was new.\n3600 plays found") || h.renewals != 1200 {
			t.Fatalf("%v, %d renewals:\n%s", err, h.renewals, out.String())
		}
		out.Reset()
		if err := b.Run(t.Context(), &out, &errs); err != nil || !strings.Contains(out.String(), "for 1200 of them nothing was new") {
			t.Errorf("again: %v:\n%s", err, out.String())
		}
		out.Reset()
		if b.User = 7; b.Run(t.Context(), &out, &errs) != nil || !strings.Contains(out.String(), "1 people asked about") {
			t.Errorf("one alone:\n%s", out.String())
		}
		if b.User = 7000; songspy.CodeOf(b.Run(t.Context(), &out, &errs)) != songspy.CodeNotFound {
			t.Error("somebody who is not there was asked about")
		}
	})
}

func TestABackfillWaitsForADoorThatClosesForAWhileAndEndsAtOneThatStaysShut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := newHall(20)
		shut := time.Now().Add(time.Minute)
		closed := func(songspy.Secret) error {
			if wait := time.Until(shut); wait > 0 {
				return &songspy.Error{Code: songspy.CodeUnavailable, Disposition: songspy.DispositionAppPaused, RetryAfter: wait}
			}
			return nil
		}
		h.refuse = closed
		var out, errs bytes.Buffer
		if err := b.Run(t.Context(), &out, &errs); err != nil || !strings.Contains(out.String(), "20 people asked about") {
			t.Errorf("%v:\n%s", err, out.String())
		}
		if n := strings.Count(errs.String(), "waiting for Spotify until"); n != 1 {
			t.Errorf("it is said %d times that Spotify is waited for, want once:\n%s", n, errs.String())
		}
		shut = time.Now().Add(time.Hour)
		out.Reset()
		if err := b.Run(t.Context(), &out, &errs); err == nil || !strings.Contains(err.Error(), "1h0m0s") || !strings.Contains(out.String(), "0 people asked about") {
			t.Errorf("%v:\n%s", err, out.String())
		}
	})
}

func TestWhoCannotBeAskedAboutIsCountedByReason(t *testing.T) {
	h, b := newHall(3)
	h.people[2] = songspy.Listener{Link: songspy.Link{UserID: 2, AccessToken: "dead"}, Playing: h.people[2].Playing}
	h.refuse = func(access songspy.Secret) error {
		if access == "dead" {
			return &songspy.Error{Code: songspy.CodeForbidden, Reason: "SPOTIFY_NOT_REGISTERED", Disposition: songspy.DispositionNotRegistered}
		}
		return nil
	}
	h.sealed = map[songspy.UserID]bool{3: true}
	var out bytes.Buffer
	err := b.Run(t.Context(), &out, &out)
	if err == nil {
		t.Error("not everybody was asked about, and nothing failed")
	}
	for _, words := range []string{
		"1 people asked about", "1 could not be asked about: SPOTIFY_NOT_REGISTERED", "1 could not be asked about: TOKENS_DO_NOT_OPEN",
	} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("the report does not say %q:\n%s", words, out.String())
		}
	}
}
