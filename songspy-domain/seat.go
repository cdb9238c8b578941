package songspy

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// AppSeats is a Spotify app with its number of seats: how many users Spotify admits to
// it while it is in development mode. Seats is 0 if there is no limit.
type AppSeats struct {
	App   string
	Seats int
}

// HasSeatLimit reports whether any of the apps limits its users. If none does,
// every user can link Spotify without first requesting a seat.
func HasSeatLimit(apps []AppSeats) bool {
	return slices.ContainsFunc(apps, func(a AppSeats) bool { return a.Seats > 0 })
}

// SeatState is the state of a user's request for a seat: the right to be one of the few
// users of a Spotify app in development mode.
type SeatState string

// The states of a seat.
const (
	// SeatWaiting means that no Spotify app has a free seat for the user, who
	// is on the waiting list.
	SeatWaiting SeatState = "waiting"
	// SeatHeld means that a seat in a Spotify app is reserved for the user. The
	// operator still has to register the user in the app's dashboard.
	SeatHeld SeatState = "held"
	// SeatEntered means that the operator has registered the user in the app's
	// dashboard, so that the user can link Spotify now.
	SeatEntered SeatState = "entered"
)

// Seat is a user's request for a seat in a Spotify app that admits few users. A user
// makes the request before linking Spotify, or because Spotify rejects the user as not
// registered with the app. The request ends when the user has linked Spotify, when the user
// withdraws it, or when it is too old.
type Seat struct {
	UserID UserID `gorm:"primaryKey"`
	// App is the Spotify app that the user got a seat in; empty while the user
	// waits for one.
	App   string
	State SeatState
	// Email is the address of the user's Spotify account, which the operator
	// enters in the app's dashboard. The store encrypts it and deletes it with
	// the seat.
	Email Secret `gorm:"-"`
	// AskedAt is when the user requested the seat, StateSince when State last changed.
	AskedAt    time.Time
	StateSince time.Time
}

// TableName returns the name of the table of seats.
func (Seat) TableName() string { return "spotify_seats" }

// AssignSeats assigns the free seats of the apps to the users in waitingList, in the
// order of their requests, and returns the seats that changed. The argument linked
// counts, by app, the users who have linked Spotify and have no entry in waitingList,
// because they occupy seats too.
//
// A user keeps a seat in state SeatEntered as long as the app is configured. A user
// keeps a seat in state SeatHeld only if the app also has room for it, because users
// who link without a request occupy seats too. If an app has too few seats, the users
// who requested last lose theirs: they get a free seat in another app, or go back to
// SeatWaiting. An app without a limit requires no registration, so its seats become
// SeatEntered directly, also those that were SeatHeld when the app still had a limit.
func AssignSeats(apps []AppSeats, linked map[string]int, waitingList []Seat, now time.Time) (changed []Seat) {
	capacity := make(map[string]int, len(apps))
	for _, a := range apps {
		capacity[a.App] = a.Seats
	}
	hasNoLimit := func(app string) bool {
		seats, configured := capacity[app]
		return configured && seats == 0
	}
	taken := maps.Clone(linked)
	if taken == nil {
		taken = map[string]int{}
	}
	keepsSeat := make([]bool, len(waitingList))
	for _, state := range []SeatState{SeatEntered, SeatHeld} {
		for i, s := range waitingList {
			seats, configured := capacity[s.App]
			if s.State != state || !configured || state == SeatHeld && taken[s.App] >= seats {
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
		app, free := s.App, hasNoLimit(s.App)
		if !free {
			app, free = FindFreeSeat(apps, taken)
		}
		switch {
		case !free:
			s.App, s.State = "", SeatWaiting
		case hasNoLimit(app):
			s.App, s.State = app, SeatEntered
		default:
			s.App, s.State = app, SeatHeld
			taken[app]++
		}
		if s != before {
			s.StateSince = now
			changed = append(changed, s)
		}
	}
	return changed
}

// FindFreeSeat returns the Spotify app in which the next user gets a seat. The argument
// taken counts the occupied seats by app. It prefers the app with the most occupied
// seats among those that have a free seat, so that other apps stay empty as long as
// possible. If no app with a limit has a free seat, it returns an app without a limit.
// ok is false if there is none either.
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

// userAppPrefix is the prefix of the name of a user-supplied Spotify app. The names of
// the operator's apps cannot contain it, so the two kinds cannot be confused.
const userAppPrefix = "own~"

// UserApp returns the name under which Songspy stores the user-supplied Spotify app with
// the given client ID. Songspy does not know the secret of such an app, and assigns no
// seats in it.
func UserApp(clientID string) string { return userAppPrefix + clientID }

// UserAppClientID returns the client ID of a user-supplied app. isUserApp is
// false for an app of the operator.
func UserAppClientID(app string) (id string, isUserApp bool) {
	return strings.CutPrefix(app, userAppPrefix)
}

// WaitingList holds the users that an operator needs to know to register users in the
// dashboards of the apps: linked users, users with a request for a seat, and users that
// Spotify reports as not registered.
type WaitingList struct {
	// LinkedUsers are, by app, the users that are linked through an app with a limited
	// number of seats. The app's dashboard should list at least these users.
	LinkedUsers map[string][]UserID
	// OtherLinks counts, by app, the users that are linked through an app without a
	// limit or through an app that the operator has not configured.
	OtherLinks map[string]int64
	// Seats are the requested seats in the order of their requests. An address that
	// cannot be decrypted is empty.
	Seats []Seat
	// Unregistered are the linked users that are not registered with their app and
	// have requested no seat. Users of user-supplied apps are left out, because they
	// have access to the dashboard of the app themselves.
	Unregistered []UnregisteredLink
}

// UnregisteredLink is the link of a user that is not registered with the
// Spotify app of the link.
type UnregisteredLink struct {
	UserID UserID
	App    string
	Since  time.Time
}

// AppUse says how the seats of a Spotify app are used.
type AppUse struct {
	AppSeats
	// IsConfigured is false for an app that the operator has removed while users are
	// linked through it.
	IsConfigured bool
	// LinkedUsers are the users that are linked through the app; nil if the app has no
	// limit of seats. Linked is the number of users that are linked through the app,
	// whether or not it has a limit.
	LinkedUsers []UserID
	Linked      int64
	// Reserved counts the seats that are assigned to users who are not linked through the
	// app yet. Free counts the seats that are neither reserved nor used by a linked user;
	// it is 0 if the app has no limit.
	Reserved, Free int64
}

// AppUses returns how the seats of the operator's apps are used: first the configured
// apps, in their order, then apps that the operator has removed. userApps counts the links
// through user-supplied apps.
func (w WaitingList) AppUses(apps []AppSeats) (uses []AppUse, userApps int64) {
	reserved := map[string]int64{}
	for _, seat := range w.Seats {
		if !slices.Contains(w.LinkedUsers[seat.App], seat.UserID) {
			reserved[seat.App]++
		}
	}
	configured := map[string]bool{}
	for _, app := range apps {
		configured[app.App] = true
		use := AppUse{AppSeats: app, IsConfigured: true, Reserved: reserved[app.App], Linked: w.OtherLinks[app.App]}
		if app.Seats > 0 {
			use.LinkedUsers = w.LinkedUsers[app.App]
			use.Linked = int64(len(use.LinkedUsers))
			use.Free = max(0, int64(app.Seats)-use.Linked-use.Reserved)
		}
		uses = append(uses, use)
	}
	for _, app := range slices.Sorted(maps.Keys(w.OtherLinks)) {
		if _, isUserApp := UserAppClientID(app); isUserApp {
			userApps += w.OtherLinks[app]
		} else if !configured[app] {
			uses = append(uses, AppUse{AppSeats: AppSeats{App: app}, Linked: w.OtherLinks[app]})
		}
	}
	return uses, userApps
}

// InState returns the seats in a state, in the order of their requests.
func (w WaitingList) InState(state SeatState) (seats []Seat) {
	for _, seat := range w.Seats {
		if seat.State == state {
			seats = append(seats, seat)
		}
	}
	return seats
}
