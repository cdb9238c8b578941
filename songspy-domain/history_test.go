package songspy

import "testing"

func TestPartialPlayCounts_KnownAfterEnoughPlays(t *testing.T) {
	for name, tt := range map[string]struct {
		counts         PartialPlayCounts
		partial, known bool
	}{
		"no plays":                    {PartialPlayCounts{}, false, false},
		"two plays are too few":       {PartialPlayCounts{Listed: 2}, true, false},
		"three listed":                {PartialPlayCounts{Listed: 3}, true, true},
		"three unlisted":              {PartialPlayCounts{Unlisted: 3}, false, true},
		"some were sought forward":    {PartialPlayCounts{Listed: 3, Unlisted: 9}, false, true},
		"one item was late":           {PartialPlayCounts{Listed: 9, Unlisted: 1}, true, true},
		"mixed counts mean unlisted":  {PartialPlayCounts{Listed: 4, Unlisted: 2}, false, true},
		"old plays weigh less":        {PartialPlayCounts{Unlisted: 60}.Add(PartialPlayCounts{Listed: 30}).Add(PartialPlayCounts{Listed: 40}).Add(PartialPlayCounts{Listed: 20}), true, true},
		"a hundred listed stay known": {PartialPlayCounts{}.Add(PartialPlayCounts{Listed: 100}), true, true},
	} {
		partial, known := tt.counts.ListsPartialPlays()
		if partial != tt.partial || known != tt.known {
			t.Errorf("%s: partial %t, known %t", name, partial, known)
		}
	}
}
