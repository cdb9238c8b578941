package songspy

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// AppSeats is a Spotify app and the number of users that it admits; 0 means no
// limit.
type AppSeats struct {
	App   string
	Seats int
}

// HasSeatLimit reports whether any of the apps limits its users. If none does,
// no user has to request a seat.
func HasSeatLimit(apps []AppSeats) bool {
	return slices.ContainsFunc(apps, func(a AppSeats) bool { return a.Seats > 0 })
}

// SeatState is the state of a user's request for a seat in a Spotify app.
type SeatState string

// The states of a seat.
const (
	// SeatWaiting means that no app has a free seat. The user is in the waiting
	// list.
	SeatWaiting SeatState = "waiting"
	// SeatHeld means that a seat is reserved. The operator has to register the
	// user in the app's dashboard.
	SeatHeld SeatState = "held"
	// SeatEntered means that the operator has registered the user, who can link
	// now.
	SeatEntered SeatState = "entered"
)

// Seat is a seat in a Spotify app that a user has requested, because the user
// is not linked yet or because Spotify rejects the user as not registered. It
// lasts until the user links.
type Seat struct {
	UserID UserID `gorm:"primaryKey"`
	// App is the app of the seat; empty while the user waits.
	App   string
	State SeatState
	// Email is the address of the user's Spotify account, which the operator
	// registers. The store encrypts it and deletes it with the seat.
	Email Secret `gorm:"-"`
	// AskedAt is when the user entered the waiting list, StateSince when the
	// seat entered its state.
	AskedAt    time.Time
	StateSince time.Time
}

// TableName returns the name of the table of seats.
func (Seat) TableName() string { return "spotify_seats" }

// AssignSeats assigns the free seats to the waiting list in the order of
// requests, and returns the seats that changed. linked counts, by app, the
// linked users that have no entry in waitingList.
//
// A user keeps an assigned seat while the app exists and has room. A user who
// links without a request occupies a seat too; if there are too many, the seat
// that was assigned last goes back to SeatWaiting. Users of an app without a
// limit need no registration, so their seats become SeatEntered directly.
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

// FindFreeSeat returns the app in which the next user gets a seat. taken counts
// the occupied seats by app. It prefers the fullest app that has a free seat,
// so that new apps stay empty as long as possible, and otherwise an app without
// a limit. ok is false if there is none.
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

// userAppPrefix begins the name of a user-supplied app. Names of the instance's
// apps cannot contain it.
const userAppPrefix = "own~"

// UserApp returns the name of the user-supplied app with that client ID. Such
// an app has no secret, and Songspy assigns no seats in it.
func UserApp(clientID string) string { return userAppPrefix + clientID }

// UserAppClientID returns the client ID of a user-supplied app. isUserApp is
// false for an app of the instance.
func UserAppClientID(app string) (id string, isUserApp bool) {
	return strings.CutPrefix(app, userAppPrefix)
}
