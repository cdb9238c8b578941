package attention

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/songspy/songspy/songspy-api/internal/board"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
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
		me := board.ViewerID{Account: 7}
		r.watch(me, "listening", []songspy.UserID{3, 1}, nil, time.Minute)
		r.watch(me, "person", []songspy.UserID{1, 2}, nil, 2*time.Minute)
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
	same := r.hashOf(board.ViewerID{Address: board.SubscriberOf("2001:db8::1")})
	if r.hashOf(board.ViewerID{Address: board.SubscriberOf("2001:db8::2")}) != same || r.hashOf(board.ViewerID{Address: board.SubscriberOf("2001:db8:1::1")}) == same {
		t.Error("the addresses of a /64, and only these, must have one key")
	}
	other := New(nil, []byte("another key"), time.Now, nil)
	if other.hashOf(board.ViewerID{Account: 1}) == r.hashOf(board.ViewerID{Account: 1}) || r.hashOf(board.ViewerID{Account: 1}) == r.hashOf(board.ViewerID{Address: board.SubscriberOf("1")}) {
		t.Error("keys must differ by secret and by kind of viewer")
	}
}

// openStreams is a fake of the open streams. The test sets what they show.
type openStreams struct {
	ticked  chan struct{}
	mu      sync.Mutex
	watched []board.Shown
}

// following returns fake streams that tick every 250 ms, and lets the Reporter report them.
// They show nothing at first.
func following(t *testing.T, r *Reporter) *openStreams {
	t.Helper()
	s := &openStreams{ticked: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go r.ReportStreams(ctx, s)
	go func() {
		for tick := time.NewTicker(250 * time.Millisecond); ; {
			select {
			case <-tick.C:
				select {
				case s.ticked <- struct{}{}:
				default:
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return s
}

func (s *openStreams) Ticked() <-chan struct{} { return s.ticked }

func (s *openStreams) Shown() []board.Shown {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watched
}

func (s *openStreams) show(watched ...board.Shown) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watched = watched
}

func TestReporter_AStreamCountsForTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := running(t)
		streams := following(t, r)
		open := board.Shown{Viewer: board.ViewerID{Account: 7}, OpenedAt: time.Now(), Users: []songspy.UserID{1}}
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

func TestReporter_AViewerWaitsForFollowedUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := running(t)
		streams := following(t, r)
		open := board.Shown{Viewer: board.ViewerID{Account: 7}, OpenedAt: time.Now(), Followed: []songspy.UserID{9, 1}}
		streams.show(open)
		<-time.After(500 * time.Millisecond)
		if got := f.take(); len(got) != 1 || len(got[0].Users) != 0 || !slices.Equal(got[0].Followed, []songspy.UserID{1, 9}) {
			t.Fatalf("500 ms after a stream without listeners began %+v was written", got)
		}
		open.Users = []songspy.UserID{1}
		streams.show(open)
		<-time.After(500 * time.Millisecond)
		if got := f.take(); len(got) != 1 || !slices.Equal(got[0].Users, open.Users) || !slices.Equal(got[0].Followed, []songspy.UserID{9}) {
			t.Errorf("after one of them began to listen %+v was written", got)
		}
		streams.show()
		<-time.After(time.Minute)
		if got := f.take(); len(got) == 0 || len(got[len(got)-1].Followed) != 0 {
			t.Errorf("after the stream ended %+v was written", got)
		}
	})
}

// lastUsers returns the users of the last watch that was written since the last call; ok is
// false if there is none.
func (f *fakeStore) lastUsers() (users []songspy.UserID, ok bool) {
	if got := f.take(); len(got) > 0 {
		return got[len(got)-1].Users, true
	}
	return nil, false
}

func TestReporter_ASignOfItsViewerLetsAStreamCountForTenMoreMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := running(t)
		me := board.ViewerID{Account: 7}
		following(t, r).show(board.Shown{Viewer: me, OpenedAt: time.Now(), Users: []songspy.UserID{1}})
		<-time.After(9 * time.Minute)
		r.RecordActive(me)
		r.RecordActive(board.ViewerID{Account: 8})
		<-time.After(9 * time.Minute)
		if users, _ := f.lastUsers(); len(users) != 1 {
			t.Error("nine minutes after a request the stream does not count")
		}
		<-time.After(2 * time.Minute)
		if users, ok := f.lastUsers(); !ok || len(users) != 0 {
			t.Errorf("eleven minutes after the request %v is watched", users)
		}
		<-time.After(time.Hour)
		f.take()
		back := time.Now()
		r.RecordActive(me)
		<-time.After(500 * time.Millisecond)
		if got := f.take(); len(got) != 1 || len(got[0].Users) != 1 || got[0].OpenedAt.Before(back) {
			t.Errorf("when its viewer is back, %+v was written, want a first sight", got)
		}
	})
}

func TestReporter_AReadCountsForAShortTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := running(t)
		me := board.ViewerID{Address: board.SubscriberOf("192.0.2.1")}
		r.Read(me, "listening", []songspy.UserID{1, 2}, nil)
		<-time.After(100 * time.Millisecond)
		if got := f.take(); len(got) != 1 || !slices.Equal(got[0].Users, []songspy.UserID{1, 2}) || got[0].SignedIn {
			t.Fatalf("after a read %+v was written", got)
		}
		<-time.After(readLasts + renewal)
		if users, ok := f.lastUsers(); !ok || len(users) != 0 {
			t.Errorf("a minute after the read %v is watched", users)
		}
		<-time.After(time.Hour)
		if len(r.viewers) != 0 || r.counts != [2]int{} {
			t.Errorf("after an hour %d viewers are known", len(r.viewers))
		}
	})
}

func TestReporter_AReadThatShowsNobodyEndsTheReadBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := running(t)
		me := board.ViewerID{Address: board.SubscriberOf("192.0.2.1")}
		r.Read(me, "listening", []songspy.UserID{1}, nil)
		<-time.After(100 * time.Millisecond)
		r.Read(me, "listening", nil, nil)
		<-time.After(time.Second)
		if users, ok := f.lastUsers(); !ok || len(users) != 0 {
			t.Errorf("after a read that shows nobody %v is watched", users)
		}
	})
}

// 1000 viewers who are not signed in read pages with more users than a viewer may watch. At
// most 300 of them, with at most usersMax users each, may be kept in memory and reported. All
// 100 signed-in viewers must be reported.
func TestReporter_HostileViewersTakeNoPlaceOfOthers(t *testing.T) {
	for _, engine := range []string{storetest.SQLite, storetest.Postgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			db := storetest.Open(t, engine)
			r := New(db, []byte("key"), time.Now, slog.New(slog.DiscardHandler))
			r.most = 300
			many := make([]songspy.UserID, 10*usersMax)
			for i := range many {
				many[i] = songspy.UserID(i + 1)
			}
			for i := range 1000 {
				hostile := board.ViewerID{Address: board.SubscriberOf(fmt.Sprintf("2001:db8:0:%x::1", i))}
				r.Read(hostile, "listening", many, nil)
				r.Read(hostile, "track", many[i:], nil)
			}
			for i := range 100 {
				r.Read(board.ViewerID{Account: songspy.UserID(i + 1)}, "listening", many[i:i+1], nil)
			}
			r.write(t.Context(), false)
			watches, _, err := db.WatchesSince(t.Context(), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			var counts [2]int
			for _, w := range watches {
				if len(w.Users) > usersMax {
					t.Fatalf("a viewer watches %d users", len(w.Users))
				}
				if w.SignedIn {
					counts[1]++
				} else {
					counts[0]++
				}
			}
			if counts != [2]int{300, 100} || len(r.viewers) != 400 {
				t.Errorf("%v viewers are reported and %d are known, want 300 strangers and all followers", counts, len(r.viewers))
			}
		})
	}
}
