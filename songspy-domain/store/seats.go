package store

import (
	"context"
	"database/sql"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Seat is one person's place in a Spotify app.
type Seat struct {
	App   string
	User  songspy.UserID
	State songspy.LinkState
	// Since is when the state was entered.
	Since time.Time
}

// Seats lists who has a place in which app, by app and person, up to limit of
// those who are not registered there, and counts all by app.
func (s *Store) Seats(ctx context.Context, limit int) (unregistered []Seat, taken map[string]int64, err error) {
	taken = map[string]int64{}
	if err := queryRows(ctx, s.pool, counted(taken), `SELECT app, count(*) FROM spotify_links GROUP BY app`); err != nil {
		return nil, nil, translate(err)
	}
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) error {
		var seat Seat
		err := rows.Scan(&seat.App, (*int64)(&seat.User), &seat.State, &seat.Since)
		unregistered = append(unregistered, seat)
		return err
	}, `SELECT app, user_id, state, state_since FROM spotify_links WHERE state = 'not_registered' ORDER BY app, state_since, user_id LIMIT $1`, limit)
	return unregistered, taken, translate(err)
}
