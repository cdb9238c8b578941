package refresh

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestRefusedPollsAreBelievedAfterSixHoursAndEndWithAnAnsweredPollAlone(t *testing.T) {
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
					l = renewed(l, songspy.Grant{AccessToken: "a"}, at(e.hour))
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
