package jobs

import (
	"context"
	"log/slog"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Seats is where the line is kept.
type SeatAssigner interface {
	// GiveSeats gives what is free, first come first, and returns whose seat changed.
	AssignSeats(ctx context.Context, apps []songspy.AppSeats) ([]songspy.Seat, error)
}

// Job gives out what is free.
type SeatAssignment struct {
	Seats  SeatAssigner
	Apps   []songspy.AppSeats
	Logger *slog.Logger
}

// Run gives out what is free now.
func (j SeatAssignment) Run(ctx context.Context) error {
	changed, err := j.Seats.AssignSeats(ctx, j.Apps)
	for _, seat := range changed {
		j.Logger.InfoContext(ctx, "a seat has changed", "user_id", int64(seat.UserID), "state", string(seat.State), "app", seat.App)
	}
	return err
}
