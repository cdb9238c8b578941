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

func TestSeats_PrintATable(t *testing.T) {
	var out bytes.Buffer
	at := time.Date(2026, 11, 24, 5, 0, 0, 0, time.UTC)
	err := printWaitingList([]config.App{{ClientID: "one", Seats: 5}, {ClientID: "all"}}, store.WaitingList{
		LinkedUsers: map[string][]songspy.UserID{"one": {1, 4}},
		OtherLinks:  map[string]int64{"all": 20, "gone": 2, songspy.UserApp("a"): 1, songspy.UserApp("b"): 1},
		Seats: []songspy.Seat{
			{UserID: 7, App: "one", State: songspy.SeatHeld, Email: "ann@example.org", StateSince: at},
			{UserID: 8, App: "one", State: songspy.SeatHeld, StateSince: at},
			{UserID: 9, App: "one", State: songspy.SeatEntered, Email: "bob@example.org", StateSince: at},
			{UserID: 10, State: songspy.SeatWaiting, AskedAt: at},
		},
		Unregistered: []store.UnregisteredLink{{UserID: 4, App: "one", Since: at}},
	}, &out)
	want := `app             seats           linked  given  free  users who are linked
one             5               2       3      0     1 4
all             any             20      0      any   
gone            not configured  2       0      0     
(of their own)                  2                    

Enter these people in the dashboard of their app (User Management), then call ` + "`songspy-api seats entered USER`" + `:
user  app  e-mail address                           since
7     one  ann@example.org                          2026-11-24 05:00
8     one  (does not open; they have to ask again)  2026-11-24 05:00
4     one  (is linked and refused; has not said)    2026-11-24 05:00

Entered, and expected to link:
user  app  since
9     one  2026-11-24 05:00

Waiting for a free seat, first come first:
user  asked
10    2026-11-24 05:00
`
	if err != nil || out.String() != want {
		t.Errorf("%v:\n%s\nwant:\n%s", err, out.String(), want)
	}
}

func TestSeats_PrintUsage(t *testing.T) {
	for _, args := range [][]string{{"entered"}, {"entered", "me"}, {"entered", "1", "0"}, {"leave"}, {"leave", "1"}, {"drop"}} {
		var out bytes.Buffer
		if err := seats(t.Context(), settings{}, args, &out); songspy.CodeOf(err) != songspy.CodeInvalid || !strings.Contains(err.Error(), "songspy-api seats") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestSeats_CountALinkedUserWithASeatOnce(t *testing.T) {
	var out bytes.Buffer
	err := printWaitingList([]config.App{{ClientID: "one", Seats: 5}}, store.WaitingList{
		LinkedUsers: map[string][]songspy.UserID{"one": {1, 4}},
		Seats: []songspy.Seat{
			{UserID: 4, App: "one", State: songspy.SeatHeld, Email: "ann@example.org"}, // whom the app refuses
			{UserID: 7, App: "one", State: songspy.SeatHeld, Email: "bob@example.org"},
		},
	}, &out)
	want := `app  seats  linked  given  free  users who are linked
one  5      2       1      2     1 4
`
	if err != nil || !strings.HasPrefix(out.String(), want) {
		t.Errorf("%v:\n%s\nwant:\n%s", err, out.String(), want)
	}
}
