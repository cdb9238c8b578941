package poller

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestEveryUserIsPolledOncePerIntervalAndPollsAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const users = 1000
		th := newHarness(t, users)
		start := time.Now()
		stop := runPoller(t, th.Poller)
		<-time.After(time.Hour)
		stop()
		for token, polls := range th.player.polls {
			last := start
			for _, at := range append(polls, time.Now()) {
				if gap := at.Sub(last); gap > th.Interval {
					t.Fatalf("%s was not looked at for %s", token, gap)
				}
				last = at
			}
		}
		if n := len(th.player.polls); n != users {
			t.Errorf("%d people were looked at, want %d", n, users)
		}
		perSecond := map[int64]int{}
		for _, at := range th.player.allPollTimes() {
			perSecond[at.Unix()]++
		}
		for second, n := range perSecond {
			if n > 8*users/180 {
				t.Fatalf("%d looks in second %d: they are not spread", n, second-start.Unix())
			}
		}
	})
}

func TestWithoutSpreadAllUsersAreDueAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 300, func(o *Options) { o.Spread = false })
		began := time.Now()
		th.player.answer = func(token string) (songspy.Observation, error) {
			if token[0] == '1' {
				return song("one", began)
			}
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, th.Poller)
		synctest.Wait()
		if n := len(th.player.allPollTimes()); n != 300 {
			t.Errorf("%d looks at the start, want all 300", n)
		}
		<-time.After(2 * th.Interval)
		stop()
		moments := map[int64]bool{}
		for _, at := range th.player.allPollTimes()[300:] {
			moments[at.UnixNano()%int64(th.Interval)] = true
		}
		if len(moments) != 1 || !moments[0] {
			t.Errorf("later sweeps were at %v of the interval, want all at its start", moments)
		}
	})
}

func TestTokensAreReadAgainOnlyAfterAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 50)
		stop := runPoller(t, th.Poller)
		<-time.After(time.Hour - time.Second)
		if th.store.tokenReads != 50 {
			t.Errorf("the tokens of 50 people were read %d times in an hour, want once each", th.store.tokenReads)
		}
		th.store.mu.Lock()
		l := th.store.users[7] // renewed by another process; the feed tells nobody
		l.Link.AccessToken, l.Link.Version = "7/renewed", l.Link.Version+1
		th.store.users[7] = l
		th.store.mu.Unlock()
		<-time.After(2 * th.Interval)
		stop()
		if len(th.player.pollTimes("7/renewed")) == 0 {
			t.Error("a plan passed over tokens that had changed")
		}
	})
}

func TestANewLinkIsPolledAtOnceAndAnErasedUserNeverAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 3)
		stop := runPoller(t, th.Poller)
		<-time.After(time.Hour)
		th.store.link(9)
		th.store.link(1) // anew
		th.store.erase(2)
		<-time.After(time.Second)
		before := len(th.player.pollTimes("2/1"))
		if len(th.player.pollTimes("9/1")) != 1 || len(th.player.pollTimes("1/2")) != 1 {
			t.Errorf("looks a second after linking: %d at the newcomer, %d at the new link; want one each",
				len(th.player.pollTimes("9/1")), len(th.player.pollTimes("1/2")))
		}
		old := len(th.player.pollTimes("1/1"))
		<-time.After(time.Hour)
		stop()
		if n := len(th.player.pollTimes("2/1")); n != before {
			t.Errorf("the erased person was asked %d times more", n-before)
		}
		if n := len(th.player.pollTimes("1/1")); n != old {
			t.Errorf("the former link was asked %d times more", n-old)
		}
		if n := len(th.player.pollTimes("9/1")); n < 20 {
			t.Errorf("the newcomer was asked %d times in an hour", n)
		}
	})
}

func TestLostChangesCauseAFullRead(t *testing.T) {
	for name, unlink := range map[string]func(*fakeStore){
		"pruned":            func(f *fakeStore) { f.changes = f.changes[len(f.changes)-1:] },
		"all pruned":        func(f *fakeStore) { f.changes = nil },
		"an older database": func(f *fakeStore) { f.changes, f.last = nil, 1 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := newHarness(t, 3)
				stop := runPoller(t, th.Poller)
				<-time.After(10 * time.Second)
				th.store.link(8)
				th.store.link(9)
				th.store.erase(2)
				th.store.mu.Lock()
				unlink(th.store)
				th.store.mu.Unlock()
				<-time.After(2 * time.Second) // long before the next plan
				for id, want := range map[songspy.UserID]bool{1: true, 2: false, 8: true, 9: true} {
					if _, _, on := th.registry.beginPoll(id); on != want {
						t.Errorf("%d is on the roster: %t, want %t", id, on, want)
					}
				}
				stop()
			})
		})
	}
}

func TestNothingIsWrittenForAnUnchangedUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 200)
		began := time.Now()
		th.player.answer = func(token string) (songspy.Observation, error) {
			if token == "1/1" && time.Since(began) < 200*time.Second {
				return song("one", began)
			}
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, th.Poller)
		<-time.After(time.Hour)
		stop()
		for _, h := range th.store.updates {
			if h.Playing.UserID != 1 {
				t.Fatalf("a row was written for %d, who never played anything: %+v", h.Playing.UserID, h)
			}
		}
		if n := len(th.store.updates); n == 0 || n > 6 {
			t.Errorf("%d writes for one song heard out", n)
		}
	})
}

func TestUnwrittenStateIsFlushedAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 1, func(o *Options) { o.Interval = 20 * time.Second })
		began := time.Now()
		th.player.answer = func(string) (songspy.Observation, error) { return song("one", began) }
		stop := runPoller(t, th.Poller)
		<-time.After(170 * time.Second)
		stop()
		polls := th.player.pollTimes("1/1")
		if seen := th.store.users[1].Playing.SeenAt; !seen.Equal(polls[len(polls)-1]) {
			t.Errorf("stored as seen at %s, last seen at %s", seen, polls[len(polls)-1])
		}
		if n := len(th.store.updates); n >= len(polls) {
			t.Errorf("%d writes for %d looks", n, len(polls))
		}
	})
}

// silent is a feed that never tells of a change.
type silentFeed struct{ *fakeStore }

func (silentFeed) WaitForChange(ctx context.Context, _ int64) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestANewUserFoundByThePlanBeforeTheChangeFeedIsPolledAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 3, func(o *Options) { o.Feed = silentFeed{o.Feed.(*fakeStore)} })
		stop := runPoller(t, th.Poller)
		<-time.After(th.Interval - time.Second)
		th.store.link(9)
		<-time.After(2 * time.Second)
		stop()
		if n := len(th.player.pollTimes("9/1")); n != 1 {
			t.Errorf("%d looks at the newcomer just after the plan, want 1", n)
		}
	})
}
