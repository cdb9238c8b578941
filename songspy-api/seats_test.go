package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"
)

func TestSeats_PrintATable(t *testing.T) {
	var out bytes.Buffer
	at := time.Date(2026, 11, 24, 5, 0, 0, 0, time.UTC)
	err := printWaitingList([]config.App{{ClientID: "one", Seats: 5}, {ClientID: "all"}}, songspy.WaitingList{
		LinkedUsers: map[string][]songspy.UserID{"one": {1, 4}},
		OtherLinks:  map[string]int64{"all": 20, "gone": 2, songspy.UserApp("a"): 1, songspy.UserApp("b"): 1},
		Seats: []songspy.Seat{
			{UserID: 7, App: "one", State: songspy.SeatHeld, Email: "ann@example.org", StateSince: at},
			{UserID: 8, App: "one", State: songspy.SeatHeld, StateSince: at},
			{UserID: 9, App: "one", State: songspy.SeatEntered, Email: "bob@example.org", StateSince: at},
			{UserID: 10, State: songspy.SeatWaiting, AskedAt: at},
		},
		Unregistered: []songspy.UnregisteredLink{{UserID: 4, App: "one", Since: at}},
	}, &out)
	want := `app              seats           linked  reserved  free  linked users
one              5               2       3         0     1 4
all              any             20      0         any   
gone             not configured  2       0         0     
(user-supplied)                  2                       

Register these users in the dashboard of their app (User Management), then call ` + "`songspy-api seats entered USER`" + `:
user  app  e-mail address                                       since
7     one  ann@example.org                                      2026-11-24 05:00
8     one  (cannot be decrypted; they have to request again)    2026-11-24 05:00
4     one  (linked, but rejected by Spotify; no address given)  2026-11-24 05:00

Registered, and expected to link:
user  app  since
9     one  2026-11-24 05:00

Waiting list, in order:
user  requested
10    2026-11-24 05:00
`
	if err != nil || out.String() != want {
		t.Errorf("error %v, printed:\n%s\nwant:\n%s", err, out.String(), want)
	}
}

func TestSeats_RejectWrongUsage(t *testing.T) {
	for _, args := range [][]string{{"entered"}, {"entered", "me"}, {"entered", "1", "0"}, {"leave"}, {"leave", "1"}, {"drop"}} {
		code, stdout, stderr := runCommand(t, nil, append([]string{"seats"}, args...)...)
		if code != 2 || stdout != "" || !strings.Contains(stderr, "songspy-api seats") {
			t.Errorf("seats %v: code %d, printed %q and %q", args, code, stdout, stderr)
		}
	}
}

func TestSeats_CountALinkedUserWithASeatOnce(t *testing.T) {
	var out bytes.Buffer
	err := printWaitingList([]config.App{{ClientID: "one", Seats: 5}}, songspy.WaitingList{
		LinkedUsers: map[string][]songspy.UserID{"one": {1, 4}},
		Seats: []songspy.Seat{
			{UserID: 4, App: "one", State: songspy.SeatHeld, Email: "ann@example.org"}, // the app rejects this user
			{UserID: 7, App: "one", State: songspy.SeatHeld, Email: "bob@example.org"},
		},
	}, &out)
	want := `app  seats  linked  reserved  free  linked users
one  5      2       1         2     1 4
`
	if err != nil || !strings.HasPrefix(out.String(), want) {
		t.Errorf("error %v, printed:\n%s\nwant:\n%s", err, out.String(), want)
	}
}
