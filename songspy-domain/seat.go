package songspy

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// AppSeats is a Spotify app and how many people it admits; 0: as many as come.
type AppSeats struct {
	App   string
	Seats int
}

// SeatsNeeded reports whether any of the apps admits only so many: else nobody
// has to ask for a seat.
func HasSeatLimit(apps []AppSeats) bool {
	return slices.ContainsFunc(apps, func(a AppSeats) bool { return a.Seats > 0 })
}

// SeatState is how somebody stands who has asked for a seat in a Spotify app.
type SeatState string

// The states of a seat.
const (
	// SeatWaiting: no app has a free seat; the person is in line.
	SeatWaiting SeatState = "waiting"
	// SeatHeld: a seat is theirs; the operator has to enter them in the app's dashboard.
	SeatHeld SeatState = "held"
	// SeatEntered: the operator has; the person can link now.
	SeatEntered SeatState = "entered"
)

// Seat is what somebody has asked for who is not linked yet, or whom the app of
// their link does not know. It lasts until they link.
type Seat struct {
	UserID UserID `gorm:"primaryKey"`
	// App is the app that the seat is in; empty while the person waits for any.
	App   string
	State SeatState
	// Email is the address of their Spotify account, which is what the operator
	// enters. It lies sealed, and goes with the seat.
	Email Secret `gorm:"-"`
	// AskedAt is when they got in line, StateSince when the state was entered.
	AskedAt    time.Time
	StateSince time.Time
}

// TableName is the table of seats.
func (Seat) TableName() string { return "spotify_seats" }

// GiveSeats gives what seats are free to those in line, who came first first,
// and returns the seats that changed. linked counts, by app, the people who have
// a place there by their link and none in the line.
//
// Whoever has a seat keeps it, for as long as the app is there and has room for
// them: who links without having asked takes a seat too, and the last to be
// given one then waits again. An app that admits everybody needs nobody to be
// entered.
func AssignSeats(apps []AppSeats, linked map[string]int, waitingList []Seat, now time.Time) (changed []Seat) {
	capacity := make(map[string]int, len(apps))
	for _, a := range apps {
		capacity[a.App] = a.Seats
	}
	taken := maps.Clone(linked)
	if taken == nil {
		taken = map[string]int{}
	}
	keepsSeat := make([]bool, len(waitingList))
	for _, state := range []SeatState{SeatEntered, SeatHeld} {
		for i, s := range waitingList {
			seats, there := capacity[s.App]
			if s.State != state || !there || state == SeatHeld && (seats == 0 || taken[s.App] >= seats) {
				continue
			}
			keepsSeat[i] = true
			taken[s.App]++
		}
	}
	for i, s := range waitingList {
		if keepsSeat[i] {
			continue
		}
		before := s
		s.App, s.State = "", SeatWaiting
		if app, free := FindFreeSeat(apps, taken); free {
			taken[app]++
			s.App, s.State = app, SeatHeld
			if capacity[app] == 0 {
				s.State = SeatEntered
			}
		}
		if s != before {
			s.StateSince = now
			changed = append(changed, s)
		}
	}
	return changed
}

// FreeSeat is the app that a newcomer is given a seat in, of those that are
// given, where so many are taken: the fullest that has a free one, so that a new
// app stays empty as long as it may; else one that admits everybody. It is false
// if there is none.
func FindFreeSeat(apps []AppSeats, taken map[string]int) (app string, ok bool) {
	best := -1
	for _, a := range apps {
		switch n := taken[a.App]; {
		case a.Seats > n && n > best:
			app, best = a.App, n
		case a.Seats == 0 && app == "":
			app = a.App
		}
	}
	return app, app != ""
}

// ownMark begins the name of an app that a person brought. The ids of the
// instance's own apps do not hold it.
const userAppPrefix = "own~"

// OwnApp names the app of that client id as one that a person brought: it has
// no secret, and no seats of ours.
func UserApp(clientID string) string { return userAppPrefix + clientID }

// OwnClientID is the client id of an app that a person brought; false for one
// of the instance's.
func UserAppClientID(app string) (id string, isUserApp bool) {
	return strings.CutPrefix(app, userAppPrefix)
}
