package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/store"
)

const seatsUsage = `songspy-api seats: who has a seat in which Spotify app

  songspy-api seats                 what is free, and who has to be entered in which dashboard
  songspy-api seats entered USER …  they have been entered: they can link, or are asked again at once
  songspy-api seats drop USER …     take them out of the line
`

// seats is the desk at which an operator sees which app has free seats and who
// has to be entered where, and says who has been.
func seats(ctx context.Context, s settings, args []string, out io.Writer) error {
	action, users, err := parseSeatsArgs(args)
	if err != nil {
		return err
	}
	apps, err := s.Spotify.Apps()
	if err != nil {
		return err
	}
	admitted := config.SeatsOf(apps)
	return withCheckedStore(ctx, s, func(db *store.Store) error {
		for _, id := range users {
			if err := action(ctx, db, id, out); err != nil {
				return fmt.Errorf("user %d: %w", id, err)
			}
		}
		if _, err := db.AssignSeats(ctx, admitted); err != nil || len(users) > 0 {
			return err
		}
		waitingList, err := db.WaitingList(ctx, admitted)
		if err != nil {
			return err
		}
		return printWaitingList(apps, waitingList, out)
	})
}

// deed is what is done to one person's seat.
type seatAction func(context.Context, *store.Store, songspy.UserID, io.Writer) error

func parseSeatsArgs(args []string) (action seatAction, users []songspy.UserID, err error) {
	if len(args) == 0 {
		return nil, nil, nil
	}
	switch args[0] {
	case "entered":
		action = markEntered
	case "drop":
		action = dropSeat
	}
	if action == nil || len(args) == 1 {
		return nil, nil, &songspy.Error{Code: songspy.CodeInvalid, Message: "That is not how it is called.\n\n" + seatsUsage}
	}
	for _, arg := range args[1:] {
		id, err := strconv.ParseInt(arg, 10, 64)
		if err != nil || id <= 0 {
			return nil, nil, &songspy.Error{Code: songspy.CodeInvalid, Message: fmt.Sprintf("%q is no user's number; `songspy-api seats` lists them.", arg)}
		}
		users = append(users, songspy.UserID(id))
	}
	return action, users, nil
}

func markEntered(ctx context.Context, db *store.Store, id songspy.UserID, out io.Writer) error {
	linked, err := db.EnterSeat(ctx, id)
	switch {
	case err != nil:
		return err
	case linked:
		fmt.Fprintf(out, "User %d is asked again at once; if Spotify still refuses them, they are back in this list.\n", id)
	default:
		fmt.Fprintf(out, "User %d can link now.\n", id)
	}
	return nil
}

func dropSeat(ctx context.Context, db *store.Store, id songspy.UserID, out io.Writer) error {
	if err := db.LeaveSeat(ctx, id); err != nil {
		return err
	}
	fmt.Fprintf(out, "User %d has no seat any more.\n", id)
	return nil
}

// writeDesk prints the desk: the apps, then whom to enter, then who else is expected.
func printWaitingList(apps []config.App, waitingList store.WaitingList, out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	printApps(t, apps, waitingList)
	byState := map[songspy.SeatState][]songspy.Seat{}
	for _, seat := range waitingList.Seats {
		byState[seat.State] = append(byState[seat.State], seat)
	}
	held := byState[songspy.SeatHeld]
	if len(held)+len(waitingList.Unregistered) == 0 {
		fmt.Fprintln(t, "\nNobody has to be entered.")
	} else {
		fmt.Fprintln(t, "\nEnter these people in the dashboard of their app (User Management), then call `songspy-api seats entered USER`:")
		fmt.Fprintln(t, "user\tapp\te-mail address\tsince")
	}
	for _, seat := range held {
		address := seat.Email.Reveal() // the operator has to copy it
		if address == "" {
			address = "(does not open; they have to ask again)"
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\n", seat.UserID, seat.App, address, formatMinute(seat.StateSince))
	}
	for _, r := range waitingList.Unregistered {
		fmt.Fprintf(t, "%d\t%s\t(is linked and refused; has not said)\t%s\n", r.UserID, r.App, formatMinute(r.Since))
	}
	for _, list := range []struct {
		state songspy.SeatState
		head  string
	}{
		{songspy.SeatEntered, "Entered, and expected to link:\nuser\tapp\tsince"},
		{songspy.SeatWaiting, "Waiting for a free seat, first come first:\nuser\tasked"},
	} {
		if len(byState[list.state]) > 0 {
			fmt.Fprintf(t, "\n%s\n", list.head)
		}
		for _, seat := range byState[list.state] {
			if list.state == songspy.SeatWaiting {
				fmt.Fprintf(t, "%d\t%s\n", seat.UserID, formatMinute(seat.AskedAt))
				continue
			}
			fmt.Fprintf(t, "%d\t%s\t%s\n", seat.UserID, seat.App, formatMinute(seat.StateSince))
		}
	}
	return t.Flush()
}

func printApps(t io.Writer, apps []config.App, waitingList store.WaitingList) {
	given := map[string]int{} // to people who have not linked there yet
	for _, seat := range waitingList.Seats {
		if !slices.Contains(waitingList.LinkedUsers[seat.App], seat.UserID) {
			given[seat.App]++
		}
	}
	fmt.Fprintln(t, "app\tseats\tlinked\tgiven\tfree\tusers who are linked")
	userApps := int64(0)
	for _, app := range apps {
		if app.Seats == 0 {
			fmt.Fprintf(t, "%s\tany\t%d\t%d\tany\t\n", app.ClientID, waitingList.OtherLinks[app.ClientID], given[app.ClientID])
			delete(waitingList.OtherLinks, app.ClientID)
			continue
		}
		linked := waitingList.LinkedUsers[app.ClientID]
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%s\n", app.ClientID, app.Seats, len(linked), given[app.ClientID],
			max(0, app.Seats-len(linked)-given[app.ClientID]), joinIDs(linked))
	}
	for _, app := range slices.Sorted(maps.Keys(waitingList.OtherLinks)) {
		if _, isUserApp := songspy.UserAppClientID(app); isUserApp {
			userApps += waitingList.OtherLinks[app]
			continue
		}
		fmt.Fprintf(t, "%s\tnot configured\t%d\t0\t0\t\n", app, waitingList.OtherLinks[app])
	}
	if userApps > 0 {
		fmt.Fprintf(t, "(of their own)\t\t%d\t\t\t\n", userApps)
	}
}

// numbers lists people in one cell.
func joinIDs(ids []songspy.UserID) string {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = strconv.FormatInt(int64(id), 10)
	}
	return strings.Join(words, " ")
}

func formatMinute(at time.Time) string { return at.UTC().Format("2006-01-02 15:04") }
