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
		"new link":                              {"app", songspy.LinkActive, month(1), ""},
		"token rejected recently":               {"app", songspy.LinkSuspect, month(1), ""},
		"just before the last month":            {"app", songspy.LinkActive, month(5).Add(-1), ""},
		"start of the last month":               {"app", songspy.LinkActive, month(5), "relink_soon"},
		"consent has ended":                     {"app", songspy.LinkActive, month(6), "relink"},
		"rejection is confirmed":                {"app", songspy.LinkReauthRequired, month(1), "relink needs_user"},
		"rejected after the consent ended":      {"app", songspy.LinkReauthRequired, month(7), "relink needs_user"},
		"not registered":                        {"app", songspy.LinkNotRegistered, month(1), "not_registered"},
		"not registered, and consent has ended": {"app", songspy.LinkNotRegistered, month(6), "relink"},
		"not registered in a user-supplied app": {songspy.UserApp("id"), songspy.LinkNotRegistered, month(1), ""},
		"rejected in a user-supplied app":       {songspy.UserApp("id"), songspy.LinkReauthRequired, month(1), "relink needs_user of all"},
	} {
		l := songspy.Link{UserID: 7, App: c.app, State: c.state, AuthorizedAt: consented, Generation: 3}
		var got []string
		for _, n := range songspy.NotificationsForLink(l, c.now) {
			if n.UserID != 7 || n.Occurrence != "3" || n.App != c.app && n.App != "" {
				t.Errorf("%s: %+v does not identify the link", name, n)
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
	// A day later Songspy tries the link again, and Spotify rejects it again. The
	// notification must stay the same.
	l.StateSince, l.Version = now.AddDate(0, 0, 1), 6
	if again := name(l); again != first {
		t.Errorf("after another rejection: %s, before: %s", again, first)
	}
	l.Generation++
	if relinked := name(l); relinked == first {
		t.Errorf("unchanged after linking again: %s", relinked)
	}
}

func TestNotificationKinds_HaveRecipients(t *testing.T) {
	for _, k := range songspy.NotificationKinds() {
		if k.Recipient() != songspy.RecipientUser && k.Recipient() != songspy.RecipientOperator {
			t.Errorf("the recipient of %s is %q", k, k.Recipient())
		}
		if k.IsGrouped() && k.Recipient() == songspy.RecipientUser {
			t.Errorf("%s is grouped but goes to a user", k)
		}
	}
	if k := songspy.NotificationKind("unknown"); k.Recipient() != "" || k.IsGrouped() {
		t.Error("an unknown kind has a recipient or is grouped")
	}
}
