package tokens

import (
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestTokensAreRenewedShortlyBeforeTheyExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const users = 2000
		h := newFixture(users, 35*time.Minute)
		start := time.Now()
		stop := h.serve(t)
		h.plan(t)
		<-time.After(30 * time.Minute)
		synctest.Wait()
		for id, n := range h.provider.calls {
			if n != 1 {
				t.Fatalf("link %d was renewed %d times", id, n)
			}
		}
		if n := len(h.provider.calls); n != users {
			t.Fatalf("%d links were renewed, want %d", n, users)
		}
		perMinute := map[int]int{}
		for _, at := range h.provider.lastCallAt {
			perMinute[int(at.Sub(start).Minutes())]++
		}
		for minute, n := range perMinute {
			if n > 3*users/30 {
				t.Errorf("%d renewals in minute %d: they are not spread", n, minute)
			}
		}
		h.plan(t) // all tokens are valid for another 30 to 60 minutes, so only some of them must be renewed before the next run
		if n := h.job.Queue.Len(); n == 0 || n == users {
			t.Errorf("%d of %d renewals planned by the second run", n, users)
		}
		stop()
	})
}

func TestWithoutSpreadAllTokensAreRenewedAtOnceByABoundedPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(100, 0)
		h.job.Spread = false
		h.provider.latency = time.Second
		stop := h.serve(t)
		h.plan(t)
		<-time.After(14 * time.Second)
		stop()
		if len(h.provider.calls) != 100 || h.provider.maxConcurrent != h.job.Workers {
			t.Errorf("%d renewed, %d at once; want 100 and %d", len(h.provider.calls), h.provider.maxConcurrent, h.job.Workers)
		}
	})
}

func TestFailingRenewalsDoNotStopOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const users = 1000
		h := newFixture(users, 20*time.Minute)
		faults := []error{
			needsUserError("SPOTIFY_GRANT_REVOKED"),
			&songspy.Error{Code: songspy.CodeUnavailable, Disposition: songspy.DispositionRetryLater, RetryAfter: time.Hour},
			&songspy.Error{Code: songspy.CodeInternal},
		}
		h.provider.refuse = func(l songspy.Link) error {
			if l.UserID%100 == 0 {
				return faults[int(l.UserID/100)%len(faults)]
			}
			return nil
		}
		stop := h.serve(t)
		h.plan(t)
		<-time.After(30 * time.Minute)
		stop()
		renewed := 0
		for id := range songspy.UserID(users + 1) {
			if id > 0 && h.link(t, id).AccessToken != "access-old" {
				renewed++
			}
		}
		if renewed != users*99/100 {
			t.Errorf("%d of %d renewed, want 99 %%", renewed, users)
		}
	})
}

func TestAFailedRenewalIsRetriedAfterRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(50, 20*time.Minute)
		start := time.Now()
		h.provider.refuse = func(songspy.Link) error {
			if time.Since(start) < 40*time.Minute {
				return &songspy.Error{Disposition: songspy.DispositionAppBlocked, RetryAfter: 40*time.Minute - time.Since(start)}
			}
			return nil
		}
		stop := h.serve(t)
		h.plan(t)
		<-time.After(30 * time.Minute)
		h.plan(t) // renewals that wait already must keep their time
		<-time.After(12 * time.Minute)
		stop()
		for id, n := range h.provider.calls {
			if n != 2 {
				t.Errorf("link %d was tried %d times; want once while the app was blocked and once afterwards", id, n)
			}
		}
		if l := h.link(t, 1); l.State != songspy.LinkActive {
			t.Errorf("a blocked app made the link %s", l.State)
		}
	})
}

func TestRetriesOfARefusedTokenSlowDownUntilTheLinkNeedsItsUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(1, 0)
		h.job.Spread = false
		var tried []time.Duration
		begun := time.Now()
		h.provider.refuse = func(songspy.Link) error {
			tried = append(tried, time.Since(begun).Round(time.Minute))
			return needsUserError("SPOTIFY_GRANT_REVOKED")
		}
		stop := h.serve(t)
		for range 24 { // twelve hours
			h.plan(t)
			<-time.After(30 * time.Minute)
		}
		stop()
		if l := h.link(t, 1); l.State != songspy.LinkReauthRequired {
			t.Errorf("after twelve hours of rejections the link is %s", l.State)
		}
		if len(tried) < 8 || len(tried) > 14 || tried[1] > 3*time.Minute || tried[2] > 8*time.Minute {
			t.Errorf("tried after %v; want a few minutes after the first rejection, then an hour apart", tried)
		}
		for i := 1; i < len(tried); i++ {
			if tried[i]-tried[i-1] > 75*time.Minute {
				t.Errorf("no attempt from %v to %v", tried[i-1], tried[i])
			}
		}
		if last := tried[len(tried)-1]; last < 6*time.Hour || last > 7*time.Hour+15*time.Minute {
			t.Errorf("believed after %v; want soon after six hours", last)
		}
	})
}
