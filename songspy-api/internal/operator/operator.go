// Package operator implements what an operator can do: assign seats in Spotify apps, answer
// reports, and hide or rename users. The routes for operators and the commands `songspy-api
// seats` and `songspy-api people` use it.
package operator

import (
	"context"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/sanitize"
	"github.com/songspy/songspy/songspy-domain/visibility"

	"github.com/songspy/songspy/songspy-api/internal/people"
)

// Store stores seats, reports and users.
type Store interface {
	// AssignSeats assigns the free seats in the order of the waiting list.
	AssignSeats(ctx context.Context, apps []songspy.AppSeats) ([]songspy.Seat, error)
	WaitingList(ctx context.Context, apps []songspy.AppSeats) (songspy.WaitingList, error)
	// EnterSeat stores that the operator has registered the user in the dashboard of their app.
	// It returns true if the user has a link through that app with a known Spotify account. A
	// link that the app had rejected is tried again at once.
	EnterSeat(ctx context.Context, id songspy.UserID) (linked bool, err error)
	// LeaveSeat deletes the user's seat or their request for one.
	LeaveSeat(ctx context.Context, id songspy.UserID) error
	// OpenReports returns up to limit open reports, sorted by id. Their ids are greater than the
	// argument after.
	OpenReports(ctx context.Context, after int64, limit int) ([]songspy.Report, error)
	CloseReport(ctx context.Context, id int64) error
	// SetHiddenByOperator and RenameByOperator also add an audit event with the detail, which
	// the user can read. If nick is nil, RenameByOperator removes the nickname.
	SetHiddenByOperator(ctx context.Context, id songspy.UserID, hidden bool, detail string) error
	RenameByOperator(ctx context.Context, id songspy.UserID, nick *string, detail string) error
	// HiddenByOperator returns up to limit users that an operator hides, sorted by public id.
	// Their public ids are greater than the argument after.
	HiddenByOperator(ctx context.Context, after songspy.PublicID, limit int) ([]songspy.HiddenPerson, error)
	// People returns the users with these ids. It leaves out ids of users who do not exist.
	People(ctx context.Context, ids []songspy.UserID) ([]songspy.Person, error)
	PersonByPublicID(ctx context.Context, id songspy.PublicID) (songspy.Person, error)
}

// Service makes the changes and answers the questions of operators.
type Service struct {
	store Store
	apps  []songspy.AppSeats
	now   func() time.Time
}

// New returns a Service. The argument apps has the Spotify apps of the instance.
func New(store Store, apps []songspy.AppSeats, now func() time.Time) *Service {
	return &Service{store, apps, now}
}

// WaitingList assigns the free seats, and returns all seats, the users who wait for one, and
// the linked users that the operator still has to register.
func (s *Service) WaitingList(ctx context.Context) (songspy.WaitingList, error) {
	if _, err := s.store.AssignSeats(ctx, s.apps); err != nil {
		return songspy.WaitingList{}, err
	}
	return s.store.WaitingList(ctx, s.apps)
}

// Seats are the lists of WaitingList, with the users' profiles.
type Seats struct {
	Apps []songspy.AppUse
	// ToRegister are the users who have a seat, but that the operator has not registered yet.
	// Rejected are the users whose link Spotify rejects because they are not registered; they
	// have requested no seat, so their address is not known. Entered are the users that the
	// operator has registered, and who can link now. Waiting are the users who have no seat yet.
	ToRegister, Rejected, Entered, Waiting []Seat
}

// Seat is one user in a list.
type Seat struct {
	User  visibility.Seen[songspy.User]
	App   string
	Email songspy.Secret // set only in ToRegister; empty if it cannot be decrypted
	Since time.Time
}

// Seats returns the lists of WaitingList, with the users' profiles.
func (s *Service) Seats(ctx context.Context) (seats Seats, err error) {
	w, err := s.WaitingList(ctx)
	if err != nil {
		return Seats{}, err
	}
	var ids []songspy.UserID
	for _, seat := range w.Seats {
		ids = append(ids, seat.UserID)
	}
	for _, r := range w.Unregistered {
		ids = append(ids, r.UserID)
	}
	profiles, err := s.profiles(ctx, ids)
	if err != nil {
		return Seats{}, err
	}
	add := func(list *[]Seat, user songspy.UserID, app string, email songspy.Secret, since time.Time) {
		if seen, ok := profiles[user]; ok {
			*list = append(*list, Seat{seen, app, email, since})
		}
	}
	seats.Apps, _ = w.AppUses(s.apps)
	for _, seat := range w.Seats {
		switch seat.State {
		case songspy.SeatHeld:
			add(&seats.ToRegister, seat.UserID, seat.App, seat.Email, seat.StateSince)
		case songspy.SeatEntered:
			add(&seats.Entered, seat.UserID, seat.App, "", seat.StateSince)
		case songspy.SeatWaiting:
			add(&seats.Waiting, seat.UserID, "", "", seat.AskedAt)
		}
	}
	for _, r := range w.Unregistered {
		add(&seats.Rejected, r.UserID, r.App, "", r.Since)
	}
	return seats, nil
}

// profiles returns the profiles of the users, by id. It leaves out users who do not exist.
func (s *Service) profiles(ctx context.Context, ids []songspy.UserID) (map[songspy.UserID]visibility.Seen[songspy.User], error) {
	slices.Sort(ids)
	found, err := s.store.People(ctx, slices.Compact(ids))
	seen := make(map[songspy.UserID]visibility.Seen[songspy.User], len(found))
	for i := range found {
		user := &found[i].User
		if profile, ok := visibility.Reveal(user, user.ID, found[i].Rule, visibility.Profile(), visibility.Operator(), s.now()); ok {
			seen[user.ID] = profile
		}
	}
	return seen, err
}

// UserID returns the id of the user with the handle (public id). It returns CodeNotFound if
// there is none.
func (s *Service) UserID(ctx context.Context, handle string) (songspy.UserID, error) {
	id, _ := songspy.ParseHandle(handle) // 0, which no user has, if the handle is not valid
	p, err := s.store.PersonByPublicID(ctx, id)
	return p.User.ID, err
}

// EnterSeat marks the user as registered in the dashboard of their app. It returns true if the
// user has a link through that app with a known Spotify account; a link that the app had
// rejected is now tried again. Otherwise the user can link now, and the batch soon completes a
// pending grant (a link whose account is unknown).
func (s *Service) EnterSeat(ctx context.Context, user songspy.UserID) (retried bool, err error) {
	if retried, err = s.store.EnterSeat(ctx, user); err != nil {
		return false, err
	}
	_, err = s.store.AssignSeats(ctx, s.apps)
	return retried, err
}

// DropSeat deletes the user's seat or their place in the waiting list, and assigns the seats
// that are free now.
func (s *Service) DropSeat(ctx context.Context, user songspy.UserID) error {
	if err := s.store.LeaveSeat(ctx, user); err != nil {
		return err
	}
	_, err := s.store.AssignSeats(ctx, s.apps)
	return err
}

// Report is an open report with the profile of the reported user.
type Report struct {
	songspy.Report
	User visibility.Seen[songspy.User]
	// IsHidden reports whether an operator hides the user already.
	IsHidden bool
}

// Reports returns up to limit open reports, sorted by id. Their ids are greater than the
// argument after. Reports leaves out reports about users who were erased meanwhile. The result
// next is the id of the last report that was read if more may follow, else 0.
func (s *Service) Reports(ctx context.Context, after int64, limit int) (reports []Report, next int64, err error) {
	open, err := s.store.OpenReports(ctx, after, limit)
	if err != nil {
		return nil, 0, err
	}
	ids := make([]songspy.UserID, len(open))
	for i, r := range open {
		ids[i] = r.UserID
	}
	profiles, err := s.profiles(ctx, ids)
	if err != nil {
		return nil, 0, err
	}
	for _, r := range open {
		if seen, ok := profiles[r.UserID]; ok { // else the user was erased meanwhile
			reports = append(reports, Report{r, seen, seen.Value().HiddenByOperator})
		}
	}
	if len(open) == limit {
		next = open[limit-1].ID
	}
	return reports, next, nil
}

// Hidden is a user that an operator hides.
type Hidden struct {
	User visibility.Seen[songspy.User]
	// Since is when an operator hid the user, and Detail is the reason. Since is nil and Detail
	// is empty if the audit log no longer has the event.
	Since  *time.Time
	Detail string
}

// Hidden returns up to limit users that an operator hides, sorted by public id. Their public ids
// are greater than the argument after.
func (s *Service) Hidden(ctx context.Context, after songspy.PublicID, limit int) (hidden []Hidden, err error) {
	found, err := s.store.HiddenByOperator(ctx, after, limit)
	for i := range found {
		h := &found[i]
		if seen, ok := visibility.Reveal(&h.Person.User, h.Person.User.ID, h.Person.Rule, visibility.Profile(), visibility.Operator(), s.now()); ok {
			hidden = append(hidden, Hidden{seen, h.Since, h.Detail})
		}
	}
	return hidden, err
}

// HideReported hides the user that an open report is about from all others, and closes the
// report. The user can read the detail in their audit events. HideReported returns CodeNotFound
// if the report is not open.
func (s *Service) HideReported(ctx context.Context, report int64, detail string) error {
	return s.handle(ctx, report, func(user songspy.UserID) error { return s.SetHidden(ctx, user, true, detail) })
}

// RenameReported does the same as HideReported, but it renames the user instead of hiding
// them. An empty nickname removes the user's nickname.
func (s *Service) RenameReported(ctx context.Context, report int64, nickName, detail string) error {
	return s.handle(ctx, report, func(user songspy.UserID) error {
		_, err := s.Rename(ctx, user, nickName, detail)
		return err
	})
}

// Dismiss closes a report without another act. It returns CodeNotFound if the report is not
// open.
func (s *Service) Dismiss(ctx context.Context, report int64) error {
	return s.store.CloseReport(ctx, report)
}

// handle calls the function act with the user that an open report is about. If act succeeds,
// handle closes the report. It returns CodeNotFound if the report is not open.
func (s *Service) handle(ctx context.Context, id int64, act func(songspy.UserID) error) error {
	reports, err := s.store.OpenReports(ctx, id-1, 1)
	if err != nil {
		return err
	}
	if len(reports) == 0 || reports[0].ID != id {
		return &songspy.Error{Code: songspy.CodeNotFound}
	}
	if err := act(reports[0].UserID); err != nil {
		return err
	}
	return s.store.CloseReport(ctx, id)
}

// SetHidden hides the user from all others, or shows the user again if hidden is false.
func (s *Service) SetHidden(ctx context.Context, user songspy.UserID, hidden bool, detail string) error {
	return s.store.SetHiddenByOperator(ctx, user, hidden, sanitize.Line(detail))
}

// Rename gives the user another nickname, and returns the stored nickname. An empty nickName
// removes the nickname. Rename returns NICKNAME_INVALID for a nickname that users may not have.
func (s *Service) Rename(ctx context.Context, user songspy.UserID, nickName, detail string) (string, error) {
	if nickName == "" {
		return "", s.store.RenameByOperator(ctx, user, nil, sanitize.Line(detail))
	}
	name, err := people.NickName(nickName)
	if err != nil {
		return "", err
	}
	return name, s.store.RenameByOperator(ctx, user, &name, sanitize.Line(detail))
}
