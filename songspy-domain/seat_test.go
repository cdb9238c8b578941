package songspy

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// seatsFrom returns one seat for each text, in the order of the requests. A text is a
// state ("waiting"), or a state and the name of an app ("held one").
func seatsFrom(words ...string) (seats []Seat) {
	for i, w := range words {
		var s Seat
		_, _ = fmt.Sscan(w, (*string)(&s.State), &s.App)
		s.UserID, s.AskedAt, s.StateSince = UserID(i+1), noon.Add(time.Duration(i)*time.Minute), noon
		seats = append(seats, s)
	}
	return seats
}

func describeSeats(changed []Seat) (out []string) {
	for _, s := range changed {
		out = append(out, fmt.Sprintf("%d %s %s", s.UserID, s.State, s.App))
	}
	return out
}

func TestAssignSeats_FirstComeFirstServed(t *testing.T) {
	two := []AppSeats{{"one", 2}, {"two", 2}}
	for name, c := range map[string]struct {
		apps        []AppSeats
		linked      map[string]int
		waitingList []Seat
		want        []string
	}{
		"apps are filled one after another": {two, map[string]int{"two": 1}, seatsFrom("waiting", "waiting", "waiting", "waiting"), []string{"1 held two", "2 held one", "3 held one"}},
		"an assigned seat is kept":          {two, nil, seatsFrom("waiting", "entered one", "held one", "held two"), []string{"1 held two"}},
		"a link without a request displaces the last seat": {
			two[:1], map[string]int{"one": 1}, seatsFrom("held one", "held one"), []string{"2 waiting "},
		},
		"a registered user is not displaced":           {two[:1], map[string]int{"one": 2}, seatsFrom("entered one"), nil},
		"a removed app keeps no user":                  {two[1:], nil, seatsFrom("held one", "entered one"), []string{"1 held two", "2 held two"}},
		"a new app takes waiting users":                {append(two, AppSeats{"new", 1}), map[string]int{"one": 2, "two": 2}, seatsFrom("waiting", "waiting"), []string{"1 held new"}},
		"an app without a limit needs no registration": {[]AppSeats{{"one", 1}, {"all", 0}}, map[string]int{"one": 1}, seatsFrom("waiting", "held one"), []string{"1 entered all", "2 entered all"}},
		"an app that loses its limit keeps its users":  {[]AppSeats{{"all", 0}, {"one", 1}}, nil, seatsFrom("held all", "waiting"), []string{"1 entered all", "2 held one"}},
		"without an app all users wait":                {nil, nil, seatsFrom("held one", "waiting"), []string{"1 waiting "}},
	} {
		t.Run(name, func(t *testing.T) {
			got := AssignSeats(c.apps, c.linked, c.waitingList, noon.Add(time.Hour))
			if fmt.Sprint(describeSeats(got)) != fmt.Sprint(c.want) {
				t.Errorf("changed %v, want %v", describeSeats(got), c.want)
			}
			for _, s := range got {
				if !s.StateSince.Equal(noon.Add(time.Hour)) {
					t.Errorf("StateSince of user %d is %v", s.UserID, s.StateSince)
				}
			}
		})
	}
}

func TestAssignSeats_NeverExceedsAppLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		apps := []AppSeats{{"one", rapid.IntRange(1, 5).Draw(t, "one")}, {"two", rapid.IntRange(1, 5).Draw(t, "two")}}
		if rapid.Bool().Draw(t, "also an app without a limit") {
			apps = append(apps, AppSeats{"all", 0})
		}
		linked := map[string]int{"one": rapid.IntRange(0, 5).Draw(t, "linked one"), "two": rapid.IntRange(0, 5).Draw(t, "linked two")}
		seats := seatsFrom(rapid.SliceOfN(rapid.SampledFrom([]string{"waiting", "held one", "held two", "held all", "held gone"}), 0, 12).Draw(t, "waiting list")...)
		by := map[UserID]Seat{}
		for _, s := range seats {
			by[s.UserID] = s
		}
		for _, s := range AssignSeats(apps, linked, seats, noon) {
			by[s.UserID] = s
		}
		given, waiting := map[string]int{}, 0
		for _, s := range by {
			if (s.State == SeatWaiting) != (s.App == "") {
				t.Fatalf("a waiting seat has an app, or another one has none: %+v", s)
			}
			given[s.App]++
			if s.State == SeatWaiting {
				waiting++
			}
		}
		free := 0
		for _, a := range apps {
			if a.Seats > 0 && given[a.App] > max(0, a.Seats-linked[a.App]) {
				t.Fatalf("%s admits %d users, %d are linked and %d have a seat", a.App, a.Seats, linked[a.App], given[a.App])
			}
			free += max(0, a.Seats-linked[a.App]-given[a.App])
		}
		if waiting > 0 && (free > 0 || len(apps) > 2) {
			t.Fatalf("%d users wait although %d seats are free, and of %d apps the third has no limit", waiting, free, len(apps))
		}
		var all []Seat
		for id := range UserID(len(seats)) {
			all = append(all, by[id+1])
		}
		if again := AssignSeats(apps, linked, all, noon); len(again) > 0 {
			t.Fatalf("a second assignment changes %v", describeSeats(again))
		}
	})
}
