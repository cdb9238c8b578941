package linking

import (
	"context"
	"strings"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Seats keeps who has asked for a seat in an app that admits only so many.
type Seats interface {
	// ChooseApp gives the app through which the person links, of those named with
	// their seats, and whether it is known to admit them: that of their link, if
	// it is among them, or one that they brought, if own; that of their seat; else
	// one with a free seat. Without one it is a conflict, SPOTIFY_NO_SEAT.
	ChooseApp(ctx context.Context, user songspy.UserID, apps []songspy.AppSeats, userApp bool) (app string, registered bool, err error)
	// Seat is what the person has asked for, and how many wait before them;
	// not_found, SPOTIFY_SEAT_NOT_ASKED, if they have not.
	Seat(ctx context.Context, user songspy.UserID) (seat songspy.Seat, ahead int64, err error)
	// AskSeat puts the person in line, or takes a new address of one who is there.
	AskSeat(ctx context.Context, user songspy.UserID, email songspy.Secret, apps []songspy.AppSeats) (songspy.Seat, error)
	// LeaveSeat is not_found, SPOTIFY_SEAT_NOT_ASKED, for who has not asked.
	LeaveSeat(ctx context.Context, user songspy.UserID) error
}

// Seat is how a person stands who has asked for a seat, and how many wait before them.
func (s *Service) Seat(ctx context.Context, user songspy.UserID) (songspy.Seat, int64, error) {
	return s.opts.Seats.Seat(ctx, user)
}

// AskSeat puts the person in line for a seat, with the address of their Spotify
// account, which the operator enters in the app's dashboard. Asking again
// replaces the address.
//
// It is a conflict, SPOTIFY_SEAT_NOT_NEEDED, where every app admits whoever comes.
func (s *Service) AskSeat(ctx context.Context, user songspy.UserID, email songspy.Secret) (songspy.Seat, int64, error) {
	apps := s.appSeats()
	if !songspy.HasSeatLimit(apps) {
		return songspy.Seat{}, 0, &songspy.Error{
			Code: songspy.CodeConflict, Reason: "SPOTIFY_SEAT_NOT_NEEDED", Message: "Nobody needs a seat here; link right away.",
		}
	}
	email = songspy.Secret(strings.TrimSpace(email.Reveal()))
	if !songspy.IsEmail(email) {
		return songspy.Seat{}, 0, &songspy.Error{Code: songspy.CodeInvalid, Message: "email is no address.", Err: InvalidAddress{}}
	}
	asked, err := s.opts.Seats.AskSeat(ctx, user, email, apps)
	if err != nil {
		return songspy.Seat{}, 0, err
	}
	seat, ahead, err := s.opts.Seats.Seat(ctx, user)
	if songspy.CodeOf(err) == songspy.CodeNotFound {
		return asked, 0, nil // given up, or linked, in another tab: it was so a moment ago
	}
	return seat, ahead, err
}

// LeaveSeat gives up what the person has asked for.
func (s *Service) LeaveSeat(ctx context.Context, user songspy.UserID) error {
	return s.opts.Seats.LeaveSeat(ctx, user)
}

// NoAddress says that the text is no e-mail address.
type InvalidAddress struct{}

// Error implements the error interface.
func (InvalidAddress) Error() string { return "no e-mail address" }

// Field names the field at fault.
func (InvalidAddress) Field() string { return "email" }
