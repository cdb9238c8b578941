package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/store"
)

func TestSeats_AreATableForTheOperator(t *testing.T) {
	var out bytes.Buffer
	err := writeSeats([]config.App{{ClientID: "one", Seats: 5}, {ClientID: "all"}},
		[]store.Seat{{App: "one", User: 7, State: songspy.LinkNotRegistered, Since: time.Date(2026, 11, 24, 5, 0, 0, 0, time.UTC)}},
		map[string]int64{"one": 4, "gone": 2}, &out)
	want := `app   seats           taken  free
one   5               4      1
all   any             0      any
gone  not configured  2      0

Enter these people in the dashboard of their app, then call ` + "`songspy-api seats entered USER`" + `:
user  app  refused since
7     one  2026-11-24 05:00:00
`
	if err != nil || out.String() != want {
		t.Errorf("%v:\n%s\nwant:\n%s", err, out.String(), want)
	}
}

func TestSeats_SayHowTheyAreCalled(t *testing.T) {
	for _, args := range [][]string{{"entered"}, {"entered", "me"}, {"entered", "0"}, {"leave"}} {
		var out bytes.Buffer
		if err := seats(t.Context(), settings{}, args, &out); songspy.CodeOf(err) != songspy.CodeInvalid || !strings.Contains(err.Error(), "songspy-api seats") {
			t.Errorf("%v: %v", args, err)
		}
	}
}
