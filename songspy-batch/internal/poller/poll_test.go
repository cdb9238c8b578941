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

// renewals is a Renewer that renews every token, or fails with err if err is not nil.
type renewals struct {
	store *fakeStore
	calls atomic.Int32
	err   error

	pollsRefused, pollsRecovered, pollsAnswered atomic.Int32
	wait                                        time.Duration // the result of PollRefused
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

// withRenewals makes the poller use r as its Renewer. r then renews the links in the
// poller's store.
func withRenewals(r *renewals) func(*Options) {
	return func(o *Options) {
		r.store = o.Store.(*fakeStore)
		o.Renewer = r
	}
}

func TestAnExpiredTokenIsRenewedOnceAndThePollRepeatedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &renewals{}
		h := newHarness(t, 1, withRenewals(r))
		h.player.answer = func(token string) (songspy.Observation, error) {
			if !strings.HasSuffix(token, "+") {
				return songspy.Observation{}, failureWith(songspy.DispositionRenewToken, 0)
			}
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, h.Poller)
		<-time.After(30 * time.Minute)
		stop()
		expired, renewed := h.player.pollTimes("1/1"), h.player.pollTimes("1/1+")
		if len(expired) != 1 || len(renewed) == 0 || !renewed[0].Equal(expired[0]) {
			t.Errorf("polled %d times with the expired token, then with the new one at %v", len(expired), renewed)
		}
		if n := r.calls.Load(); n != 1 {
			t.Errorf("%d renewals, want 1", n)
		}
	})
}

func TestARefusedNewTokenIsNotRenewedInALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &renewals{}
		h := newHarness(t, 1, withRenewals(r))
		h.player.answer = func(string) (songspy.Observation, error) {
			return songspy.Observation{}, failureWith(songspy.DispositionRenewToken, 0)
		}
		stop := runPoller(t, h.Poller)
		<-time.After(30 * time.Minute)
		stop()
		if polls, n := len(h.player.allPollTimes()), int(r.calls.Load()); n > 11 || polls != 2*n {
			t.Errorf("%d renewals and %d polls in ten intervals", n, polls)
		}
	})
}

func TestATokenKnownToBeExpiredIsRenewedBeforeUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &renewals{}
		h := newHarness(t, 1, withRenewals(r))
		p := h.store.users[1]
		p.Link.AccessExpiresAt = time.Now()
		h.store.users[1] = p
		stop := runPoller(t, h.Poller)
		<-time.After(3 * time.Minute)
		stop()
		if n := len(h.player.pollTimes("1/1")); n != 0 {
			t.Errorf("an expired token was used %d times", n)
		}
		if len(h.player.pollTimes("1/1+")) == 0 {
			t.Error("the new token was not used")
		}
	})
}

func TestASuspectLinkIsPolledWhileItsTokenIsValidAndNeverRenewedByAPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1) // the Renewer of newHarness fails the test if a token is renewed
		p := h.store.users[1]
		p.Link.State = songspy.LinkSuspect
		p.Link.AccessExpiresAt = time.Now().Add(30 * time.Minute)
		h.store.users[1] = p
		stop := runPoller(t, h.Poller)
		<-time.After(29 * time.Minute)
		if n := len(h.player.pollTimes("1/1")); n < 9 {
			t.Errorf("%d polls while the token was valid", n)
		}
		<-time.After(time.Minute)
		before := len(h.player.pollTimes("1/1"))
		<-time.After(30 * time.Minute)
		if n := len(h.player.pollTimes("1/1")); n != before {
			t.Errorf("%d polls with an expired token", n-before)
		}
		p.Link.State, p.Link.Version = songspy.LinkActive, 2
		p.Link.AccessToken, p.Link.AccessExpiresAt = "renewed", time.Now().Add(time.Hour)
		h.registry.UpdateLink(p.Link)
		<-time.After(h.opt.Interval)
		stop()
		if len(h.player.pollTimes("renewed")) == 0 {
			t.Error("the renewed link was not polled within the interval")
		}
	})
}

func TestALinkThatNeedsItsUserIsRemovedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		stop := runPoller(t, h.Poller)
		<-time.After(10 * time.Minute)
		l := h.store.users[1].Link
		l.State, l.Version = songspy.LinkReauthRequired, 2
		h.registry.UpdateLink(l)
		if h.registry.len() != 0 || h.registry.polls.Len() != 0 {
			t.Errorf("%d users in the registry, %d polls planned; want none", h.registry.len(), h.registry.polls.Len())
		}
		stop()
	})
}

func TestANotRegisteredUserIsMarkedAndNotPolledAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 2)
		h.player.answer = func(token string) (songspy.Observation, error) {
			if token == "1/1" {
				return songspy.Observation{}, failureWith(songspy.DispositionNotRegistered, 0)
			}
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, h.Poller)
		<-time.After(time.Hour)
		stop()
		if n := len(h.player.pollTimes("1/1")); n != 1 {
			t.Errorf("polled %d times, want once", n)
		}
		if l := h.store.users[1].Link; l.State != songspy.LinkNotRegistered {
			t.Errorf("the link is %s", l.State)
		}
		if l := h.store.users[2].Link; l.State != songspy.LinkActive || len(h.player.pollTimes("2/1")) < 20 {
			t.Errorf("the other link is %s and was polled %d times", l.State, len(h.player.pollTimes("2/1")))
		}
	})
}

func TestAnAnsweredPollWithoutEarlierRefusalIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &renewals{}
		h := newHarness(t, 1, withRenewals(r))
		stop := runPoller(t, h.Poller)
		<-time.After(30 * time.Minute)
		stop()
		if polls := int32(len(h.player.pollTimes("1/1"))); r.pollsAnswered.Load() != polls || r.pollsRecovered.Load() != 0 {
			t.Errorf("%d polls were reported as %d answered and %d recovered", polls, r.pollsAnswered.Load(), r.pollsRecovered.Load())
		}
	})
}

func TestMarkNotRegisteredClearsRefusedPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		since := time.Now()
		p := h.store.users[1]
		p.Link.State, p.Link.PollsRefusedSince = songspy.LinkSuspect, &since
		h.store.users[1] = p
		h.player.answer = func(string) (songspy.Observation, error) {
			return songspy.Observation{}, failureWith(songspy.DispositionNotRegistered, 0)
		}
		stop := runPoller(t, h.Poller)
		<-time.After(10 * time.Minute)
		stop()
		if l := h.store.users[1].Link; l.State != songspy.LinkNotRegistered || l.PollsRefusedSince != nil {
			t.Errorf("the link is %s, its polls are refused since %v", l.State, l.PollsRefusedSince)
		}
	})
}

func TestRefusalsOfSingleUsersDoNotBlockTheApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blocked := 0
		h := newHarness(t, 3, func(o *Options) { o.TripForbidden = func(context.Context, string) { blocked++ } })
		h.player.answer = func(token string) (songspy.Observation, error) {
			if token != "3/1" {
				return songspy.Observation{}, failureWith(songspy.DispositionRefused, 0)
			}
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, h.Poller)
		<-time.After(time.Hour)
		stop()
		if blocked > 0 {
			t.Errorf("the app was blocked %d times", blocked)
		}
		for id, want := range map[songspy.UserID]songspy.LinkState{1: songspy.LinkNotRegistered, 2: songspy.LinkNotRegistered, 3: songspy.LinkActive} {
			if l := h.store.users[id].Link; l.State != want {
				t.Errorf("the link of %d is %s, want %s", id, l.State, want)
			}
		}
	})
}

func TestAFailureOfOneUserAffectsNoOther(t *testing.T) {
	for name, fault := range map[string]error{
		"user needed":     failureWith(songspy.DispositionNeedsUser, 0),
		"retry later":     failureWith(songspy.DispositionRetryLater, time.Hour),
		"an odd answer":   errors.New("the answer is not JSON"),
		"a missing scope": failureWith(songspy.DispositionNone, 0),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, 100)
				h.player.answer = func(token string) (songspy.Observation, error) {
					if strings.HasSuffix(token, "0/1") {
						return songspy.Observation{}, fault
					}
					return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
				}
				stop := runPoller(t, h.Poller)
				<-time.After(30 * time.Minute)
				stop()
				for token, polls := range h.player.polls {
					if !strings.HasSuffix(token, "0/1") && len(polls) < 10 {
						t.Errorf("%s was polled %d times in ten intervals", token, len(polls))
					}
				}
				if h.registry.len() != 100 {
					t.Errorf("%d of 100 users are in the registry", h.registry.len())
				}
			})
		})
	}
}

func TestAnOpenBreakerStopsPollsAndItsResetKeepsThemSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const users = 600
		h := newHarness(t, users)
		block, reset := time.Now().Add(10*time.Minute), time.Now().Add(40*time.Minute)
		var refused atomic.Int32
		h.player.answer = func(string) (songspy.Observation, error) {
			if now := time.Now(); now.After(block) && now.Before(reset) {
				refused.Add(1)
				return songspy.Observation{}, failureWith(songspy.DispositionAppBlocked, reset.Sub(now))
			}
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, h.Poller)
		<-time.After(time.Hour)
		stop()
		if n := refused.Load(); n > users {
			t.Errorf("%d calls to the blocked app for %d users; want at most one each", n, users)
		}
		all := h.player.allPollTimes()
		first, _ := slices.BinarySearchFunc(all, reset, time.Time.Compare)
		perSecond := map[int64]int{}
		for _, at := range all[first:] {
			perSecond[at.Unix()]++
		}
		for second, n := range perSecond {
			if n > 8*users/180 {
				t.Fatalf("%d polls in one second, %d s after the breaker was reset", n, second-reset.Unix())
			}
		}
		inTime, _ := slices.BinarySearchFunc(all, reset.Add(h.opt.Interval), time.Time.Compare)
		if n := inTime - first; n < users {
			t.Errorf("%d polls in the first interval after the breaker was reset, want all users", n)
		}
	})
}

func TestAPollResultIsDroppedIfTheUserRelinkedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		began := time.Now()
		h.player.answer = func(token string) (songspy.Observation, error) {
			if token == "1/1" {
				h.store.link(1)
				<-time.After(5 * time.Second) // meanwhile the feed reports the new link
				return song("of-the-previous-account", began)
			}
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, h.Poller)
		<-time.After(10 * time.Minute)
		stop()
		if len(h.store.updates) > 0 {
			t.Errorf("written through the previous link: %+v", h.store.updates)
		}
		if len(h.player.pollTimes("1/1")) != 1 || len(h.player.pollTimes("1/2")) < 3 {
			t.Errorf("polled %d times through the previous link and %d times through the new one",
				len(h.player.pollTimes("1/1")), len(h.player.pollTimes("1/2")))
		}
	})
}

func TestAHangingPollTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 2, func(o *Options) { o.Workers = 1 })
		h.opt.Player = hangingPlayer{h.player}
		stop := runPoller(t, h.Poller)
		<-time.After(30 * time.Minute)
		began := time.Now()
		stop()
		if took := time.Since(began); took > PollTimeout {
			t.Errorf("stopping took %s", took)
		}
		if n := len(h.player.pollTimes("2/1")); n < 9 {
			t.Errorf("the other user was polled %d times in ten intervals", n)
		}
	})
}

// hangingPlayer never answers for user 1.
type hangingPlayer struct{ *fakePlayer }

func (p hangingPlayer) CurrentlyPlaying(ctx context.Context, access songspy.Credentials) (songspy.Observation, error) {
	if access.Token == "1/1" {
		<-ctx.Done()
		return songspy.Observation{}, failureWith(songspy.DispositionRetryLater, 0)
	}
	return p.fakePlayer.CurrentlyPlaying(ctx, access)
}
