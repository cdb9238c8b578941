package songspy_test

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestLinkTask_FollowsStateAndConsent(t *testing.T) {
	consented := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	month := func(n, days int) time.Time { return consented.AddDate(0, n, days) }
	for name, c := range map[string]struct {
		state songspy.LinkState
		now   time.Time
		want  songspy.LinkTask
	}{
		"a young link":                   {songspy.LinkActive, month(1, 0), songspy.TaskNone},
		"refused lately":                 {songspy.LinkSuspect, month(1, 0), songspy.TaskNone},
		"a day before the last month":    {songspy.LinkActive, month(5, -1), songspy.TaskNone},
		"with the last month":            {songspy.LinkActive, month(5, 0), songspy.TaskRelinkSoon},
		"refused in the last month":      {songspy.LinkSuspect, month(5, 3), songspy.TaskRelinkSoon},
		"once the consent is over":       {songspy.LinkActive, month(6, 0), songspy.TaskRelink},
		"once the refusal is believed":   {songspy.LinkReauthRequired, month(1, 0), songspy.TaskRelink},
		"unknown to the app's dashboard": {songspy.LinkNotRegistered, month(1, 0), songspy.TaskAskOperator},
	} {
		l := songspy.Link{State: c.state, AuthorizedAt: consented}
		if got := l.Task(c.now); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
