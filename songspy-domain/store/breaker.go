package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
)

// Door is what is kept of an app's doors; the zero Kept if nothing is.
func (s *Store) Breakers(ctx context.Context, app string) (stored breaker.Stored, err error) {
	var state []byte
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) error { return rows.Scan(&stored.Version, &state) },
		`SELECT version, state FROM breakers WHERE app = $1`, app)
	if err == nil && state != nil {
		if err = json.Unmarshal(state, &stored.Shared); err != nil {
			return breaker.Stored{}, translate(fmt.Errorf("the state of a door: %w", err))
		}
	}
	return stored, translate(err)
}

// SwapDoor replaces what is kept of an app's doors, if it is still of that
// version (0: nothing is kept yet). It reports false if another process was faster.
func (s *Store) SwapBreakers(ctx context.Context, app string, version int64, to breaker.SharedBreakers) (replaced bool, err error) {
	state, err := json.Marshal(to)
	if err != nil {
		return false, err
	}
	statement := `UPDATE breakers SET version = version + 1, state = ?, updated_at = ? WHERE app = ? AND version = ?`
	args := []any{string(state), s.now(), app, version}
	if version == 0 {
		statement = `INSERT INTO breakers (state, updated_at, app, version) VALUES (?, ?, ?, ? + 1) ON CONFLICT (app) DO NOTHING`
	}
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		done := tx.Exec(statement, args...)
		replaced = done.RowsAffected == 1
		return done.Error
	})
	return replaced && err == nil, err
}

// PruneDoors forgets the doors of apps that people brought through which nobody
// is linked, if nothing has happened to them since the time: whoever tries to
// link names an app as they like. It says how many. The calls that were counted
// of such an app are forgotten alike, by their day.
func (s *Store) PruneBreakers(ctx context.Context, before time.Time) (pruned int64, err error) {
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		done := tx.Exec(`DELETE FROM breakers WHERE app LIKE ? AND updated_at < ?
			AND NOT EXISTS (SELECT 1 FROM spotify_links l WHERE l.app = breakers.app)`, songspy.UserApp("%"), before)
		pruned = done.RowsAffected
		if done.Error != nil {
			return done.Error
		}
		for _, statement := range []string{
			`DELETE FROM quota_refusals WHERE account LIKE ? AND refused_at < ?
				AND NOT EXISTS (SELECT 1 FROM spotify_links l WHERE l.app = quota_refusals.account)`,
			`DELETE FROM quota_calls WHERE account LIKE ? AND bucket < ?
				AND NOT EXISTS (SELECT 1 FROM spotify_links l WHERE l.app = quota_calls.account)`,
		} {
			if err := tx.Exec(statement, songspy.UserApp("%"), before).Error; err != nil {
				return err
			}
		}
		return nil
	})
	return pruned, err
}
