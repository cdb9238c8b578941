package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"

	"github.com/songspy/songspy/songspy-api/internal/operator"
)

type peopleCommand struct {
	List    peopleListCommand    `cmd:"" default:"1" help:"Print all users. This is the default."`
	Show    peopleShowCommand    `cmd:"" help:"Print one user and their audit log."`
	Hide    peopleHideCommand    `cmd:"" help:"Hide a user from all others."`
	Unhide  peopleUnhideCommand  `cmd:"" help:"Show a hidden user again."`
	Rename  peopleRenameCommand  `cmd:"" help:"Change or remove a user's nickname."`
	Reports peopleReportsCommand `cmd:"" help:"Print the open reports."`
	Close   peopleCloseCommand   `cmd:"" help:"Close a report."`
}

// peoplePerRead is how many users, reports or audit events one query reads.
const peoplePerRead = 500

type peopleListCommand struct{}

func (peopleListCommand) Run(ctx context.Context, p *program) error {
	return p.withCheckedStore(ctx, func(_ settings, db *store.Store) error {
		t := newPeopleTable(p.stdout)
		for after := songspy.UserID(0); ; {
			page, err := db.AllPeople(ctx, after, peoplePerRead)
			if err != nil {
				return err
			}
			for _, person := range page {
				t.print(person)
				after = person.User.ID
			}
			if len(page) < peoplePerRead {
				return t.Flush()
			}
		}
	})
}

// peopleTable prints users as the rows of a table.
type peopleTable struct{ *tabwriter.Writer }

func newPeopleTable(out io.Writer) peopleTable {
	t := peopleTable{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	fmt.Fprintln(t, "handle\tnickname\tsigned up\tnow\thistory\tfindable\thidden by operator")
	return t
}

func (t peopleTable) print(p songspy.Person) {
	present := p.Rule.Present()
	fmt.Fprintf(t, "%s\t%q\t%s\t%s\t%s\t%t\t%t\n", songspy.Handle(p.User.PublicID), p.User.PublicName(), formatMinute(p.User.CreatedAt),
		present.Now, present.History, present.Findable, p.User.HiddenByOperator)
}

// handleArgument is the handle (public id) of a user, as `songspy-api people` prints it.
type handleArgument songspy.PublicID

// UnmarshalText parses the handle; Kong calls it.
func (h *handleArgument) UnmarshalText(text []byte) error {
	id, ok := songspy.ParseHandle(string(text))
	if !ok {
		return fmt.Errorf("%q is not the handle of a user; `songspy-api people` prints them", text)
	}
	*h = handleArgument(id)
	return nil
}

// withPerson calls the function act with the user of the handle.
func withPerson(ctx context.Context, p *program, handle handleArgument, act func(*store.Store, songspy.Person) error) error {
	return p.withCheckedStore(ctx, func(_ settings, db *store.Store) error {
		person, err := db.PersonByPublicID(ctx, songspy.PublicID(handle))
		if err != nil {
			return withRemedy(err, "User %s does not exist; `songspy-api people` prints all.", songspy.Handle(songspy.PublicID(handle)))
		}
		return act(db, person)
	})
}

type peopleShowCommand struct {
	User handleArgument `arg:"" help:"The user's handle in the list."`
}

func (c peopleShowCommand) Run(ctx context.Context, p *program) error {
	return withPerson(ctx, p, c.User, func(db *store.Store, person songspy.Person) error {
		t := newPeopleTable(p.stdout)
		t.print(person)
		events, err := db.AuditEvents(ctx, person.User.ID, 0, peoplePerRead)
		if err != nil {
			return err
		}
		fmt.Fprintln(t, "\nat\tevent\tby\tdetail")
		for _, e := range events {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", formatMinute(e.At), e.Kind, e.Actor, e.Detail)
		}
		return t.Flush()
	})
}

type peopleHideCommand struct {
	User   handleArgument `arg:"" help:"The user's handle in the list."`
	Reason string         `help:"The reason, which the user can read in their audit log."`
}

func (c peopleHideCommand) Run(ctx context.Context, p *program) error {
	return setHidden(ctx, p, c.User, true, c.Reason)
}

type peopleUnhideCommand peopleHideCommand

func (c peopleUnhideCommand) Run(ctx context.Context, p *program) error {
	return setHidden(ctx, p, c.User, false, c.Reason)
}

func setHidden(ctx context.Context, p *program, handle handleArgument, hidden bool, reason string) error {
	return withPerson(ctx, p, handle, func(db *store.Store, person songspy.Person) error {
		if err := operator.New(db, nil, time.Now).SetHidden(ctx, person.User.ID, hidden, reason); err != nil {
			return err
		}
		state := "no longer hidden by the operator"
		if hidden {
			state = "hidden from all others"
		}
		_, err := fmt.Fprintf(p.stdout, "User %s is %s.\n", songspy.Handle(person.User.PublicID), state)
		return err
	})
}

type peopleRenameCommand struct {
	User     handleArgument `arg:"" help:"The user's handle in the list."`
	NickName string         `arg:"" optional:"" help:"The new nickname. Without it, the nickname is removed."`
	Reason   string         `help:"The reason, which the user can read in their audit log."`
}

func (c peopleRenameCommand) Run(ctx context.Context, p *program) error {
	return withPerson(ctx, p, c.User, func(db *store.Store, person songspy.Person) error {
		name, err := operator.New(db, nil, time.Now).Rename(ctx, person.User.ID, c.NickName, c.Reason)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.stdout, "User %s has the nickname %q.\n", songspy.Handle(person.User.PublicID), name)
		return err
	})
}

type peopleReportsCommand struct{}

func (peopleReportsCommand) Run(ctx context.Context, p *program) error {
	return p.withCheckedStore(ctx, func(_ settings, db *store.Store) error {
		t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		service := operator.New(db, nil, time.Now)
		fmt.Fprintln(t, "report\thandle\tnickname\treason\tat\ttext")
		for after := int64(0); ; {
			reports, next, err := service.Reports(ctx, after, peoplePerRead)
			if err != nil {
				return err
			}
			for _, r := range reports {
				u := r.User.Value()
				fmt.Fprintf(t, "%d\t%s\t%q\t%s\t%s\t%q\n", r.ID, songspy.Handle(u.PublicID), u.PublicName(), r.Reason, formatMinute(r.At), r.Text)
			}
			if after = next; after == 0 {
				return t.Flush()
			}
		}
	})
}

type peopleCloseCommand struct {
	Report int64 `arg:"" help:"The report's number in the list of reports."`
}

func (c peopleCloseCommand) Run(ctx context.Context, p *program) error {
	return p.withCheckedStore(ctx, func(_ settings, db *store.Store) error {
		if err := db.CloseReport(ctx, c.Report); err != nil {
			return withRemedy(err, "Report %d is not open; `songspy-api people reports` prints all that are.", c.Report)
		}
		_, err := fmt.Fprintf(p.stdout, "Report %d is closed.\n", c.Report)
		return err
	})
}
