package attention

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/songspy/songspy/songspy-api/internal/board"
	songspy "github.com/songspy/songspy/songspy-domain"
)

type fakeStore struct {
	mu      sync.Mutex
	written []songspy.Watch
}

func (f *fakeStore) WriteWatches(_ context.Context, watches []songspy.Watch) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.written = append(f.written, watches...)
	return nil
}

func (f *fakeStore) PruneWatches(context.Context) (int64, error) { return 0, nil }

func (f *fakeStore) take() []songspy.Watch {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() { f.written = nil }()
	return f.written
}

func running(t *testing.T) (*Reporter, *fakeStore) {
	t.Helper()
	f := &fakeStore{}
	r := New(f, []byte("key"), time.Now, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go r.Run(ctx)
	return r, f
}

func TestReporter_FirstSightIsWrittenAtOnceAndRenewedUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := running(t)
		me := board.ViewerKey{Account: 7}
		r.Watch(me, "listening", []songspy.UserID{3, 1}, time.Minute)
		r.Watch(me, "person", []songspy.UserID{1, 2}, 2*time.Minute)
		<-time.After(200 * time.Millisecond)
		got := f.take()
		if len(got) != 1 || !slices.Equal(got[0].Users, []songspy.UserID{1, 2, 3}) || !got[0].SignedIn || time.Until(got[0].Until) > life {
			t.Fatalf("after the first sight %+v was written", got)
		}
		<-time.After(65 * time.Second)
		got = f.take()
		if len(got) != 2 || !slices.Equal(got[1].Users, []songspy.UserID{1, 2}) && !slices.Equal(got[1].Users, []songspy.UserID{1, 2, 3}) {
			t.Errorf("the renewals are %+v, want two", got)
		}
		<-time.After(2 * time.Minute)
		if got = f.take(); len(got[len(got)-1].Users) != 0 {
			t.Errorf("the last write is %+v, want no users", got[len(got)-1])
		}
		<-time.After(time.Minute)
		if got = f.take(); len(got) != 0 {
			t.Errorf("after the end %+v was written", got)
		}
	})
}

func TestReporter_StoresNoAddressAndOneKeyForASubscriber(t *testing.T) {
	r := New(nil, []byte("key"), time.Now, nil)
	same := r.keyOf(board.ViewerKey{Address: board.SubscriberOf("2001:db8::1")})
	if r.keyOf(board.ViewerKey{Address: board.SubscriberOf("2001:db8::2")}) != same || r.keyOf(board.ViewerKey{Address: board.SubscriberOf("2001:db8:1::1")}) == same {
		t.Error("the addresses of a /64, and only these, must have one key")
	}
	other := New(nil, []byte("another key"), time.Now, nil)
	if other.keyOf(board.ViewerKey{Account: 1}) == r.keyOf(board.ViewerKey{Account: 1}) || r.keyOf(board.ViewerKey{Account: 1}) == r.keyOf(board.ViewerKey{Address: board.SubscriberOf("1")}) {
		t.Error("keys must differ by secret and by kind of viewer")
	}
}

// openStreams are open streams that show the given users.
type openStreams struct {
	mu      sync.Mutex
	watched []board.Watch
}

func (s *openStreams) Watched() []board.Watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watched
}

func (s *openStreams) show(watched ...board.Watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watched = watched
}

func TestReporter_AStreamCountsForTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := running(t)
		streams := &openStreams{}
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		go r.FollowStreams(ctx, streams)
		open := board.Watch{Viewer: board.ViewerKey{Account: 7}, OpenedAt: time.Now(), Users: []songspy.UserID{1}}
		streams.show(open)
		<-time.After(500 * time.Millisecond)
		if got := f.take(); len(got) != 1 || !slices.Equal(got[0].Users, open.Users) {
			t.Fatalf("500 ms after a stream began %+v was written", got)
		}
		open.Users = []songspy.UserID{1, 2}
		streams.show(open)
		<-time.After(9 * time.Minute)
		if got := f.take(); !slices.Equal(got[len(got)-1].Users, open.Users) {
			t.Errorf("after nine minutes %+v was written", got[len(got)-1])
		}
		<-time.After(2 * time.Minute)
		if got := f.take(); len(got[len(got)-1].Users) != 0 {
			t.Errorf("after eleven minutes %+v was written", got[len(got)-1])
		}
	})
}
