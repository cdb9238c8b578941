package tokens

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestAnOutageIsDistinguishedFromUsersWhoWithdrawConsent(t *testing.T) {
	// Each letter is a renewal: capitals are refused. The same letter is the same link.
	for name, c := range map[string]struct {
		renewals string
		spacing  time.Duration
		want     bool
	}{
		"one link, refused again and again":              {"AAAAAAAA", 4 * time.Minute, false},
		"everybody of a small instance":                  {"ABC", 8 * time.Minute, true},
		"three of four":                                  {"AbCD", 8 * time.Minute, true},
		"one of four":                                    {"abcDabcD", 8 * time.Minute, false},
		"both of two":                                    {"AB", 15 * time.Minute, true},
		"one of two":                                     {"aB", 15 * time.Minute, false},
		"two who withdraw in the same hour":              {"abcDefghIjklmn", 4 * time.Minute, false},
		"after many that went well, everybody":           {"abcdefghijklmnopqrstuvwxyzABCDEFGH", 30 * time.Second, true},
		"one in ten":                                     {"abcdefghiJklmnopqrsTuvwxyz", 10 * time.Second, false},
		"over, once three in a row are honoured":         {"ABCDEabc", time.Minute, false},
		"not over with the first that is honoured":       {"ABCDEa", time.Minute, true},
		"over on a tiny instance whose links all healed": {"ABab", time.Minute, false},
		"one stays refused when the others have healed":  {"ABCabC", 10 * time.Minute, false},
		"long ago": {"ABCd", 41 * time.Minute, false},
	} {
		var o outage
		now := noon
		for _, r := range c.renewals {
			id := songspy.UserID(strings.ToLower(string(r))[0])
			if r < 'a' {
				o.recordRefusal(id, now)
			} else {
				o.recordGrant(id, now)
			}
			now = now.Add(c.spacing)
		}
		if got := o.isActive(now.Add(-c.spacing)); got != c.want {
			t.Errorf("%s: outage %v", name, got)
		}
	}
}

func TestAnOutageIsBelievedForADayAtMost(t *testing.T) {
	var o outage
	for hour := range 30 {
		for id := range songspy.UserID(5) {
			o.recordRefusal(id, noon.Add(time.Duration(hour)*time.Hour/2+time.Duration(id)*time.Minute))
		}
	}
	if !o.isActive(o.since.Add(23*time.Hour)) || o.isActive(o.since.Add(24*time.Hour)) {
		t.Error("an app that is refused for ever never asks its people")
	}
}

func TestAnOutageNeedsMoreThanOneLink(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var o outage
		now := noon
		for range rapid.IntRange(1, 40).Draw(t, "renewals") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3600).Draw(t, "seconds")) * time.Second)
			if rapid.Bool().Draw(t, "refused") {
				o.recordRefusal(7, now)
			} else {
				o.recordGrant(songspy.UserID(rapid.Int64Range(1, 50).Draw(t, "link")), now)
			}
			if o.isActive(now) {
				t.Fatal("one link's refusals were taken for an outage")
			}
		}
	})
}

func TestInAnOutageNobodysStateChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const users, revoked, before = 50, 13, 2
		h := newFixture(users, 20*time.Minute)
		begun := time.Now()
		outage := func() bool { return time.Since(begun) >= 10*time.Minute && time.Since(begun) < 50*time.Minute }
		h.provider.refuse = func(l songspy.Link) error {
			if l.UserID == revoked || outage() {
				return needsUserError("SPOTIFY_GRANT_REVOKED")
			}
			return nil
		}
		stop := h.serve(t)
		states := map[songspy.LinkState]int{}
		var known map[string]bool
		for minute := range 14 * 60 {
			if minute%30 == 0 {
				h.plan(t)
			}
			if <-time.After(time.Minute); minute == 48 {
				known = h.renewer.Outages()
				for id := range songspy.UserID(users) {
					states[h.link(t, id+1).State]++
				}
			}
		}
		stop()
		if states[songspy.LinkSuspect] > before+1 || states[songspy.LinkReauthRequired] > 0 {
			t.Errorf("in the outage the links are %v; want no more suspects than it took to notice", states)
		}
		if on, ok := known[""]; !on || !ok {
			t.Errorf("in the outage it is known that %v", known)
		}
		if on, ok := h.renewer.Outages()[""]; on || !ok {
			t.Errorf("after the outage it is known that %v", h.renewer.Outages())
		}
		for id := range songspy.UserID(users) {
			want := songspy.LinkActive
			if id+1 == revoked {
				want = songspy.LinkReauthRequired
			}
			if l := h.link(t, id+1); l.State != want {
				t.Errorf("link %d is %s afterwards, want %s", l.UserID, l.State, want)
			}
		}
		if notes := h.renewer.Notes(); len(notes) > 0 {
			t.Errorf("the outage is over, and the words are %q", notes)
		}
	})
}

func TestAUserSuppliedAppIsNeverNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(4, 0)
		for id, l := range h.links.links {
			l.App = "main"
			if id > 2 {
				l.App = songspy.UserApp("0123456789abcdef0123456789abcdef")
			}
			h.links.links[id] = l
		}
		h.job.Spread = false
		h.provider.refuse = func(songspy.Link) error { return needsUserError("SPOTIFY_GRANT_REVOKED") }
		stop := h.serve(t)
		h.plan(t)
		<-time.After(10 * time.Minute)
		stop()
		if n := testutil.CollectAndCount(h.renewer.Metrics.outages); n != 1 {
			t.Errorf("%d apps are told of, want the instance's own alone", n)
		}
		if notes := h.renewer.Notes(); len(notes) != 1 || !strings.Contains(notes[0], "of app main") {
			t.Errorf("the words are %q", notes)
		}
	})
}
