package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/sanitize"
	"github.com/songspy/songspy/songspy-domain/store"

	"github.com/songspy/songspy/songspy-api/internal/auth"
)

const (
	// invitesListedMax is how many invites `invite list` prints at most.
	invitesListedMax = 1000
	// inviteUsesMax is the largest number of users that one invite can admit. An
	// operator who needs more can set the sign-up policy to let everyone sign up.
	inviteUsesMax = 10_000
	// inviteDaysMax is the longest validity of an invite, in days.
	inviteDaysMax = 366
	// inviteNoteMax is the longest note, in bytes.
	inviteNoteMax = 200
)

type inviteCommand struct {
	Create inviteCreateCommand `cmd:"" default:"withargs" help:"Create an invite and print its code. This is the default."`
	List   inviteListCommand   `cmd:"" help:"List the invites and their state."`
	Revoke inviteRevokeCommand `cmd:"" help:"Revoke an invite. Admitted users keep their accounts."`
}

type inviteCreateCommand struct {
	Uses int    `default:"1" placeholder:"N" help:"How many users the invite admits, 1 to 10000 (default 1)."`
	Days int    `default:"14" placeholder:"D" help:"How many days the invite is valid, 1 to 366 (default 14)."`
	Note string `placeholder:"TEXT" help:"A note for the operator, at most 200 bytes."`
}

// Validate checks the flags; Kong calls it.
func (c inviteCreateCommand) Validate() error {
	switch {
	case c.Uses < 1 || c.Uses > inviteUsesMax:
		return fmt.Errorf("--uses must be 1 to %d", inviteUsesMax)
	case c.Days < 1 || c.Days > inviteDaysMax:
		return fmt.Errorf("--days must be 1 to %d", inviteDaysMax)
	case len(c.Note) > inviteNoteMax:
		return fmt.Errorf("--note must have at most %d bytes", inviteNoteMax)
	}
	return nil
}

func (c inviteCreateCommand) Run(ctx context.Context, p *program) error {
	requested := songspy.Invite{Uses: c.Uses, Note: sanitize.Line(c.Note), ExpiresAt: time.Now().AddDate(0, 0, c.Days)}
	return p.withCheckedStore(ctx, func(s settings, db *store.Store) error {
		return createInvite(ctx, db, s, requested, p.stdout)
	})
}

type inviteListCommand struct{}

func (inviteListCommand) Run(ctx context.Context, p *program) error {
	return p.withCheckedStore(ctx, func(_ settings, db *store.Store) error {
		all, err := db.Invites(ctx, invitesListedMax)
		if err != nil {
			return err
		}
		return printInvites(all, time.Now(), p.stdout)
	})
}

type inviteRevokeCommand struct {
	ID int64 `arg:"" help:"The number of the invite in the list."`
}

// Validate checks the number; Kong calls it.
func (c inviteRevokeCommand) Validate() error {
	if c.ID <= 0 {
		return errors.New("an invite's number is positive; `songspy-api invite list` prints it")
	}
	return nil
}

func (c inviteRevokeCommand) Run(ctx context.Context, p *program) error {
	return p.withCheckedStore(ctx, func(_ settings, db *store.Store) error {
		i, err := db.RevokeInvite(ctx, c.ID)
		if err != nil {
			return withRemedy(err, "Invite %d does not exist; `songspy-api invite list` prints all.", c.ID)
		}
		fmt.Fprintf(p.stdout, "Invite %d is revoked; admitted users keep their accounts.\n", i.ID)
		return nil
	})
}

// createInvite stores an invite with a hash of its code, and prints the code, which is not stored.
func createInvite(ctx context.Context, db *store.Store, s settings, requested songspy.Invite, out io.Writer) error {
	code, hash := auth.NewInviteCode()
	requested.CodeHash = hash
	i, err := db.CreateInvite(ctx, requested)
	if err != nil {
		return err
	}
	users := "1 user"
	if i.Uses > 1 {
		users = fmt.Sprint(i.Uses, " users")
	}
	fmt.Fprintf(out, `%s

Invite %d admits %s until %s UTC. Its code is not stored: note it now.
A new user types it where the frontend asks for it, in upper or lower case, with or without dashes.
A frontend sends it as "invite" together with "accessToken" to POST %s/v1/songspy/google-auth.
`, code.Reveal(), i.ID, users, formatTime(i.ExpiresAt), s.PublicURL)
	if s.SignUp != string(auth.PolicyInvite) {
		fmt.Fprintf(out, "SONGSPY_SIGN_UP is %s, so invites are ignored; set it to invite.\n", s.SignUp)
	}
	return nil
}

func printInvites(all []songspy.Invite, now time.Time, out io.Writer) error {
	if len(all) == 0 {
		fmt.Fprintln(out, "There are no invites; `songspy-api invite` creates one.")
		return nil
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "id\tstate\tleft\tof\tcreated\tuntil\tnote")
	for _, i := range all {
		fmt.Fprintf(t, "%d\t%s\t%d\t%d\t%s\t%s\t%s\n", i.ID, i.State(now), i.UsesLeft, i.Uses, formatTime(i.CreatedAt), formatTime(i.ExpiresAt), i.Note)
	}
	return t.Flush()
}

// formatTime formats a time for a table: in UTC, to the second.
func formatTime(t time.Time) string { return t.UTC().Format(time.DateTime) }
