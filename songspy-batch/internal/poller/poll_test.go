package poller

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func failureWith(d songspy.Disposition, wait time.Duration) error {
	return &songspy.Error{Code: songspy.CodeUnavailable, Disposition: d, RetryAfter: wait}
}

// renewals is a renewer that grants or refuses.
type renewals struct {
	store *fakeStore
	calls atomic.Int32
	err   error

	pollsRefused, pollsRecovered, pollsAnswered atomic.Int32
	wait                                        time.Duration // after a refused poll
}

func (r *renewals) PollRefused(context.Context, songspy.UserID, int64) (time.Duration, error) {
	r.pollsRefused.Add(1)
	return r.wait, nil
}

func (r *renewals) PollRecovered(context.Context, songspy.UserID, int64) error {
	r.pollsRecovered.Add(1)
	return nil
}

func (r *renewals) PollAnswered(context.Context, string, songspy.UserID) { r.pollsAnswered.Add(1) }

func (r *renewals) Renew(_ context.Context, id songspy.UserID, version int64) (songspy.Link, error) {
	r.calls.Add(1)
	if r.err != nil {
		return songspy.Link{}, r.err
	}
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	p := r.store.users[id]
	if p.Link.Version == version {
		p.Link.Version++
		p.Link.AccessToken += "+"
		p.Link.AccessExpiresAt = time.Now().Add(time.Hour)
		r.store.users[id] = p
	}
	return p.Link, nil
}

// withRenewals gives the sweep a renewer over its own store.
func withRenewals(r *renewals) func(*Options) {
	return func(o *Options) {
		r.store = o.Store.(*fakeStore)
		o.Renewer = r
	}
}

func TestAnExpiredTokenIsRenewedOnceAndThePollRepeatedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &renewals{}
		th := newHarness(t, 1, withRenewals(r))
		th.player.answer = func(token string) (songspy.Observation, error) {
			if !strings.HasSuffix(token, "+") {
				return songspy.Observation{}, failureWith(songspy.DispositionRenewToken, 0)
			}
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, th.Poller)
		<-time.After(30 * time.Minute)
		stop()
		spent, living := th.player.pollTimes("1/1"), th.player.pollTimes("1/1+")
		if len(spent) != 1 || len(living) == 0 || !living[0].Equal(spent[0]) {
			t.Errorf("asked %d times with the spent token, then with the new one at %v", len(spent), living)
		}
		if n := r.calls.Load(); n != 1 {
			t.Errorf("%d renewals, want 1", n)
		}
	})
}

func TestARefusedNewTokenIsNotRenewedInALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &renewals{}
		th := newHarness(t, 1, withRenewals(r))
		th.player.answer = func(string) (songspy.Observation, error) {
			return songspy.Observation{}, failureWith(songspy.DispositionRenewToken, 0)
		}
		stop := runPoller(t, th.Poller)
		<-time.After(30 * time.Minute)
		stop()
		if polls, n := len(th.player.allPollTimes()), int(r.calls.Load()); n > 11 || polls != 2*n {
			t.Errorf("%d renewals and %d looks in ten intervals", n, polls)
		}
	})
}

func TestATokenKnownToBeExpiredIsRenewedBeforeUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &renewals{}
		th := newHarness(t, 1, withRenewals(r))
		p := th.store.users[1]
		p.Link.AccessExpiresAt = time.Now()
		th.store.users[1] = p
		stop := runPoller(t, th.Poller)
		<-time.After(3 * time.Minute)
		stop()
		if n := len(th.player.pollTimes("1/1")); n != 0 {
			t.Errorf("a dead token was used %d times", n)
		}
		if len(th.player.pollTimes("1/1+")) == 0 {
			t.Error("the new token was not used")
		}
	})
}

func TestASuspectLinkIsPolledWhileItsTokenIsValidAndNeverRenewedByAPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 1) // a renewal fails the test
		p := th.store.users[1]
		p.Link.State = songspy.LinkSuspect
		p.Link.AccessExpiresAt = time.Now().Add(30 * time.Minute)
		th.store.users[1] = p
		stop := runPoller(t, th.Poller)
		<-time.After(29 * time.Minute)
		if n := len(th.player.pollTimes("1/1")); n < 9 {
			t.Errorf("%d looks while the token lived", n)
		}
		<-time.After(time.Minute)
		before := len(th.player.pollTimes("1/1"))
		<-time.After(30 * time.Minute)
		if n := len(th.player.pollTimes("1/1")); n != before {
			t.Errorf("%d looks with a dead token", n-before)
		}
		p.Link.State, p.Link.Version = songspy.LinkActive, 2
		p.Link.AccessToken, p.Link.AccessExpiresAt = "healed", time.Now().Add(time.Hour)
		th.LinkRenewed(p.Link)
		<-time.After(th.Interval)
		stop()
		if len(th.player.pollTimes("healed")) == 0 {
			t.Error("the healed link was not asked within the interval")
		}
	})
}

func TestALinkThatNeedsItsUserIsRemovedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 1)
		stop := runPoller(t, th.Poller)
		<-time.After(10 * time.Minute)
		l := th.store.users[1].Link
		l.State, l.Version = songspy.LinkReauthRequired, 2
		th.LinkRenewed(l)
		if th.registry.len() != 0 || th.polls.Len() != 0 {
			t.Errorf("%d on the roster, %d looks planned", th.registry.len(), th.polls.Len())
		}
		stop()
	})
}

func TestANotRegisteredUserIsMarkedAndNotPolledAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 2)
		th.player.answer = func(token string) (songspy.Observation, error) {
			if token == "1/1" {
				return songspy.Observation{}, failureWith(songspy.DispositionNotRegistered, 0)
			}
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, th.Poller)
		<-time.After(time.Hour)
		stop()
		if n := len(th.player.pollTimes("1/1")); n != 1 {
			t.Errorf("asked %d times, want once", n)
		}
		if l := th.store.users[1].Link; l.State != songspy.LinkNotRegistered {
			t.Errorf("the link is %s", l.State)
		}
		if l := th.store.users[2].Link; l.State != songspy.LinkActive || len(th.player.pollTimes("2/1")) < 20 {
			t.Errorf("the other link is %s and was asked %d times", l.State, len(th.player.pollTimes("2/1")))
		}
	})
}

func TestAnAnsweredPollWithoutEarlierRefusalIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &renewals{}
		th := newHarness(t, 1, withRenewals(r))
		stop := runPoller(t, th.Poller)
		<-time.After(30 * time.Minute)
		stop()
		if polls := int32(len(th.player.pollTimes("1/1"))); r.pollsAnswered.Load() != polls || r.pollsRecovered.Load() != 0 {
			t.Errorf("%d polls are %d grants, and %d answers of a refused user", polls, r.pollsAnswered.Load(), r.pollsRecovered.Load())
		}
	})
}

func TestMarkNotRegisteredClearsRefusedPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 1)
		since := time.Now()
		p := th.store.users[1]
		p.Link.State, p.Link.PollsRefusedSince = songspy.LinkSuspect, &since
		th.store.users[1] = p
		th.player.answer = func(string) (songspy.Observation, error) {
			return songspy.Observation{}, failureWith(songspy.DispositionNotRegistered, 0)
		}
		stop := runPoller(t, th.Poller)
		<-time.After(10 * time.Minute)
		stop()
		if l := th.store.users[1].Link; l.State != songspy.LinkNotRegistered || l.PollsRefusedSince != nil {
			t.Errorf("the link is %s, its polls are refused since %v", l.State, l.PollsRefusedSince)
		}
	})
}

func TestRefusalsOfSingleUsersDoNotBlockTheApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forbidden := 0
		th := newHarness(t, 3, func(o *Options) { o.BlockApp = func(context.Context, string) { forbidden++ } })
		th.player.answer = func(token string) (songspy.Observation, error) {
			if token != "3/1" {
				return songspy.Observation{}, failureWith(songspy.DispositionRefused, 0)
			}
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, th.Poller)
		<-time.After(time.Hour)
		stop()
		if forbidden > 0 {
			t.Errorf("the app was paused %d times", forbidden)
		}
		for id, want := range map[songspy.UserID]songspy.LinkState{1: songspy.LinkNotRegistered, 2: songspy.LinkNotRegistered, 3: songspy.LinkActive} {
			if l := th.store.users[id].Link; l.State != want {
				t.Errorf("the link of %d is %s, want %s", id, l.State, want)
			}
		}
	})
}

func TestAFailureOfOneUserAffectsNoOther(t *testing.T) {
	for name, fault := range map[string]error{
		"a spent grant":   failureWith(songspy.DispositionNeedsUser, 0),
		"a passing fault": failureWith(songspy.DispositionRetryLater, time.Hour),
		"an odd answer":   errors.New("the answer is a poem"),
		"a missing scope": failureWith(songspy.DispositionNone, 0),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := newHarness(t, 100)
				th.player.answer = func(token string) (songspy.Observation, error) {
					if strings.HasSuffix(token, "0/1") {
						return songspy.Observation{}, fault
					}
					return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
				}
				stop := runPoller(t, th.Poller)
				<-time.After(30 * time.Minute)
				stop()
				for token, polls := range th.player.polls {
					if !strings.HasSuffix(token, "0/1") && len(polls) < 10 {
						t.Errorf("%s was asked %d times in ten intervals", token, len(polls))
					}
				}
				if th.registry.len() != 100 {
					t.Errorf("%d of 100 are still on the roster", th.registry.len())
				}
			})
		})
	}
}

func TestAnOpenBreakerStopsPollsAndItsResetKeepsThemSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const users = 600
		th := newHarness(t, users)
		block, opens := time.Now().Add(10*time.Minute), time.Now().Add(40*time.Minute)
		var refused atomic.Int32
		th.player.answer = func(string) (songspy.Observation, error) {
			if now := time.Now(); now.After(block) && now.Before(opens) {
				refused.Add(1)
				return songspy.Observation{}, failureWith(songspy.DispositionAppBlocked, opens.Sub(now))
			}
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, th.Poller)
		<-time.After(time.Hour)
		stop()
		if n := refused.Load(); n > users {
			t.Errorf("%d knocks at the closed door by %d people; each needs one to hear when it opens", n, users)
		}
		all := th.player.allPollTimes()
		first, _ := slices.BinarySearchFunc(all, opens, time.Time.Compare)
		perSecond := map[int64]int{}
		for _, at := range all[first:] {
			perSecond[at.Unix()]++
		}
		for second, n := range perSecond {
			if n > 8*users/180 {
				t.Fatalf("%d looks %d s after the opening", n, second-opens.Unix())
			}
		}
		inTime, _ := slices.BinarySearchFunc(all, opens.Add(th.Interval), time.Time.Compare)
		if n := inTime - first; n < users {
			t.Errorf("%d looks in the first interval after the opening, want everyone", n)
		}
	})
}

func TestAPollResultIsDroppedIfTheUserRelinkedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 1)
		began := time.Now()
		th.player.answer = func(token string) (songspy.Observation, error) {
			if token == "1/1" {
				th.store.link(1)
				<-time.After(5 * time.Second) // the feed has told meanwhile
				return song("of-the-former-account", began)
			}
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, th.Poller)
		<-time.After(10 * time.Minute)
		stop()
		if len(th.store.updates) > 0 {
			t.Errorf("written through the former link: %+v", th.store.updates)
		}
		if len(th.player.pollTimes("1/1")) != 1 || len(th.player.pollTimes("1/2")) < 3 {
			t.Errorf("asked %d times through the former link and %d times through the new one",
				len(th.player.pollTimes("1/1")), len(th.player.pollTimes("1/2")))
		}
	})
}

func TestAHangingPollTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 2, func(o *Options) { o.Workers = 1 })
		th.Player = hangingPlayer{th.player}
		stop := runPoller(t, th.Poller)
		<-time.After(30 * time.Minute)
		began := time.Now()
		stop()
		if took := time.Since(began); took > PollTimeout {
			t.Errorf("stopping took %s", took)
		}
		if n := len(th.player.pollTimes("2/1")); n < 9 {
			t.Errorf("the other listener was asked %d times in ten intervals", n)
		}
	})
}

// deaf never answers for person 1.
type hangingPlayer struct{ *fakePlayer }

func (d hangingPlayer) CurrentlyPlaying(ctx context.Context, access songspy.Credentials) (songspy.Observation, error) {
	if access.Token == "1/1" {
		<-ctx.Done()
		return songspy.Observation{}, failureWith(songspy.DispositionRetryLater, 0)
	}
	return d.fakePlayer.CurrentlyPlaying(ctx, access)
}
