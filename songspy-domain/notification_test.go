package songspy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestNotificationsForLink_FollowTheState(t *testing.T) {
	consented := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	month := func(n int) time.Time { return consented.AddDate(0, n, 0) }
	for name, c := range map[string]struct {
		app   string
		state songspy.LinkState
		now   time.Time
		want  string
	}{
		"a young link":                          {"app", songspy.LinkActive, month(1), ""},
		"refused lately":                        {"app", songspy.LinkSuspect, month(1), ""},
		"an instant before the last month":      {"app", songspy.LinkActive, month(5).Add(-1), ""},
		"with the last month":                   {"app", songspy.LinkActive, month(5), "relink_soon"},
		"once the consent is over":              {"app", songspy.LinkActive, month(6), "relink"},
		"once the refusal is believed":          {"app", songspy.LinkReauthRequired, month(1), "relink needs_person"},
		"refused after the consent":             {"app", songspy.LinkReauthRequired, month(7), "relink needs_person"},
		"unknown to the dashboard":              {"app", songspy.LinkNotRegistered, month(1), "not_registered"},
		"unknown, and the consent is over":      {"app", songspy.LinkNotRegistered, month(6), "relink"},
		"unknown to a dashboard of their own":   {songspy.UserApp("id"), songspy.LinkNotRegistered, month(1), ""},
		"refused by way of an app of their own": {songspy.UserApp("id"), songspy.LinkReauthRequired, month(1), "relink needs_person of all"},
	} {
		l := songspy.Link{UserID: 7, App: c.app, State: c.state, AuthorizedAt: consented, Generation: 3}
		var got []string
		for _, n := range songspy.NotificationsForLink(l, c.now) {
			if n.UserID != 7 || n.Occurrence != "3" || n.App != c.app && n.App != "" {
				t.Errorf("%s: %+v does not name the link", name, n)
			}
			got = append(got, string(n.Kind))
			if n.App == "" {
				got = append(got, "of all")
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %q, want %q", name, s, c.want)
		}
	}
}

func TestNotificationsForLink_KeepOccurrenceUntilRelinked(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	name := func(l songspy.Link) string { return fmt.Sprint(songspy.NotificationsForLink(l, now)) }
	l := songspy.Link{UserID: 7, App: "app", State: songspy.LinkNotRegistered, AuthorizedAt: now, StateSince: now, Generation: 1, Version: 4}
	first := name(l)
	// Asked again and refused again, a day later.
	l.StateSince, l.Version = now.AddDate(0, 0, 1), 6
	if again := name(l); again != first {
		t.Errorf("refused again it is %s, before it was %s", again, first)
	}
	l.Generation++
	if anew := name(l); anew == first {
		t.Errorf("linked again it is still %s", anew)
	}
}

func TestNotificationKinds_HaveRecipients(t *testing.T) {
	for _, k := range songspy.NotificationKinds() {
		if k.Recipient() != songspy.RecipientUser && k.Recipient() != songspy.RecipientOperator {
			t.Errorf("%s is for %q", k, k.Recipient())
		}
		if k.IsGrouped() && k.Recipient() == songspy.RecipientUser {
			t.Errorf("%s tells one person of others", k)
		}
	}
	if k := songspy.NotificationKind("none"); k.Recipient() != "" || k.IsGrouped() {
		t.Error("a kind that is none is for somebody")
	}
}
