package poller

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestUnknownRefusalsCountAgainstTheAppOrTheUser(t *testing.T) {
	const app = "app"
	start := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	type event struct {
		minute   int
		user     int64
		answered bool
	}
	for name, tt := range map[string]struct {
		events []event
		want   refusalScope // what record returns for the last event
	}{
		"one":                               {[]event{{0, 1, false}}, scopeUnknown},
		"one user twice":                    {[]event{{0, 1, false}, {3, 1, false}}, scopeUnknown},
		"one user three times in an hour":   {[]event{{0, 1, false}, {30, 1, false}, {60, 1, false}}, scopeUser},
		"one user three times in two hours": {[]event{{0, 1, false}, {50, 1, false}, {110, 1, false}}, scopeUnknown},
		"two users, each once":              {[]event{{0, 1, false}, {1, 2, false}}, scopeUnknown},
		"three users, each once":            {[]event{{0, 1, false}, {1, 2, false}, {2, 3, false}}, scopeUnknown},
		"two users, one twice":              {[]event{{0, 1, false}, {1, 2, false}, {3, 1, false}}, scopeApp},
		"two users, one twice before":       {[]event{{0, 1, false}, {3, 1, false}, {4, 2, false}}, scopeApp},
		"two users alternate, another is answered": {[]event{
			{0, 1, false},
			{1, 2, false},
			{2, 3, true},
			{3, 1, false},
			{4, 2, false},
			{5, 3, true},
			{6, 1, false},
		}, scopeUser},
		"the other of the alternating users": {[]event{
			{0, 1, false},
			{1, 2, false},
			{2, 3, true},
			{3, 1, false},
			{4, 2, false},
			{5, 3, true},
			{6, 1, false},
			{7, 2, false},
		}, scopeUser},
		"two users in two hours":          {[]event{{0, 1, false}, {61, 2, false}}, scopeUnknown},
		"two users, another was answered": {[]event{{0, 1, false}, {1, 3, true}, {2, 2, false}}, scopeUnknown},
		"the user was answered":           {[]event{{0, 1, false}, {3, 1, false}, {6, 1, true}, {9, 1, false}}, scopeUnknown},
		"others are always answered":      {[]event{{0, 1, false}, {1, 3, true}, {3, 1, false}, {4, 3, true}, {6, 1, false}}, scopeUser},
	} {
		t.Run(name, func(t *testing.T) {
			var r refusals
			got := scopeUnknown
			for _, e := range tt.events {
				if e.answered {
					r.recordAnswer(app, songspy.UserID(e.user))
				} else {
					got = r.record(app, songspy.UserID(e.user), start.Add(time.Duration(e.minute)*time.Minute))
				}
			}
			if got != tt.want {
				t.Errorf("the scope is %d, want %d", got, tt.want)
			}
		})
	}
}
