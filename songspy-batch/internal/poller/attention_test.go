package poller

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/attention"
)

// fakeWatches is a WatchStore in memory. written holds the time at which each watch was written.
type fakeWatches struct {
	mu      sync.Mutex
	written []time.Time
	watches []songspy.Watch
}

func (f *fakeWatches) write(w songspy.Watch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.written, f.watches = append(f.written, time.Now()), append(f.watches, w)
}

// forgetAllBut removes all watches except the newest, so that a long test stays fast. The
// parameter last is how many watches it keeps.
func (f *fakeWatches) forgetAllBut(last int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if old := len(f.watches) - last; old > 0 {
		f.watches, f.written = slices.Delete(f.watches, 0, old), slices.Delete(f.written, 0, old)
	}
}

func (f *fakeWatches) WatchesSince(_ context.Context, since time.Time) (watches []songspy.Watch, readAt time.Time, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, w := range f.watches {
		if !f.written[i].Before(since) {
			watches = append(watches, w)
		}
	}
	return watches, time.Now(), nil
}

// watching returns a watch of two minutes that begins now.
func watching(viewer byte, users ...songspy.UserID) songspy.Watch {
	now := time.Now()
	return songspy.Watch{Viewer: songspy.ViewerHash{viewer}, SignedIn: true, Users: users, OpenedAt: now, Until: now.Add(2 * time.Minute)}
}

// watchedPoller runs a poller of ten users: user 1 listens to songs, and the others
// are idle.
func watchedPoller(t *testing.T, share float64) (*harness, *fakeWatches) {
	t.Helper()
	f := &fakeWatches{}
	h := newHarness(t, 10, func(o *Options) { o.Attention = &AttentionOptions{Share: share, Store: f} })
	began := time.Now()
	h.player.answer = func(token string) (songspy.Observation, error) {
		if token != "1/1" {
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		return song("a", began.Add(time.Since(began).Truncate(210*time.Second)))
	}
	t.Cleanup(runPoller(t, h.Poller))
	return h, f
}

// firstAfter returns how long after the given time the first poll with the token came. It returns
// a day if there was none.
func firstAfter(h *harness, token string, at time.Time) time.Duration {
	for _, polled := range h.player.pollTimes(token) {
		if !polled.Before(at) {
			return polled.Sub(at)
		}
	}
	return 24 * time.Hour
}

func TestAttention_OpeningAPagePollsWhoListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, f := watchedPoller(t, 0.15)
		<-time.After(30*time.Minute + 60*time.Second) // the song has been playing for three minutes
		opened := time.Now()
		if polled := h.player.pollTimes("1/1"); opened.Sub(polled[len(polled)-1]) < attention.MinGap {
			t.Fatalf("the last poll came %v ago", opened.Sub(polled[len(polled)-1]))
		}
		f.write(watching(1, 1, 2))
		<-time.After(time.Second)
		if got := firstAfter(h, "1/1", opened); got > 500*time.Millisecond {
			t.Errorf("the user who listens was polled after %v, want at most 500ms", got)
		}
		if got := firstAfter(h, "2/1", opened); got < time.Second {
			t.Errorf("the idle user was polled after %v", got)
		}
	})
}

// A viewer has two devices, which two processes of the API serve. Each process reports what its
// device shows. If both devices show a user, the user has one viewer.
func TestAttention_AViewerMayWatchThroughTwoProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, f := watchedPoller(t, 0.15)
		<-time.After(time.Minute)
		phone, laptop := watching(1, 1, 2), watching(1, 2, 3)
		phone.Source, laptop.Source = "first process", "second process"
		f.write(phone)
		f.write(laptop)
		<-time.After(time.Second)
		viewers := func() (of [4]int) {
			p := h.attention
			p.mu.Lock()
			defer p.mu.Unlock()
			for id := range of {
				if u := p.users[songspy.UserID(id)]; u != nil {
					of[id] = len(u.viewers)
				}
			}
			return of
		}
		if got := viewers(); got != [4]int{0, 1, 1, 1} {
			t.Errorf("with both devices, the users 0 to 3 have %v viewers", got)
		}
		phone.Until = time.Now()
		f.write(phone)
		<-time.After(time.Second)
		if got := viewers(); got != [4]int{0, 0, 1, 1} {
			t.Errorf("with the laptop alone, the users 0 to 3 have %v viewers", got)
		}
	})
}

func TestAttention_OwnPagePollsAnIdleUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, f := watchedPoller(t, 0.15)
		<-time.After(30 * time.Minute)
		for firstAfter(h, "2/1", time.Now().Add(-30*time.Second)) < time.Hour { // until the last poll is at least 30 s old, longer than attention.MinGap
			<-time.After(10 * time.Second)
		}
		opened, own := time.Now(), watching(2, 2)
		own.Own = true
		f.write(own)
		<-time.After(time.Second)
		if got := firstAfter(h, "2/1", opened); got > 500*time.Millisecond {
			t.Errorf("the user was polled after %v, want at most 500ms", got)
		}
		<-time.After(5 * time.Second)
		again := time.Now()
		own.OpenedAt = again
		f.write(own)
		<-time.After(2 * time.Second)
		if got := firstAfter(h, "2/1", again); got < 2*time.Second {
			t.Errorf("the user was polled again after %v, although the last poll was 6 s old", got)
		}
	})
}

// Whatever viewers do, and however many they are: no user is polled for them within 15 s of the
// user's last poll, no user waits longer than the interval, and the calls stay within the
// allowance. That must hold with few users too. After a poll for viewers, a user's interval polls
// return to the user's phase (own time within the interval), so the poll for viewers may be an
// additional call.
func TestAttention_KeepsTheGapTheIntervalAndTheAllowance(t *testing.T) {
	for _, c := range []struct {
		users int
		share float64
	}{{10, 0.02}, {10, 0.05}, {10, 0.1}, {40, 0.02}, {40, 0.05}} {
		t.Run(fmt.Sprintf("%d users, %v", c.users, c.share), func(t *testing.T) { keepsTheAllowance(t, c.users, c.share) })
	}
}

func keepsTheAllowance(t *testing.T, users int, share float64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeWatches{}
		h := newHarness(t, users, func(o *Options) { o.Attention = &AttentionOptions{Share: share, Store: f} })
		stop := runPoller(t, h.Poller)
		<-time.After(time.Hour)
		from := time.Now()
		for minute := range 24 * 60 { // viewers who open pages all day
			for viewer := range byte(10) {
				w := watching(viewer+byte(minute%20), 1, 2, 3, 4, 5)
				w.SignedIn = viewer%2 == 0
				f.write(w)
			}
			f.forgetAllBut(20)
			<-time.After(time.Minute)
		}
		if watched, _ := h.attention.stats(); watched != 5 {
			t.Errorf("%d users are watched, want 5", watched)
		}
		stop()
		calls := 0
		for token, polls := range h.player.polls {
			for i, at := range polls {
				if at.Before(from) {
					continue
				}
				calls++
				if gap := at.Sub(polls[i-1]); gap > h.opt.Interval || gap < attention.MinGap {
					t.Fatalf("user %s was polled %v after the last poll", token, gap)
				}
			}
		}
		plain := float64(users) * 480
		if most := plain*(1+2*share) + 30; float64(calls) > most { // 2*share, because the allowance was full at the start: it held the calls of one more day
			t.Errorf("%d calls in a day, want at most %.0f", calls, most)
		}
		if float64(calls) < plain*(1+share) {
			t.Errorf("%d calls in a day: the allowance was not used", calls)
		}
	})
}

func TestAttention_OffChangesNoPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, f := watchedPoller(t, 0)
		<-time.After(31 * time.Minute)
		opened := time.Now()
		f.write(watching(1, 1))
		<-time.After(10 * time.Second)
		if got := firstAfter(h, "1/1", opened); got < 10*time.Second {
			t.Errorf("the user was polled after %v", got)
		}
	})
}

func TestAttention_RetriesKeepTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, f := watchedPoller(t, 0.15)
		<-time.After(30 * time.Minute)
		h.player.setAnswer(func(string) (songspy.Observation, error) {
			return songspy.Observation{}, &songspy.Error{Code: songspy.CodeUnavailable, Disposition: songspy.DispositionRetryLater, RetryAfter: time.Hour}
		})
		<-time.After(4 * time.Minute) // longer than the interval, so the last poll of every user has failed
		opened := time.Now()
		f.write(watching(1, 1))
		<-time.After(20 * time.Second)
		if got := firstAfter(h, "1/1", opened); got < 20*time.Second {
			t.Errorf("the user was polled after %v, although Spotify asked to wait an hour", got)
		}
	})
}
