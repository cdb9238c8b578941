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

// Breakers returns the stored state of the circuit breakers of a Spotify app, or the
// zero Stored if none is stored.
func (s *Store) Breakers(ctx context.Context, app string) (stored breaker.Stored, err error) {
	var state []byte
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) error { return rows.Scan(&stored.Version, &state) },
		`SELECT version, state FROM breakers WHERE app = $1`, app)
	if err == nil && state != nil {
		if err = json.Unmarshal(state, &stored.Shared); err != nil {
			return breaker.Stored{}, translate(fmt.Errorf("parsing the stored circuit breakers: %w", err))
		}
	}
	return stored, translate(err)
}

// SwapBreakers replaces the stored circuit breakers of an app by the argument to, if the
// stored version is still the given version. Version 0 means that none are stored yet.
// replaced is false if another process has stored other circuit breakers in the meantime.
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
		return affectedOne(tx.Exec(statement, args...), &replaced)
	})
	return replaced && err == nil, err
}

// PruneBreakers deletes the circuit breakers of user-supplied apps through which no user
// is linked, if they last changed before the given time. Otherwise such rows would
// accumulate, because anybody who tries to link Spotify can name any app. It also deletes
// the call counts, batch numbers and quota refusals (answers that the quota is exceeded) of
// such apps from before that time. It returns the number of apps whose circuit breakers it
// deleted.
func (s *Store) PruneBreakers(ctx context.Context, before time.Time) (pruned int64, err error) {
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		if err := affectedRows(tx.Exec(`DELETE FROM breakers WHERE app LIKE ? AND updated_at < ?
			AND NOT EXISTS (SELECT 1 FROM spotify_links l WHERE l.app = breakers.app)`, songspy.UserApp("%"), before), &pruned); err != nil {
			return err
		}
		for _, statement := range []string{
			`DELETE FROM quota_refusals WHERE account LIKE ? AND refused_at < ?
				AND NOT EXISTS (SELECT 1 FROM spotify_links l WHERE l.app = quota_refusals.account)`,
			`DELETE FROM quota_calls WHERE account LIKE ? AND bucket < ?
				AND NOT EXISTS (SELECT 1 FROM spotify_links l WHERE l.app = quota_calls.account)`,
			`DELETE FROM quota_batches WHERE account LIKE ? AND counted_at < ?
				AND NOT EXISTS (SELECT 1 FROM spotify_links l WHERE l.app = quota_batches.account)`,
		} {
			if err := tx.Exec(statement, songspy.UserApp("%"), before).Error; err != nil {
				return err
			}
		}
		return nil
	})
	return pruned, err
}
