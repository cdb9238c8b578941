package tokens

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestRefusedPollsAreBelievedAfterSixHoursAndEndOnlyWithAnAnsweredPoll(t *testing.T) {
	start := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	at := func(h float64) time.Time { return start.Add(time.Duration(h * float64(time.Hour))) }
	type event struct {
		hour float64
		what string
	}
	for name, c := range map[string]struct {
		events []event
		want   songspy.LinkState
	}{
		"one refusal":                     {[]event{{0, "refused"}}, songspy.LinkSuspect},
		"a renewal heals nothing":         {[]event{{0, "refused"}, {1, "renewed"}}, songspy.LinkSuspect},
		"an answer heals":                 {[]event{{0, "refused"}, {1, "renewed"}, {2, "answered"}}, songspy.LinkActive},
		"refusals for six hours":          {[]event{{0, "refused"}, {3, "renewed"}, {3, "refused"}, {6, "refused"}}, songspy.LinkReauthRequired},
		"refusals for less":               {[]event{{0, "refused"}, {3, "refused"}, {5.9, "refused"}}, songspy.LinkSuspect},
		"an answer in between":            {[]event{{0, "refused"}, {3, "answered"}, {6, "refused"}, {9, "refused"}}, songspy.LinkSuspect},
		"an outage does not count":        {[]event{{0, "refused"}, {3, "outage"}, {6, "refused"}, {8.9, "refused"}}, songspy.LinkSuspect},
		"an outage touches nobody active": {[]event{{0, "outage"}, {7, "outage"}}, songspy.LinkActive},
		"a clock that was set back":       {[]event{{9, "refused"}, {0, "refused"}, {6, "refused"}}, songspy.LinkReauthRequired},
	} {
		t.Run(name, func(t *testing.T) {
			l := songspy.Link{State: songspy.LinkActive, StateSince: at(-100)}
			for _, e := range c.events {
				switch e.what {
				case "renewed":
					l = withGrant(l, songspy.Grant{AccessToken: "a"}, at(e.hour))
				case "answered":
					l = afterPollAnswer(l, at(e.hour))
				default:
					l = afterPollRefusal(l, e.what == "outage", at(e.hour))
				}
			}
			if l.State != c.want {
				t.Errorf("the link is %s, want %s", l.State, c.want)
			}
		})
	}
}

// Users 1 and 2 are refused one second after the other, as neighbouring phases
// are; the others are answered every three minutes.
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
				due = time.Now().Add(wait) // both at the same times
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
		t.Error("an app without refused polls is watched")
	}
	r.pollOutages.record(songspy.Link{App: "app", UserID: 2}, true, now)
	r.PollAnswered(t.Context(), "app", 1)
	r.PollAnswered(t.Context(), "other", 3)
	if grants() != 1 || r.pollOutages.byApp["other"] != nil {
		t.Errorf("%d grants, want that of the app", grants())
	}
	now = now.Add(119 * time.Minute)
	if r.PollAnswered(t.Context(), "app", 1); !r.pollOutages.nonEmpty.Load() {
		t.Error("the app is not watched for two hours")
	}
	now = now.Add(2 * time.Minute)
	if r.PollAnswered(t.Context(), "other", 3); r.pollOutages.nonEmpty.Load() || r.pollOutages.byApp["app"] != nil {
		t.Error("the app is watched for ever")
	}
}
