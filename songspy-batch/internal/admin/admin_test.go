package admin

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

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
)

// fakeSealed holds, for each user, the id of the key that encrypted the user's data.
type fakeSealed struct {
	keyOf map[songspy.UserID]string
	err   error // returned after the first page
	pages int
}

func (s *fakeSealed) kind(name string) SealedKind {
	return SealedKind{
		Name: name, Remedy: "restore a backup",
		Count:  func(context.Context) (int64, error) { return int64(len(s.keyOf)), nil },
		Reseal: s.reseal,
	}
}

func (s *fakeSealed) reseal(_ context.Context, after songspy.UserID, limit int) (songspy.ResealResult, error) {
	if s.pages++; s.pages > 1 && s.err != nil {
		return songspy.ResealResult{}, s.err
	}
	r := songspy.ResealResult{LastUserID: after, ByKey: map[string]int{}}
	for _, id := range slices.Sorted(maps.Keys(s.keyOf)) {
		if id <= after || r.Processed == limit {
			continue
		}
		r.LastUserID, r.Processed = id, r.Processed+1
		r.ByKey[s.keyOf[id]]++
		switch s.keyOf[id] {
		case "old":
			s.keyOf[id] = "new"
			r.Resealed++
		case "lost":
			r.Undecryptable = append(r.Undecryptable, id)
		}
	}
	return r, nil
}

func TestResealReportsItsResultAndWhichKeysAreUnused(t *testing.T) {
	links := &fakeSealed{keyOf: map[songspy.UserID]string{}}
	for id := range songspy.UserID(450) {
		links.keyOf[id+1] = []string{"old", "new", "old"}[id%3]
	}
	addresses := &fakeSealed{keyOf: map[songspy.UserID]string{3: "old"}}
	all := []SealedKind{links.kind("links"), addresses.kind("addresses")}
	var out, errs bytes.Buffer
	if err := Reseal(t.Context(), all, "new", time.Now, &out, &errs); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"450 links", "old                              300", "300 were re-encrypted with new", "1 addresses", "1 were re-encrypted", "can be removed"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("the report does not contain %q:\n%s", text, out.String())
		}
	}
	links.keyOf[7] = "lost"
	out.Reset()
	if err := Reseal(t.Context(), all, "new", time.Now, &out, &errs); err == nil || !strings.Contains(out.String(), "of the users [7]") || strings.Contains(out.String(), "can be removed") {
		t.Errorf("%v:\n%s", err, out.String())
	}
}

func TestAStoppedResealReportsItsProgress(t *testing.T) {
	links := &fakeSealed{keyOf: map[songspy.UserID]string{}, err: errors.New("the database is down")}
	for id := range songspy.UserID(300) {
		links.keyOf[id+1] = "old"
	}
	var out bytes.Buffer
	if err := Reseal(t.Context(), []SealedKind{links.kind("links")}, "new", time.Now, &out, &out); !errors.Is(err, links.err) || !strings.Contains(out.String(), "after 200 of 300 links") {
		t.Errorf("%v:\n%s", err, out.String())
	}
}

// fakeService is the store, the player and the renewer of some users.
type fakeService struct {
	mu         sync.Mutex
	users      map[songspy.UserID]songspy.PolledUser
	items      []songspy.HistoryItem
	refuse     func(songspy.Secret) error
	unreadable map[songspy.UserID]bool // users whose tokens cannot be decrypted
	stored     map[songspy.UserID]map[time.Time]bool
	renewals   int
}

func (h *fakeService) LinkCount(context.Context) (int64, error) { return int64(len(h.users)), nil }

func (h *fakeService) LinkVersions(_ context.Context, after songspy.UserID, limit int) (links []songspy.LinkVersion, err error) {
	for _, id := range slices.Sorted(maps.Keys(h.users)) {
		if id > after && len(links) < limit {
			links = append(links, songspy.LinkVersion{UserID: id})
		}
	}
	return links, nil
}

func (h *fakeService) PolledUsersByID(_ context.Context, ids []songspy.UserID) (found []songspy.PolledUser, err error) {
	for _, id := range ids {
		if !h.unreadable[id] {
			found = append(found, h.users[id])
		}
	}
	return found, nil
}

func (h *fakeService) ReconcileHistory(_ context.Context, id songspy.UserID, _ int64, items []songspy.HistoryItem,
	fn func(songspy.StoredPlays) songspy.Reconciliation,
) (songspy.Reconciliation, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stored[id] == nil {
		h.stored[id] = map[time.Time]bool{}
	}
	stored := songspy.StoredPlays{ProcessedAt: slices.Collect(maps.Keys(h.stored[id]))}
	r := fn(stored)
	for _, f := range r.Added {
		h.stored[id][f.PlayedAt] = true
	}
	return r, nil
}

func (h *fakeService) RecentlyPlayed(_ context.Context, access songspy.Credentials, _ time.Time) ([]songspy.HistoryItem, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse != nil {
		if err := h.refuse(access.Token); err != nil {
			return nil, err
		}
	}
	return h.items, nil
}

func (h *fakeService) Renew(_ context.Context, id songspy.UserID, _ int64) (songspy.Link, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.renewals++
	l := h.users[id].Link
	l.AccessToken = "fresh"
	return l, nil
}

func newFakeService(users int) (*fakeService, *Backfill) {
	now := time.Now()
	h := &fakeService{users: map[songspy.UserID]songspy.PolledUser{}, stored: map[songspy.UserID]map[time.Time]bool{}}
	for id := range songspy.UserID(users) {
		h.users[id+1] = songspy.PolledUser{
			Link:    songspy.Link{UserID: id + 1, AccessToken: "stale", CreatedAt: now.Add(-48 * time.Hour)},
			Playing: songspy.NowPlaying{State: songspy.PlayerIdle, ObservedAt: now, OtherSeenAt: now},
		}
	}
	track := songspy.Track{URI: "spotify:track:a", DurationMS: 200_000}
	for i := range 3 {
		h.items = append(h.items, songspy.HistoryItem{Track: track, PlayedAt: now.Add(time.Duration(-60+10*i) * time.Minute)})
	}
	return h, &Backfill{Users: h, Player: h, Renewer: h, Workers: 4, Now: time.Now, Wait: delayqueue.Wait}
}

func TestABackfillStoresAllHistoryAndASecondOneChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := newFakeService(1200)
		h.refuse = func(access songspy.Secret) error {
			if access == "stale" {
				return &songspy.Error{Disposition: songspy.DispositionRenewToken}
			}
			return nil
		}
		var out, errs bytes.Buffer
		if err := b.Run(t.Context(), &out, &errs); err != nil || !strings.Contains(out.String(), "1200 users fetched; 0 of them unchanged.\n3600 plays added") || h.renewals != 1200 {
			t.Fatalf("%v, %d renewals:\n%s", err, h.renewals, out.String())
		}
		out.Reset()
		if err := b.Run(t.Context(), &out, &errs); err != nil || !strings.Contains(out.String(), "; 1200 of them unchanged") {
			t.Errorf("second run: %v:\n%s", err, out.String())
		}
		out.Reset()
		if b.User = 7; b.Run(t.Context(), &out, &errs) != nil || !strings.Contains(out.String(), "1 users fetched") {
			t.Errorf("one user only:\n%s", out.String())
		}
		if b.User = 7000; songspy.CodeOf(b.Run(t.Context(), &out, &errs)) != songspy.CodeNotFound {
			t.Error("no error for a user who does not exist")
		}
	})
}

func TestABackfillWaitsForAShortBreakAndEndsAtALongOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := newFakeService(20)
		openUntil := time.Now().Add(time.Minute)
		whileOpen := func(songspy.Secret) error {
			if wait := time.Until(openUntil); wait > 0 {
				return &songspy.Error{Code: songspy.CodeUnavailable, Disposition: songspy.DispositionAppBlocked, RetryAfter: wait}
			}
			return nil
		}
		h.refuse = whileOpen
		var out, errs bytes.Buffer
		if err := b.Run(t.Context(), &out, &errs); err != nil || !strings.Contains(out.String(), "20 users fetched") {
			t.Errorf("%v:\n%s", err, out.String())
		}
		if n := strings.Count(errs.String(), "waiting for Spotify until"); n != 1 {
			t.Errorf("the wait is shown %d times, want once:\n%s", n, errs.String())
		}
		openUntil = time.Now().Add(time.Hour)
		out.Reset()
		if err := b.Run(t.Context(), &out, &errs); err == nil || !strings.Contains(err.Error(), "1h0m0s") || !strings.Contains(out.String(), "0 users fetched") {
			t.Errorf("%v:\n%s", err, out.String())
		}
	})
}

func TestFailedUsersAreCountedByReason(t *testing.T) {
	h, b := newFakeService(3)
	h.users[2] = songspy.PolledUser{Link: songspy.Link{UserID: 2, AccessToken: "dead"}, Playing: h.users[2].Playing}
	h.refuse = func(access songspy.Secret) error {
		if access == "dead" {
			return &songspy.Error{Code: songspy.CodeForbidden, Reason: "SPOTIFY_NOT_REGISTERED", Disposition: songspy.DispositionNotRegistered}
		}
		return nil
	}
	h.unreadable = map[songspy.UserID]bool{3: true}
	var out bytes.Buffer
	err := b.Run(t.Context(), &out, &out)
	if err == nil {
		t.Error("no error although two users could not be fetched")
	}
	for _, text := range []string{
		"1 users fetched", "1 could not be fetched: SPOTIFY_NOT_REGISTERED", "1 could not be fetched: TOKENS_NOT_DECRYPTABLE",
	} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("the report does not contain %q:\n%s", text, out.String())
		}
	}
}
