package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/sanitize"
	"github.com/songspy/songspy/songspy-domain/store"

	"github.com/songspy/songspy/songspy-api/internal/auth"
)

const (
	// invitesShown is how many invites the desk lists at most.
	invitesListedMax = 1000
	// An invite admits at most so many people, in so many days. Whoever wants more opens the door.
	inviteUsesMax = 10_000
	inviteDaysMax = 366
	// inviteNoteMax is the longest note, in bytes.
	inviteNoteMax = 200
)

// invite is the desk at which an operator makes invites, lists them and takes
// them back.
func invite(ctx context.Context, s settings, args []string, out io.Writer) error {
	switch {
	case len(args) == 1 && args[0] == "list":
		return withCheckedStore(ctx, s, func(db *store.Store) error {
			all, err := db.Invites(ctx, invitesListedMax)
			if err != nil {
				return err
			}
			return printInvites(all, time.Now(), out)
		})
	case len(args) == 2 && args[0] == "revoke":
		id, err := strconv.ParseInt(args[1], 10, 64)
		if err != nil || id <= 0 {
			return &songspy.Error{Code: songspy.CodeInvalid, Message: fmt.Sprintf("%q is no invite's number; `songspy-api invite list` lists them.", args[1])}
		}
		return withCheckedStore(ctx, s, func(db *store.Store) error { return revokeInvite(ctx, db, id, out) })
	}
	requested, err := parseInviteArgs(args, time.Now())
	if err != nil {
		return err
	}
	return withCheckedStore(ctx, s, func(db *store.Store) error { return createInvite(ctx, db, s, requested, out) })
}

// readInvite reads what is to be made.
func parseInviteArgs(args []string, now time.Time) (songspy.Invite, error) {
	var i songspy.Invite
	f := flag.NewFlagSet("invite", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.IntVar(&i.Uses, "uses", 1, "")
	days := f.Int("days", 14, "")
	f.StringVar(&i.Note, "note", "", "")
	if err := f.Parse(args); err != nil || f.NArg() > 0 ||
		i.Uses < 1 || i.Uses > inviteUsesMax || *days < 1 || *days > inviteDaysMax || len(i.Note) > inviteNoteMax {
		return songspy.Invite{}, &songspy.Error{Code: songspy.CodeInvalid, Message: fmt.Sprintf("Call it as `songspy-api invite [-uses N] [-days D] [-note TEXT]`, with 1 to %d uses, 1 to %d days and at most %d bytes of text; or as `songspy-api invite list` or `songspy-api invite revoke ID`.",
			inviteUsesMax, inviteDaysMax, inviteNoteMax)}
	}
	i.Note = sanitize.Line(i.Note)
	i.ExpiresAt = now.AddDate(0, 0, *days)
	return i, nil
}

// makeInvite shows the code, this once.
func createInvite(ctx context.Context, db *store.Store, s settings, requested songspy.Invite, out io.Writer) error {
	code, hash := auth.NewInviteCode()
	requested.CodeHash = hash
	i, err := db.CreateInvite(ctx, requested)
	if err != nil {
		return err
	}
	users := "1 person"
	if i.Uses > 1 {
		users = fmt.Sprint(i.Uses, " people")
	}
	fmt.Fprintf(out, `%s

Invite %d admits %s until %s UTC. Its code is kept nowhere: note it now.
Whoever signs up types it where the frontend asks for it, in any case, with or without dashes.
A frontend sends it as "invite" beside "accessToken" to POST %s/v1/songspy/google-auth.
`, code.Reveal(), i.ID, users, formatTime(i.ExpiresAt), s.PublicURL)
	if s.SignUp != string(auth.PolicyInvite) {
		fmt.Fprintf(out, "SONGSPY_SIGN_UP is %s, so that no invite is looked at; set it to invite.\n", s.SignUp)
	}
	return nil
}

func revokeInvite(ctx context.Context, db *store.Store, id int64, out io.Writer) error {
	i, err := db.RevokeInvite(ctx, id)
	switch {
	case songspy.CodeOf(err) == songspy.CodeNotFound:
		return &songspy.Error{Code: songspy.CodeNotFound, Message: fmt.Sprintf("There is no invite %d; `songspy-api invite list` lists them.", id)}
	case err != nil:
		return err
	}
	fmt.Fprintf(out, "Invite %d admits nobody any more; whom it has admitted stay.\n", i.ID)
	return nil
}

func printInvites(all []songspy.Invite, now time.Time, out io.Writer) error {
	if len(all) == 0 {
		fmt.Fprintln(out, "There is no invite; `songspy-api invite` makes one.")
		return nil
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "id\tstate\tleft\tof\tmade\tuntil\tnote")
	for _, i := range all {
		fmt.Fprintf(t, "%d\t%s\t%d\t%d\t%s\t%s\t%s\n", i.ID, i.State(now), i.UsesLeft, i.Uses, formatTime(i.CreatedAt), formatTime(i.ExpiresAt), i.Note)
	}
	return t.Flush()
}

// written is a time as the desks write it.
func formatTime(t time.Time) string { return t.UTC().Format(time.DateTime) }
