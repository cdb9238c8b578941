package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/store"

	"github.com/songspy/songspy/songspy-api/internal/operator"
)

type seatsCommand struct {
	List    seatsListCommand    `cmd:"" default:"1" help:"Print free seats, the users to register in each dashboard, and the waiting list. This is the default."`
	Entered seatsEnteredCommand `cmd:"" help:"Mark users as registered in the dashboard: they can link, and rejected links are tried again at once."`
	Drop    seatsDropCommand    `cmd:"" help:"Remove users from the waiting list."`
}

type seatsListCommand struct{}

func (seatsListCommand) Run(ctx context.Context, p *program) error {
	return withApps(ctx, p, func(apps []config.App, service *operator.Service) error {
		waitingList, err := service.WaitingList(ctx)
		if err != nil {
			return err
		}
		return printWaitingList(apps, waitingList, p.stdout)
	})
}

// userNumbers are the arguments of a command that marks users as registered for their seat in a
// Spotify app, or takes the seat away: the ids of the users.
type userNumbers struct {
	Users []songspy.UserID `arg:"" name:"user" help:"The users' numbers in the list."`
}

// Validate checks the numbers; Kong calls it.
func (n userNumbers) Validate() error {
	for _, id := range n.Users {
		if id <= 0 {
			return fmt.Errorf("%d is not a user's number; `songspy-api seats` prints them", id)
		}
	}
	return nil
}

type seatsEnteredCommand struct{ userNumbers }

func (c seatsEnteredCommand) Run(ctx context.Context, p *program) error {
	return updateSeats(ctx, p, c.Users, func(service *operator.Service, id songspy.UserID) error {
		linked, err := service.EnterSeat(ctx, id)
		switch {
		case err != nil:
			return err
		case linked:
			fmt.Fprintf(p.stdout, "The link of user %d is tried again at once. If Spotify still rejects it, `songspy-api seats` lists the user again.\n", id)
		default:
			fmt.Fprintf(p.stdout, "User %d can link now.\n", id)
		}
		return nil
	})
}

type seatsDropCommand struct{ userNumbers }

func (c seatsDropCommand) Run(ctx context.Context, p *program) error {
	return updateSeats(ctx, p, c.Users, func(service *operator.Service, id songspy.UserID) error {
		if err := service.DropSeat(ctx, id); err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "User %d has no seat, and is not on the waiting list.\n", id)
		return nil
	})
}

// withApps calls the function work with the configured Spotify apps, and with a Service that assigns and
// lists the seats of these apps.
func withApps(ctx context.Context, p *program, work func([]config.App, *operator.Service) error) error {
	return p.withCheckedStore(ctx, func(s settings, db *store.Store) error {
		apps, err := s.Spotify.Apps()
		if err != nil {
			return err
		}
		return work(apps, operator.New(db, config.SeatsOf(apps), time.Now))
	})
}

// updateSeats calls the function update for each user, until one call fails.
func updateSeats(ctx context.Context, p *program, users []songspy.UserID, update func(*operator.Service, songspy.UserID) error) error {
	return withApps(ctx, p, func(_ []config.App, service *operator.Service) error {
		for _, id := range users {
			if err := update(service, id); err != nil {
				return fmt.Errorf("user %d: %w", id, err)
			}
		}
		return nil
	})
}

// printWaitingList prints the Spotify apps, the users that the operator must
// register with them, the users who can link now, and the users who wait for a
// free seat.
func printWaitingList(apps []config.App, waitingList songspy.WaitingList, out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	printApps(t, apps, waitingList)
	held := waitingList.InState(songspy.SeatHeld)
	if len(held)+len(waitingList.Unregistered) == 0 {
		fmt.Fprintln(t, "\nNo user has to be registered.")
	} else {
		fmt.Fprintln(t, "\nRegister these users in the dashboard of their app (User Management), then call `songspy-api seats entered USER`:")
		fmt.Fprintln(t, "user\tapp\te-mail address\tsince")
	}
	for _, seat := range held {
		address := seat.Email.Reveal() // the operator has to copy it
		if address == "" {
			address = "(cannot be decrypted; they have to request again)"
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\n", seat.UserID, seat.App, address, formatMinute(seat.StateSince))
	}
	for _, r := range waitingList.Unregistered {
		fmt.Fprintf(t, "%d\t%s\t(linked, but rejected by Spotify; no address given)\t%s\n", r.UserID, r.App, formatMinute(r.Since))
	}
	if entered := waitingList.InState(songspy.SeatEntered); len(entered) > 0 {
		fmt.Fprintln(t, "\nRegistered, and expected to link:\nuser\tapp\tsince")
		for _, seat := range entered {
			fmt.Fprintf(t, "%d\t%s\t%s\n", seat.UserID, seat.App, formatMinute(seat.StateSince))
		}
	}
	if waiting := waitingList.InState(songspy.SeatWaiting); len(waiting) > 0 {
		fmt.Fprintln(t, "\nWaiting list, in order:\nuser\trequested")
		for _, seat := range waiting {
			fmt.Fprintf(t, "%d\t%s\n", seat.UserID, formatMinute(seat.AskedAt))
		}
	}
	return t.Flush()
}

func printApps(t io.Writer, apps []config.App, waitingList songspy.WaitingList) {
	uses, userApps := waitingList.AppUses(config.SeatsOf(apps))
	fmt.Fprintln(t, "app\tseats\tlinked\treserved\tfree\tlinked users")
	for _, use := range uses {
		switch {
		case !use.IsConfigured:
			fmt.Fprintf(t, "%s\tnot configured\t%d\t0\t0\t\n", use.App, use.Linked)
		case use.Seats == 0:
			fmt.Fprintf(t, "%s\tany\t%d\t%d\tany\t\n", use.App, use.Linked, use.Reserved)
		default:
			fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%s\n", use.App, use.Seats, use.Linked, use.Reserved, use.Free, joinIDs(use.LinkedUsers))
		}
	}
	if userApps > 0 {
		fmt.Fprintf(t, "(user-supplied)\t\t%d\t\t\t\n", userApps)
	}
}

// joinIDs joins the ids for one cell of the table.
func joinIDs(ids []songspy.UserID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatInt(int64(id), 10)
	}
	return strings.Join(texts, " ")
}

// formatMinute formats a time for a table: in UTC, to the minute.
func formatMinute(at time.Time) string { return at.UTC().Format("2006-01-02 15:04") }
