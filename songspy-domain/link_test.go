package songspy_test

import (
	"slices"
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
		"new link":                         {songspy.LinkActive, month(1, 0), songspy.TaskNone},
		"token rejected recently":          {songspy.LinkSuspect, month(1, 0), songspy.TaskNone},
		"a day before the last month":      {songspy.LinkActive, month(5, -1), songspy.TaskNone},
		"start of the last month":          {songspy.LinkActive, month(5, 0), songspy.TaskRelinkSoon},
		"token rejected in the last month": {songspy.LinkSuspect, month(5, 3), songspy.TaskRelinkSoon},
		"consent has ended":                {songspy.LinkActive, month(6, 0), songspy.TaskRelink},
		"rejection is confirmed":           {songspy.LinkReauthRequired, month(1, 0), songspy.TaskRelink},
		"not registered with the app":      {songspy.LinkNotRegistered, month(1, 0), songspy.TaskAskOperator},
	} {
		l := songspy.Link{State: c.state, AuthorizedAt: consented}
		if got := l.Task(c.now); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestLinkGroup_ConsentNeverOutlastsItsLinks(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for hours := range 24 * 366 {
		l := songspy.Link{AuthorizedAt: now.Add(-time.Duration(hours) * time.Hour)}
		left, real := songspy.LinkGroup{ConsentedOn: l.AuthorizedAt.Truncate(24 * time.Hour)}.ConsentLeft(now), l.ConsentEndsAt().Sub(now)
		if left > real || real-left >= 24*time.Hour {
			t.Fatalf("%s after the consent, the group's consent lasts %s and the link's %s", now.Sub(l.AuthorizedAt), left, real)
		}
	}
}

func TestIsPolled_OnlyForActiveAndSuspectLinks(t *testing.T) {
	polled := slices.DeleteFunc(songspy.LinkStates(), func(s songspy.LinkState) bool { return !s.IsPolled() })
	if !slices.Equal(polled, []songspy.LinkState{songspy.LinkActive, songspy.LinkSuspect}) {
		t.Errorf("IsPolled is true for %v", polled)
	}
}
