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
	// Each letter is a renewal. A capital is a renewal that Spotify rejects. A letter and
	// its capital are the same link.
	for name, c := range map[string]struct {
		renewals string
		spacing  time.Duration
		want     bool
	}{
		"one link, rejected repeatedly":                    {"AAAAAAAA", 4 * time.Minute, false},
		"all users of a small instance":                    {"ABC", 8 * time.Minute, true},
		"three of four":                                    {"AbCD", 8 * time.Minute, true},
		"one of four":                                      {"abcDabcD", 8 * time.Minute, false},
		"both of two":                                      {"AB", 15 * time.Minute, true},
		"one of two":                                       {"aB", 15 * time.Minute, false},
		"two revoked consents in one hour":                 {"abcDefghIjklmn", 4 * time.Minute, false},
		"many grants, then all rejected":                   {"abcdefghijklmnopqrstuvwxyzABCDEFGH", 30 * time.Second, true},
		"one in ten":                                       {"abcdefghiJklmnopqrsTuvwxyz", 10 * time.Second, false},
		"ends after three grants in a row":                 {"ABCDEabc", time.Minute, false},
		"continues after the first grant":                  {"ABCDEa", time.Minute, true},
		"ends on a tiny instance when all links recover":   {"ABab", time.Minute, false},
		"one link stays rejected after the others recover": {"ABCabC", 10 * time.Minute, false},
		"long ago":                                         {"ABCd", 41 * time.Minute, false},
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
		t.Error("the outage of an app that is rejected permanently does not end")
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
				t.Fatal("rejections of one link count as an outage")
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
			t.Errorf("during the outage the links are %v; want only the suspects from before its detection", states)
		}
		if on, ok := known[""]; !on || !ok {
			t.Errorf("Outages during the outage: %v", known)
		}
		if on, ok := h.renewer.Outages()[""]; on || !ok {
			t.Errorf("Outages after the outage: %v", h.renewer.Outages())
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
			t.Errorf("after the outage the notes are %q", notes)
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
			t.Errorf("%d apps have a metric, want only the instance's app", n)
		}
		if notes := h.renewer.Notes(); len(notes) != 1 || !strings.Contains(notes[0], "of app main") {
			t.Errorf("the notes are %q", notes)
		}
	})
}
