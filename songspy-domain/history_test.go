package songspy

import "testing"

func TestPartialPlayCounts_KnownAfterEnoughPlays(t *testing.T) {
	for name, tt := range map[string]struct {
		habit          PartialPlayCounts
		partial, known bool
	}{
		"nothing was seen":                     {PartialPlayCounts{}, false, false},
		"two are not enough":                   {PartialPlayCounts{Listed: 2}, true, false},
		"three that are listed":                {PartialPlayCounts{Listed: 3}, true, true},
		"three that are not":                   {PartialPlayCounts{Unlisted: 3}, false, true},
		"some were sought forward in":          {PartialPlayCounts{Listed: 3, Unlisted: 9}, false, true},
		"a line was late":                      {PartialPlayCounts{Listed: 9, Unlisted: 1}, true, true},
		"in doubt, polls prove it":             {PartialPlayCounts{Listed: 4, Unlisted: 2}, false, true},
		"what was long ago fades":              {PartialPlayCounts{Unlisted: 60}.Add(PartialPlayCounts{Listed: 30}).Add(PartialPlayCounts{Listed: 40}).Add(PartialPlayCounts{Listed: 20}), true, true},
		"a hundred that are listed stay known": {PartialPlayCounts{}.Add(PartialPlayCounts{Listed: 100}), true, true},
	} {
		partial, known := tt.habit.ListsPartialPlays()
		if partial != tt.partial || known != tt.known {
			t.Errorf("%s: partial %t, known %t", name, partial, known)
		}
	}
}
