package config

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// App is one of the Spotify apps that the operator has configured.
type App struct {
	ClientID     string
	ClientSecret songspy.Secret
	// Seats is how many users the Spotify app admits while it is in development
	// mode; 0 means no limit.
	Seats int
	// Account names the Spotify developer account that owns the app. All apps
	// of one account share its quota of calls. The name is the client ID of one
	// of these apps; by default that of this app.
	Account string
}

// SeatsOf returns, for each Spotify app, its client ID and the number of users
// that it admits.
func SeatsOf(apps []App) []songspy.AppSeats {
	seats := make([]songspy.AppSeats, len(apps))
	for i, app := range apps {
		seats[i] = songspy.AppSeats{App: app.ClientID, Seats: app.Seats}
	}
	return seats
}

// clientIDPattern matches Spotify's client IDs. It allows dashes because the
// client IDs of the simulator contain them.
var clientIDPattern = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// Apps returns all Spotify apps that the operator has configured. The first is
// the app of SONGSPY_SPOTIFY_CLIENT_ID, if it is set. The others are those of
// SONGSPY_SPOTIFY_APPS: entries of the form id:secret:seats:account, separated
// by white space or commas. An entry may omit seats and account. The error
// describes all faulty entries and never contains a secret.
func (s Spotify) Apps() (apps []App, err error) {
	if s.ClientID != "" {
		apps = append(apps, App{ClientID: s.ClientID, ClientSecret: s.ClientSecret, Seats: s.Seats, Account: s.ClientID})
	}
	var faults []error
	fault := func(at int, format string, args ...any) {
		faults = append(faults, fmt.Errorf("SONGSPY_SPOTIFY_APPS: entry %d: "+format, append([]any{at}, args...)...))
	}
	entries := strings.FieldsFunc(s.MoreApps.Reveal(), func(r rune) bool { return r == ',' || r == '\n' || r == ' ' || r == '\r' || r == '\t' })
	for i, entry := range entries {
		parts := strings.Split(entry, ":")
		if len(parts) < 2 || len(parts) > 4 {
			fault(i+1, "must be id:secret, id:secret:seats or id:secret:seats:account")
			continue
		}
		app := App{ClientID: parts[0], ClientSecret: songspy.Secret(parts[1]), Account: parts[0]}
		if !clientIDPattern.MatchString(app.ClientID) {
			fault(i+1, "does not begin with a client ID")
		}
		for _, other := range apps {
			if other.ClientID == app.ClientID {
				fault(i+1, "repeats app %s", app.ClientID)
			}
		}
		if len(parts) > 2 && parts[2] != "" {
			if app.Seats, err = strconv.Atoi(parts[2]); err != nil || app.Seats < 0 {
				fault(i+1, "must have a number of seats as its third part, or 0 for no limit")
			}
		}
		if len(parts) > 3 && parts[3] != "" {
			if app.Account = parts[3]; !clientIDPattern.MatchString(app.Account) {
				fault(i+1, "names an invalid account; give the client ID of an app of the same developer account")
			}
		}
		apps = append(apps, app)
	}
	return apps, errors.Join(faults...)
}
