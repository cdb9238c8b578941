package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/store"
)

// seatsShown is how many people the desk lists at most.
const seatsShown = 1000

// seats is the desk at which an operator sees which app has free seats and who
// is not registered yet, and says who has been entered.
func seats(ctx context.Context, s settings, args []string, out io.Writer) error {
	entered := songspy.UserID(0)
	switch {
	case len(args) == 2 && args[0] == "entered":
		id, err := strconv.ParseInt(args[1], 10, 64)
		if err != nil || id <= 0 {
			return &songspy.Error{Code: songspy.CodeInvalid, Message: fmt.Sprintf("%q is no user's number; `songspy-api seats` lists them.", args[1])}
		}
		entered = songspy.UserID(id)
	case len(args) > 0:
		return &songspy.Error{Code: songspy.CodeInvalid, Message: "Call it as `songspy-api seats`, or `songspy-api seats entered USER`."}
	}
	apps, err := s.Spotify.Apps()
	if err != nil {
		return err
	}
	return atDesk(ctx, s, func(db *store.Store) error {
		if entered != 0 {
			return askAgain(ctx, db, entered, out)
		}
		unregistered, taken, err := db.Seats(ctx, seatsShown)
		if err != nil {
			return err
		}
		return writeSeats(apps, unregistered, taken, out)
	})
}

func askAgain(ctx context.Context, db *store.Store, id songspy.UserID, out io.Writer) error {
	was := songspy.LinkState("")
	_, err := db.UpdateLink(ctx, id, func(l *songspy.Link) error {
		if was = l.State; was == songspy.LinkNotRegistered {
			l.State = songspy.LinkActive
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case was != songspy.LinkNotRegistered:
		fmt.Fprintf(out, "User %d was registered already: the link is %s.\n", id, was)
	default:
		fmt.Fprintf(out, "User %d is asked again at once; if Spotify still refuses them, they are back in this list.\n", id)
	}
	return nil
}

func writeSeats(apps []config.App, unregistered []store.Seat, taken map[string]int64, out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "app\tseats\ttaken\tfree")
	known := make([]string, 0, len(apps))
	for _, app := range apps {
		known = append(known, app.ClientID)
		seats, free := "any", "any"
		if app.Seats > 0 {
			seats, free = strconv.Itoa(app.Seats), strconv.FormatInt(max(0, int64(app.Seats)-taken[app.ClientID]), 10)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\n", app.ClientID, seats, taken[app.ClientID], free)
	}
	for app, n := range taken {
		if !slices.Contains(known, app) {
			fmt.Fprintf(t, "%s\tnot configured\t%d\t0\n", app, n)
		}
	}
	if len(unregistered) == 0 {
		fmt.Fprintln(t, "\nNobody who has linked is refused by an app.")
		return t.Flush()
	}
	fmt.Fprintln(t, "\nEnter these people in the dashboard of their app, then call `songspy-api seats entered USER`:\nuser\tapp\trefused since")
	for _, seat := range unregistered {
		fmt.Fprintf(t, "%d\t%s\t%s\n", seat.User, seat.App, written(seat.Since))
	}
	return t.Flush()
}
