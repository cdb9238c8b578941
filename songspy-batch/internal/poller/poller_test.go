package poller

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestEveryUserIsPolledOncePerIntervalAndPollsAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const users = 1000
		h := newHarness(t, users)
		start := time.Now()
		stop := runPoller(t, h.Poller)
		<-time.After(time.Hour)
		stop()
		for token, polls := range h.player.polls {
			last := start
			for _, at := range append(polls, time.Now()) {
				if gap := at.Sub(last); gap > h.opt.Interval {
					t.Fatalf("%s was not polled for %s", token, gap)
				}
				last = at
			}
		}
		if n := len(h.player.polls); n != users {
			t.Errorf("%d users were polled, want %d", n, users)
		}
		perSecond := map[int64]int{}
		for _, at := range h.player.allPollTimes() {
			perSecond[at.Unix()]++
		}
		for second, n := range perSecond {
			if n > 8*users/180 {
				t.Fatalf("%d polls in second %d: they are not spread", n, second-start.Unix())
			}
		}
	})
}

// A worker takes a due poll from the queue before it marks the poll as running in the registry. If
// Plan runs between these two steps, it must not plan another poll of the user: otherwise two
// polls could be made at once.
func TestPlanAddsNoPollWhileAWorkerBeginsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 10)
		if err := h.Plan(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		begun := 0
		go h.registry.polls.Run(ctx, 1, func(ctx context.Context, id songspy.UserID, _ time.Time) {
			begun++
			if err := h.Plan(ctx); err != nil {
				t.Error(err)
			}
			if at, planned := h.registry.polls.At(id); planned {
				t.Errorf("while a worker began the poll of user %d, Plan planned another at %v", id, at)
			}
		})
		<-time.After(h.opt.Interval)
		cancel()
		synctest.Wait()
		if begun != 10 {
			t.Errorf("%d polls were begun in one interval, want one of each of the ten users", begun)
		}
	})
}

func TestWithoutSpreadAllUsersAreDueAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 300, func(o *Options) { o.Spread = false })
		began := time.Now()
		h.player.answer = func(token string) (songspy.Observation, error) {
			if token[0] == '1' {
				return song("one", began)
			}
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, h.Poller)
		synctest.Wait()
		if n := len(h.player.allPollTimes()); n != 300 {
			t.Errorf("%d polls at the start, want all 300", n)
		}
		<-time.After(2 * h.opt.Interval)
		stop()
		moments := map[int64]bool{}
		for _, at := range h.player.allPollTimes()[300:] {
			moments[at.UnixNano()%int64(h.opt.Interval)] = true
		}
		if len(moments) != 1 || !moments[0] {
			t.Errorf("later polls were at %v of the interval, want all at its start", moments)
		}
	})
}

func TestTokensAreReadAgainOnlyAfterAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 50)
		stop := runPoller(t, h.Poller)
		<-time.After(time.Hour - time.Second)
		if h.store.tokenReads != 50 {
			t.Errorf("the tokens of 50 users were read %d times in an hour, want once each", h.store.tokenReads)
		}
		h.store.mu.Lock()
		l := h.store.users[7] // renewed by another process; the feed does not report it
		l.Link.AccessToken, l.Link.Version = "7/renewed", l.Link.Version+1
		h.store.users[7] = l
		h.store.mu.Unlock()
		<-time.After(2 * h.opt.Interval)
		stop()
		if len(h.player.pollTimes("7/renewed")) == 0 {
			t.Error("a plan did not read tokens that had changed")
		}
	})
}

func TestANewLinkIsPolledAtOnceAndAnErasedUserNeverAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 3)
		stop := runPoller(t, h.Poller)
		<-time.After(time.Hour)
		h.store.link(9)
		h.store.link(1) // again
		h.store.erase(2)
		<-time.After(time.Second)
		before := len(h.player.pollTimes("2/1"))
		if len(h.player.pollTimes("9/1")) != 1 || len(h.player.pollTimes("1/2")) != 1 {
			t.Errorf("polls a second after linking: %d of the new user, %d of the new link; want one each",
				len(h.player.pollTimes("9/1")), len(h.player.pollTimes("1/2")))
		}
		old := len(h.player.pollTimes("1/1"))
		<-time.After(time.Hour)
		stop()
		if n := len(h.player.pollTimes("2/1")); n != before {
			t.Errorf("the erased user was polled %d times more", n-before)
		}
		if n := len(h.player.pollTimes("1/1")); n != old {
			t.Errorf("the previous link was polled %d times more", n-old)
		}
		if n := len(h.player.pollTimes("9/1")); n < 20 {
			t.Errorf("the new user was polled %d times in an hour", n)
		}
	})
}

func TestLostChangesCauseAFullRead(t *testing.T) {
	for name, unlink := range map[string]func(*fakeStore){
		"pruned":            func(f *fakeStore) { f.Prune(5) },
		"all pruned":        func(f *fakeStore) { f.Prune(6) },
		"an older database": func(f *fakeStore) { f.Prune(6); f.Restore(1) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, 3)
				stop := runPoller(t, h.Poller)
				<-time.After(10 * time.Second)
				h.store.Fail(errors.New("down")) // the feed fails, so that the poller does not read the changes before they are lost
				h.store.link(8)
				h.store.link(9)
				h.store.erase(2)
				unlink(h.store)
				h.store.Fail(nil)
				<-time.After(5 * time.Second) // long before the next plan
				for id, want := range map[songspy.UserID]bool{1: true, 2: false, 8: true, 9: true} {
					if _, on := h.registry.beginPoll(id); on != want {
						t.Errorf("user %d is in the registry: %t, want %t", id, on, want)
					}
				}
				stop()
			})
		})
	}
}

func TestNothingIsWrittenForAnUnchangedUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 200)
		began := time.Now()
		h.player.answer = func(token string) (songspy.Observation, error) {
			if token == "1/1" && time.Since(began) < 200*time.Second {
				return song("one", began)
			}
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, h.Poller)
		<-time.After(time.Hour)
		stop()
		for _, u := range h.store.updates {
			if u.Playing.UserID != 1 {
				t.Fatalf("an update was written for user %d, who never played anything: %+v", u.Playing.UserID, u)
			}
		}
		if n := len(h.store.updates); n == 0 || n > 6 {
			t.Errorf("%d updates for one song that played to its end", n)
		}
	})
}

func TestUnwrittenStateIsFlushedAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1, func(o *Options) { o.Interval = 20 * time.Second })
		began := time.Now()
		h.player.answer = func(string) (songspy.Observation, error) { return song("one", began) }
		stop := runPoller(t, h.Poller)
		<-time.After(170 * time.Second)
		stop()
		polls := h.player.pollTimes("1/1")
		if seen := h.store.users[1].Playing.SeenAt; !seen.Equal(polls[len(polls)-1]) {
			t.Errorf("stored as seen at %s, last polled at %s", seen, polls[len(polls)-1])
		}
		if n := len(h.store.updates); n >= len(polls) {
			t.Errorf("%d updates for %d polls", n, len(polls))
		}
	})
}

// silentFeed never reports a change.
type silentFeed struct{ *fakeStore }

func (silentFeed) WaitForChange(ctx context.Context, _ int64) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestANewUserFoundByThePlanBeforeTheChangeFeedIsPolledAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 3, func(o *Options) { o.Feed = silentFeed{o.Feed.(*fakeStore)} })
		stop := runPoller(t, h.Poller)
		<-time.After(h.opt.Interval - time.Second)
		h.store.link(9)
		<-time.After(2 * time.Second)
		stop()
		if n := len(h.player.pollTimes("9/1")); n != 1 {
			t.Errorf("%d polls of the new user just after the plan, want 1", n)
		}
	})
}
