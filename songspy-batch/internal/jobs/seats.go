package jobs

import (
	"context"
	"log/slog"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

// SeatAssigner assigns seats to the users who wait for one. A seat is a place
// in a Spotify app in development mode, which admits few users.
type SeatAssigner interface {
	// AssignSeats assigns the free seats in the apps to waiting users, in the
	// order of their requests, and returns the seats that changed.
	AssignSeats(ctx context.Context, apps []songspy.AppSeats) ([]songspy.Seat, error)
}

// SeatAssignment assigns free seats to waiting users.
type SeatAssignment struct {
	Seats  SeatAssigner
	Apps   []songspy.AppSeats
	Logger *slog.Logger
}

// Run assigns the free seats in Spotify apps to waiting users, and logs each
// seat that has changed.
func (j SeatAssignment) Run(ctx context.Context) error {
	changed, err := j.Seats.AssignSeats(ctx, j.Apps)
	for _, seat := range changed {
		j.Logger.InfoContext(ctx, "a seat has changed", logkey.UserID, int64(seat.UserID), "state", string(seat.State), logkey.App, seat.App)
	}
	return err
}
