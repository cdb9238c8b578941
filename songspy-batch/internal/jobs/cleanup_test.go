package jobs

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"
)

type fakeCleanupStore struct {
	changes, sessions, tokens, invites, notifications, breakers time.Time
	entered, asked                                              time.Time
	attempts, auditEvents                                       time.Time
	localTrackPrunes                                            int // the calls of PruneLocalTracks
	err                                                         error
}

func (f *fakeCleanupStore) PruneLocalTracks(context.Context) (int64, error) {
	f.localTrackPrunes++
	return 1, nil
}

func (f *fakeCleanupStore) PruneAuthorizationAttempts(_ context.Context, before time.Time) (int64, error) {
	f.attempts = before
	return 1, nil
}

func (f *fakeCleanupStore) PruneAuditEvents(_ context.Context, before time.Time) (int64, error) {
	f.auditEvents = before
	return 1, nil
}

func (f *fakeCleanupStore) PruneSeats(_ context.Context, entered, asked time.Time) (int64, error) {
	f.entered, f.asked = entered, asked
	return 1, nil
}

func (f *fakeCleanupStore) PruneNotifications(_ context.Context, before time.Time) (int64, error) {
	f.notifications = before
	return 2, nil
}

func (f *fakeCleanupStore) PruneBreakers(_ context.Context, before time.Time) (int64, error) {
	f.breakers = before
	return 0, nil
}

func (f *fakeCleanupStore) PruneTokens(_ context.Context, before time.Time) (int64, error) {
	f.tokens = before
	return 1, nil
}

func (f *fakeCleanupStore) PruneInvites(_ context.Context, before time.Time) (int64, error) {
	f.invites = before
	return 1, nil
}

func (f *fakeCleanupStore) PruneChanges(_ context.Context, before time.Time) (int64, error) {
	f.changes = before
	return 0, f.err
}

func (f *fakeCleanupStore) PruneSessions(_ context.Context, before time.Time) (int64, error) {
	f.sessions = before
	return 3, nil
}

func TestCleanup_PrunesEachKindAfterItsTime(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	store := &fakeCleanupStore{err: errors.New("busy")}
	job := Cleanup{Store: store, Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler)}
	if err := job.Run(t.Context()); !errors.Is(err, store.err) {
		t.Errorf("Run returned %v, want the store's error", err)
	}
	if want := now.Add(-time.Hour); !store.changes.Equal(want) {
		t.Errorf("changes before %s were deleted, want %s", store.changes, want)
	}
	if want := now.AddDate(0, 0, -30); !store.tokens.Equal(want) {
		t.Errorf("tokens of links that were broken before %s were deleted, want %s", store.tokens, want)
	}
	if want := now.AddDate(0, 0, -30); !store.invites.Equal(want) {
		t.Errorf("invites that expired before %s were deleted, want %s", store.invites, want)
	}
	if !store.attempts.Equal(now) {
		t.Errorf("redirects that expired before %s were deleted, want %s", store.attempts, now)
	}
	if want := now.AddDate(0, 0, -365); !store.auditEvents.Equal(want) {
		t.Errorf("audit events from before %s were deleted, want %s", store.auditEvents, want)
	}
	if want := now.AddDate(0, 0, -30); !store.entered.Equal(want) {
		t.Errorf("seats of users that were registered before %s were deleted, want %s", store.entered, want)
	}
	if want := now.AddDate(0, 0, -180); !store.asked.Equal(want) {
		t.Errorf("seats that were requested before %s were deleted, want %s", store.asked, want)
	}
	if want := now.AddDate(0, 0, -30); !store.notifications.Equal(want) {
		t.Errorf("notifications last wanted before %s were deleted, want %s", store.notifications, want)
	}
	if want := now.AddDate(0, 0, -2); !store.breakers.Equal(want) {
		t.Errorf("breakers last changed before %s were deleted, want %s", store.breakers, want)
	}
	if store.localTrackPrunes != 1 {
		t.Errorf("local files were deleted %d times, want once, although deleting changes failed", store.localTrackPrunes)
	}
	if !store.sessions.Equal(now) {
		t.Errorf("sessions before %s were deleted, want %s, although deleting changes failed", store.sessions, now)
	}
}
