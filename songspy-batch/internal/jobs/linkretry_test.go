package jobs

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// fakeUnregisteredLinks holds links by user. If UpdateLink is called for the
// user unavailable, it fails as if the database did not respond. The field
// before is the time that the last call of NotRegisteredUsers received.
type fakeUnregisteredLinks struct {
	links       map[songspy.UserID]*songspy.Link
	unavailable songspy.UserID
	before      time.Time
}

func (f *fakeUnregisteredLinks) NotRegisteredUsers(_ context.Context, before time.Time, _ int) ([]songspy.UserID, error) {
	f.before = before
	return []songspy.UserID{1, 2, 3, 4}, nil
}

func (f *fakeUnregisteredLinks) UpdateLink(_ context.Context, id songspy.UserID, fn func(*songspy.Link) error) (songspy.Link, error) {
	l, ok := f.links[id]
	if !ok {
		return songspy.Link{}, &songspy.Error{Code: songspy.CodeNotFound}
	}
	if id == f.unavailable {
		return songspy.Link{}, errors.New("the database is unavailable")
	}
	if err := fn(l); err != nil {
		return songspy.Link{}, err
	}
	return *l, nil
}

func TestLinkRetry_ReactivatesLinksRefusedADayAgo(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	account := "account"
	refused := func() *songspy.Link {
		since := now.Add(-48 * time.Hour)
		return &songspy.Link{State: songspy.LinkNotRegistered, AccountID: &account, PollsRefusedSince: &since}
	}
	f := &fakeUnregisteredLinks{unavailable: 2, links: map[songspy.UserID]*songspy.Link{
		1: refused(), 2: refused(), 3: {State: songspy.LinkReauthRequired}, // user 4 has unlinked since NotRegisteredUsers returned the id
	}}
	job := LinkRetry{Links: f, Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler)}
	if err := job.Run(t.Context()); err == nil {
		t.Error("the error of one link is not returned")
	}
	if want := now.Add(-24 * time.Hour); !f.before.Equal(want) {
		t.Errorf("links rejected before %v, want before %v", f.before, want)
	}
	if l := f.links[1]; l.State != songspy.LinkActive || !l.StateSince.Equal(now) || l.PollsRefusedSince != nil {
		t.Errorf("the rejected link is %+v, want active since now, without rejected polls", l)
	}
	if l := f.links[3]; l.State != songspy.LinkReauthRequired {
		t.Errorf("a link that needs its user became %s", l.State)
	}
}

func TestLinkRetry_CompletesALinkWithUnknownAccount(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		fault error
		since time.Time
	}{
		"the app knows the user":                {nil, now.AddDate(0, 0, -2)},
		"the app does not know the user":        {&songspy.Error{Code: songspy.CodeForbidden, Disposition: songspy.DispositionNotRegistered}, now},
		"Spotify does not respond":              {&songspy.Error{Code: songspy.CodeUnavailable, Disposition: songspy.DispositionRetryLater}, now.AddDate(0, 0, -2)},
		"the account is linked to another user": {&songspy.Error{Code: songspy.CodeConflict}, now},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeUnregisteredLinks{links: map[songspy.UserID]*songspy.Link{1: {State: songspy.LinkNotRegistered, StateSince: now.AddDate(0, 0, -2)}}}
			tried := 0
			complete := func(context.Context, songspy.UserID) error { tried++; return c.fault }
			job := LinkRetry{Links: f, Complete: complete, Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler)}
			if err := job.Run(t.Context()); err != nil || tried != 1 {
				t.Errorf("tried %d times: %v", tried, err)
			}
			if l := f.links[1]; l.State != songspy.LinkNotRegistered || !l.StateSince.Equal(c.since) {
				t.Errorf("the link is %s since %s, want since %s", l.State, l.StateSince, c.since)
			}
		})
	}
}
