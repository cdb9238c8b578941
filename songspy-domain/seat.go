package songspy

import (
	"strings"
	"time"
)

// AppSeats is a Spotify app and how many people it admits; 0: as many as come.
type AppSeats struct {
	App   string
	Seats int
}

// SeatState is how somebody stands who was refused a place in a Spotify app.
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

// Seat is what a person who was refused by an app has asked for. It lasts until
// they link.
type Seat struct {
	UserID UserID `gorm:"primaryKey"`
	// App is the app that the seat is in; empty while the person waits for any.
	App   string
	State SeatState
	// Email is the address of their Spotify account, for the operator to enter.
	// It lies sealed, and is forgotten once they are entered.
	Email Secret `gorm:"-"`
	// AskedAt is when they got in line, StateSince when the state was entered.
	AskedAt    time.Time
	StateSince time.Time
}

// TableName is the table of seats.
func (Seat) TableName() string { return "spotify_seats" }

// FreeSeat is the app that a newcomer is given a seat in, of those that are
// given, where so many are taken: the fullest that has a free one, so that a new
// app stays empty as long as it may; else one that admits everybody. It is false
// if there is none.
func FreeSeat(apps []AppSeats, taken map[string]int) (app string, ok bool) {
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
const ownMark = "own~"

// OwnApp names the app of that client id as one that a person brought: it has
// no secret, and no seats of ours.
func OwnApp(clientID string) string { return ownMark + clientID }

// OwnClientID is the client id of an app that a person brought; false for one
// of the instance's.
func OwnClientID(app string) (id string, own bool) {
	return strings.CutPrefix(app, ownMark)
}
