package tokens

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestConcurrentCallersShareOneRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(1, 0)
		h.provider.latency = time.Second
		var callers sync.WaitGroup
		for range 20 {
			callers.Go(func() {
				l, err := h.renewer.Renew(t.Context(), 1, 1)
				if err != nil || l.AccessToken != "access-1-1" {
					t.Errorf("Renew returned %q, %v", l.AccessToken.Reveal(), err)
				}
			})
		}
		callers.Wait()
		if n := h.provider.calls[1]; n != 1 {
			t.Errorf("%d calls of the provider, want one", n)
		}
		// A later caller with the old version must get the stored link, without another
		// call of the provider.
		if l, err := h.renewer.Renew(t.Context(), 1, 1); err != nil || l.AccessToken != "access-1-1" {
			t.Errorf("a later caller got %q, %v", l.AccessToken.Reveal(), err)
		}
		if n := h.provider.calls[1]; n != 1 {
			t.Errorf("%d calls of the provider, want one", n)
		}
	})
}

func TestARotatedRefreshTokenIsStoredBeforeTheAccessTokenIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(1, 0)
		h.links.failUpdates = 3 // the database recovers before renewTimeout
		h.renewer.OnRenewed = func(l songspy.Link) {
			if stored := h.link(t, 1); stored.RefreshToken != "refresh-1-1" || stored.AccessToken != l.AccessToken {
				t.Errorf("OnRenewed was called with %q while %q is stored", l.AccessToken.Reveal(), stored.AccessToken.Reveal())
			}
		}
		if l, err := h.renewer.Renew(t.Context(), 1, 1); err != nil || l.RefreshToken != "refresh-1-1" {
			t.Errorf("got %q, %v", l.RefreshToken.Reveal(), err)
		}
		if n := h.provider.calls[1]; n != 1 {
			t.Errorf("%d calls of the provider, want one: the token may be valid for one use", n)
		}
	})
}

func TestAStartedRenewalIsStoredDuringShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(1, 0)
		h.provider.latency = 2 * time.Second
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := h.renewer.Renew(ctx, 1, 1); err != nil {
			t.Error(err)
		}
		if l := h.link(t, 1); l.RefreshToken != "refresh-1-1" {
			t.Errorf("%q is stored; the rotated token is lost", l.RefreshToken.Reveal())
		}
		if _, err := h.renewer.Renew(ctx, 1, 2); !errors.Is(err, context.Canceled) || h.provider.calls[1] != 1 {
			t.Errorf("a renewal began during shutdown: %v, %d calls", err, h.provider.calls[1])
		}
	})
}

func TestALinkThatWasReplacedDuringItsRenewalWins(t *testing.T) {
	for name, refusal := range map[string]error{"granted": nil, "refused": needsUserError("")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newFixture(1, 0)
				h.provider.refuse = func(songspy.Link) error {
					_, err := h.links.UpdateLink(t.Context(), 1, func(l *songspy.Link) error {
						l.Generation, l.AccessToken, l.RefreshToken = 2, "access-new", "refresh-new"
						return nil
					})
					if err != nil {
						t.Error(err)
					}
					return refusal
				}
				_, _ = h.renewer.Renew(t.Context(), 1, 1)
				if l := h.link(t, 1); l.RefreshToken != "refresh-new" || l.State != songspy.LinkActive {
					t.Errorf("stored: %s with %q; the new link was overwritten", l.State, l.RefreshToken.Reveal())
				}
			})
		})
	}
}

func TestARefusalIsBelievedAfterSixHours(t *testing.T) {
	const revoked, expired = "SPOTIFY_GRANT_REVOKED", "SPOTIFY_GRANT_EXPIRED"
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	newConsent, oldConsent := now.AddDate(0, -2, 0), now.AddDate(0, -5, -20)
	tests := []struct {
		name       string
		state      songspy.LinkState
		since      time.Duration
		authorized time.Time
		reason     string
		want       songspy.LinkState
	}{
		{"first rejection", songspy.LinkActive, 0, newConsent, revoked, songspy.LinkSuspect},
		{"again after half an hour", songspy.LinkSuspect, 30 * time.Minute, newConsent, revoked, songspy.LinkSuspect},
		{"again after six hours", songspy.LinkSuspect, 6 * time.Hour, newConsent, revoked, songspy.LinkReauthRequired},
		{"expired, old consent", songspy.LinkActive, 0, oldConsent, expired, songspy.LinkReauthRequired},
		{"expired, new consent", songspy.LinkActive, 0, newConsent, expired, songspy.LinkSuspect},
		{"revoked, old consent", songspy.LinkActive, 0, oldConsent, revoked, songspy.LinkSuspect},
		{"not registered", songspy.LinkNotRegistered, 0, newConsent, revoked, songspy.LinkNotRegistered},
	}
	for _, tt := range tests {
		account := "account"
		l := songspy.Link{State: tt.state, StateSince: now.Add(-tt.since), AuthorizedAt: tt.authorized, AccountID: &account}
		if got := afterRefusal(l, tt.reason, now); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestTheRefusalOfAKeptGrantIsBelievedAtOnce(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	l := songspy.Link{State: songspy.LinkNotRegistered, StateSince: now.Add(-time.Hour), AuthorizedAt: now.AddDate(0, -2, 0)}
	if got := afterRefusal(l, "SPOTIFY_GRANT_REVOKED", now); got != songspy.LinkReauthRequired {
		t.Errorf("a rejected pending grant is %s, so its tokens are never deleted", got)
	}
}

func TestASuspectLinkBecomesActiveAfterAGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(1, 0)
		h.provider.refuse = func(songspy.Link) error { return needsUserError("") }
		_, err := h.renewer.Renew(t.Context(), 1, 1)
		if songspy.DispositionOf(err) != songspy.DispositionNeedsUser {
			t.Errorf("Renew returned the error %v", err)
		}
		if l := h.link(t, 1); l.State != songspy.LinkSuspect || !l.StateSince.Equal(time.Now()) {
			t.Fatalf("after the rejection: %s since %s", l.State, l.StateSince)
		}
		h.provider.refuse = nil
		if _, err := h.renewer.Renew(t.Context(), 1, 2); err != nil {
			t.Fatal(err)
		}
		if l := h.link(t, 1); l.State != songspy.LinkActive || l.AccessToken != "access-1-2" {
			t.Errorf("after the grant: %s with %q", l.State, l.AccessToken.Reveal())
		}
	})
}

func TestRefusedPollsAreBelievedAfterSixHoursAndEndOnlyWithAnAnsweredPoll(t *testing.T) {
	start := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	at := func(h float64) time.Time { return start.Add(time.Duration(h * float64(time.Hour))) }
	type event struct {
		hour   float64
		result string
	}
	for name, c := range map[string]struct {
		events []event
		want   songspy.LinkState
	}{
		"one rejection":                    {[]event{{0, "refused"}}, songspy.LinkSuspect},
		"a renewal does not repair":        {[]event{{0, "refused"}, {1, "renewed"}}, songspy.LinkSuspect},
		"a successful poll repairs":        {[]event{{0, "refused"}, {1, "renewed"}, {2, "answered"}}, songspy.LinkActive},
		"rejections for six hours":         {[]event{{0, "refused"}, {3, "renewed"}, {3, "refused"}, {6, "refused"}}, songspy.LinkReauthRequired},
		"rejections for less":              {[]event{{0, "refused"}, {3, "refused"}, {5.9, "refused"}}, songspy.LinkSuspect},
		"a successful poll between":        {[]event{{0, "refused"}, {3, "answered"}, {6, "refused"}, {9, "refused"}}, songspy.LinkSuspect},
		"an outage does not count":         {[]event{{0, "refused"}, {3, "outage"}, {6, "refused"}, {8.9, "refused"}}, songspy.LinkSuspect},
		"an outage changes no active link": {[]event{{0, "outage"}, {7, "outage"}}, songspy.LinkActive},
		"a clock that was set back":        {[]event{{9, "refused"}, {0, "refused"}, {6, "refused"}}, songspy.LinkReauthRequired},
	} {
		t.Run(name, func(t *testing.T) {
			l := songspy.Link{State: songspy.LinkActive, StateSince: at(-100)}
			for _, e := range c.events {
				switch e.result {
				case "renewed":
					l = withGrant(l, songspy.Grant{AccessToken: "a"}, at(e.hour))
				case "answered":
					l = afterPollAnswer(l, at(e.hour))
				default:
					l = afterPollRefusal(l, e.result == "outage", at(e.hour))
				}
			}
			if l.State != c.want {
				t.Errorf("the link is %s, want %s", l.State, c.want)
			}
		})
	}
}

// Polls of users 1 and 2 are rejected one second apart, because their phases (times within
// the interval) are one second apart. The other users are polled successfully every three
// minutes. The rejections must not count as an outage, so users 1 and 2 must have to link
// again within eight hours.
func TestTwoRefusedUsersAreNoOutageWhereOthersAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(5, time.Hour)
		start := time.Now()
		due := start
		for range 10 * 60 / 3 {
			refuse, wait := !time.Now().Before(due), time.Duration(0)
			for id := songspy.UserID(1); id <= 2; id++ {
				<-time.After(time.Second)
				if refuse && h.link(t, id).State != songspy.LinkReauthRequired {
					var err error
					if wait, err = h.renewer.PollRefused(t.Context(), id, 1); err != nil {
						t.Fatal(err)
					}
				}
			}
			if refuse {
				due = time.Now().Add(wait) // users 1 and 2 are polled again at the same time
			}
			for id := songspy.UserID(3); id <= 5; id++ {
				<-time.After(time.Minute - time.Second)
				h.renewer.PollAnswered(t.Context(), "", id)
			}
		}
		for id := songspy.UserID(1); id <= 2; id++ {
			if l := h.link(t, id); l.State != songspy.LinkReauthRequired || l.StateSince.Sub(start) > 8*time.Hour {
				t.Errorf("the link of %d is %s since %s after the start", id, l.State, l.StateSince.Sub(start))
			}
		}
	})
}

func TestPollGrantsCountForTwoHoursAfterARefusedPoll(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	r := &Renewer{Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler)}
	grants := func() (n int) {
		for _, m := range r.pollOutages.byApp["app"].grants {
			n += m.count
		}
		return n
	}
	r.PollAnswered(t.Context(), "app", 1)
	if r.pollOutages.nonEmpty.Load() || r.pollOutages.byApp["app"] != nil {
		t.Error("an app without rejected polls has an entry")
	}
	r.pollOutages.record(songspy.Link{App: "app", UserID: 2}, true, now)
	r.PollAnswered(t.Context(), "app", 1)
	r.PollAnswered(t.Context(), "other", 3)
	if grants() != 1 || r.pollOutages.byApp["other"] != nil {
		t.Errorf("%d grants, want only that of the app", grants())
	}
	now = now.Add(119 * time.Minute)
	if r.PollAnswered(t.Context(), "app", 1); !r.pollOutages.nonEmpty.Load() {
		t.Error("the entry of the app is deleted within two hours")
	}
	now = now.Add(2 * time.Minute)
	if r.PollAnswered(t.Context(), "other", 3); r.pollOutages.nonEmpty.Load() || r.pollOutages.byApp["app"] != nil {
		t.Error("the entry of the app is not deleted")
	}
}
