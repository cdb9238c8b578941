package songspy_test

import (
	"slices"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestLinkGroup_ConsentNeverOutlastsItsLinks(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for hours := range 24 * 366 {
		l := songspy.Link{AuthorizedAt: now.Add(-time.Duration(hours) * time.Hour)}
		left, real := songspy.LinkGroup{ConsentedOn: l.AuthorizedAt.Truncate(24 * time.Hour)}.ConsentLeft(now), l.ConsentEndsAt().Sub(now)
		if left > real || real-left >= 24*time.Hour {
			t.Fatalf("%s after the consent the group's lasts %s, the link's %s", now.Sub(l.AuthorizedAt), left, real)
		}
	}
}

func TestIsPolled_OnlyForActiveAndSuspectLinks(t *testing.T) {
	asked := slices.DeleteFunc(songspy.LinkStates(), func(s songspy.LinkState) bool { return !s.IsPolled() })
	if !slices.Equal(asked, []songspy.LinkState{songspy.LinkActive, songspy.LinkSuspect}) {
		t.Errorf("asked are %v", asked)
	}
}
