package songspy

import "testing"

func TestAnAccountsHabitIsKnownOnceEnoughPlaysShowIt(t *testing.T) {
	for name, tt := range map[string]struct {
		habit          HistoryHabit
		partial, known bool
	}{
		"nothing was seen":                     {HistoryHabit{}, false, false},
		"two are not enough":                   {HistoryHabit{Listed: 2}, true, false},
		"three that are listed":                {HistoryHabit{Listed: 3}, true, true},
		"three that are not":                   {HistoryHabit{Unlisted: 3}, false, true},
		"some were sought forward in":          {HistoryHabit{Listed: 3, Unlisted: 9}, false, true},
		"a line was late":                      {HistoryHabit{Listed: 9, Unlisted: 1}, true, true},
		"in doubt, polls prove it":             {HistoryHabit{Listed: 4, Unlisted: 2}, false, true},
		"what was long ago fades":              {HistoryHabit{Unlisted: 60}.Plus(HistoryHabit{Listed: 30}).Plus(HistoryHabit{Listed: 40}).Plus(HistoryHabit{Listed: 20}), true, true},
		"a hundred that are listed stay known": {HistoryHabit{}.Plus(HistoryHabit{Listed: 100}), true, true},
	} {
		partial, known := tt.habit.Partial()
		if partial != tt.partial || known != tt.known {
			t.Errorf("%s: partial %t, known %t", name, partial, known)
		}
	}
}
