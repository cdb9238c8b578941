package config

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// App is one Spotify app of the instance.
type App struct {
	ClientID     string
	ClientSecret songspy.Secret
	// Seats is how many people it admits; 0: as many as come.
	Seats int
	// Account names the developer account whose quota the app shares with
	// others; that is the client id of one of them, or any word.
	Account string
}

// SeatsOf are the apps and how many people each admits.
func SeatsOf(apps []App) []songspy.AppSeats {
	seats := make([]songspy.AppSeats, len(apps))
	for i, app := range apps {
		seats[i] = songspy.AppSeats{App: app.ClientID, Seats: app.Seats}
	}
	return seats
}

// clientID is the form of what Spotify calls a client id; the simulator's has
// dashes.
var clientIDPattern = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// Apps are all Spotify apps of the instance: that of CLIENT_ID and
// CLIENT_SECRET first, then those of APPS, one a line or between commas, as
// id:secret:seats:account, of which the last two may be left out. The faults
// never show a secret.
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
			fault(i+1, "is not id:secret:seats:account")
			continue
		}
		app := App{ClientID: parts[0], ClientSecret: songspy.Secret(parts[1]), Account: parts[0]}
		if !clientIDPattern.MatchString(app.ClientID) {
			fault(i+1, "begins with what is no client id")
		}
		for _, other := range apps {
			if other.ClientID == app.ClientID {
				fault(i+1, "is app %s once more", app.ClientID)
			}
		}
		if len(parts) > 2 && parts[2] != "" {
			if app.Seats, err = strconv.Atoi(parts[2]); err != nil || app.Seats < 0 {
				fault(i+1, "has %q seats; give a number, 0 for as many as come", parts[2])
			}
		}
		if len(parts) > 3 && parts[3] != "" {
			if app.Account = parts[3]; !clientIDPattern.MatchString(app.Account) {
				fault(i+1, "names an account that is no word; give the client id of an app of the same developer account")
			}
		}
		apps = append(apps, app)
	}
	return apps, errors.Join(faults...)
}
