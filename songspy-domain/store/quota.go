package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/quota"
)

const (
	// callsRetention is how long the counts of calls to Spotify are stored.
	callsRetention = 31 * 24 * time.Hour
	// refusalsRetention is how long the store keeps quota refusals: answers of Spotify that
	// say that the quota of calls is exceeded. An older refusal no longer limits anything,
	// because after that time the number of planned calls has grown to a multiple of the
	// quota that was learned from the refusal.
	refusalsRetention = 180 * 24 * time.Hour
)

// CountCalls adds calls to the stored counts of a developer account. A bucket with a
// negative number subtracts calls, but no stored count falls below 0. CountCalls returns all
// stored buckets (five minutes each) of the account that begin at the time since or later.
// If the given batch, or a later one of the same process, was added before, CountCalls adds
// nothing and only returns the buckets. If reading the buckets fails, the addition is rolled
// back. The first write to a bucket also deletes the account's buckets and batch numbers
// that are older than callsRetention.
func (s *Store) CountCalls(ctx context.Context, account string, batch quota.Batch, calls []quota.Bucket, since time.Time) (all []quota.Bucket, err error) {
	read := func(conn gorm.ConnPool) error {
		all = nil
		return queryRows(ctx, conn, func(rows *sql.Rows) error {
			var b quota.Bucket
			err := rows.Scan(&b.At, &b.Endpoint, &b.Calls)
			b.At = b.At.UTC()
			all = append(all, b)
			return err
		}, `SELECT bucket, endpoint, calls FROM quota_calls WHERE account = $1 AND bucket >= $2 ORDER BY bucket, endpoint`, account, since)
	}
	if len(calls) == 0 {
		return all, translate(read(s.pool))
	}
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		if fresh, err := freshBatch(tx, account, batch, s.now()); err != nil || !fresh {
			return cmp.Or(err, read(tx.Statement.ConnPool))
		}
		first := false
		for _, b := range calls {
			var sum int64
			if b.Calls < 0 {
				if err := tx.Exec(`UPDATE quota_calls SET calls = CASE WHEN calls > ? THEN calls - ? ELSE 0 END WHERE account = ? AND bucket = ? AND endpoint = ?`,
					-b.Calls, -b.Calls, account, b.At, string(b.Endpoint)).Error; err != nil {
					return err
				}
				continue
			}
			if err := tx.Raw(`INSERT INTO quota_calls (account, bucket, endpoint, calls) VALUES (?, ?, ?, ?)
				ON CONFLICT (account, bucket, endpoint) DO UPDATE SET calls = quota_calls.calls + excluded.calls RETURNING calls`,
				account, b.At, string(b.Endpoint), b.Calls).Scan(&sum).Error; err != nil {
				return err
			}
			first = first || sum == b.Calls
		}
		if first {
			if err := tx.Exec(`DELETE FROM quota_calls WHERE account = ? AND bucket < ?`, account, calls[0].At.Add(-callsRetention)).Error; err != nil {
				return err
			}
			if err := tx.Exec(`DELETE FROM quota_batches WHERE account = ? AND counted_at < ?`, account, s.now().Add(-callsRetention)).Error; err != nil {
				return err
			}
		}
		return read(tx.Statement.ConnPool)
	})
	return all, err
}

// freshBatch reports whether the caller must add the batch of call counts b to the account.
// If so, it stores the number of b. It returns false if b, or a later batch of the same
// process, was added before. For the zero Batch it always returns true and stores nothing.
func freshBatch(tx *gorm.DB, account string, b quota.Batch, now time.Time) (bool, error) {
	if b == (quota.Batch{}) {
		return true, nil
	}
	entered := tx.Exec(`INSERT INTO quota_batches (account, process, number, counted_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (account, process) DO UPDATE SET number = excluded.number, counted_at = excluded.counted_at
		WHERE quota_batches.number < excluded.number`, account, b.Process, b.Number, now)
	return entered.RowsAffected == 1, entered.Error
}

// CountedSince returns the start of the oldest stored bucket of calls of a developer
// account, or the zero time if there is none.
func (s *Store) CountedSince(ctx context.Context, account string) (since time.Time, err error) {
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) error { return rows.Scan(&since) },
		`SELECT bucket FROM quota_calls WHERE account = $1 ORDER BY bucket LIMIT 1`, account)
	return since, translate(err)
}

// SaveRefusal stores an answer of Spotify that a developer account has exceeded
// its quota of calls. If a refusal with the same time is stored already, nothing
// is added. It also deletes refusals that are older than refusalsRetention.
func (s *Store) SaveRefusal(ctx context.Context, account string, r quota.Refusal) error {
	calls, err := json.Marshal(r.Calls)
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(tx *gorm.DB) error {
		if err := tx.Exec(`INSERT INTO quota_refusals (account, refused_at, endpoint, calls, retry_after_ms, quota) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (account, refused_at) DO NOTHING`,
			account, dbTime(r.At), string(r.Endpoint), string(calls), r.RetryAfterMS, r.Quota).Error; err != nil {
			return err
		}
		return tx.Exec(`DELETE FROM quota_refusals WHERE account = ? AND refused_at < ?`,
			account, songspy.CapAtNow(r.At, s.now()).Add(-refusalsRetention)).Error
	})
}

// LastRefusal returns the last quota refusal from which the quota of a developer account
// was learned, or the zero Refusal if there is none. A process whose clock was ahead may
// have stored refusals in the future. LastRefusal changes the stored times of these to now,
// so that they grow older, and so that later refusals count as the last one.
func (s *Store) LastRefusal(ctx context.Context, account string) (quota.Refusal, error) {
	now := s.now()
	r, err := s.lastRefusal(ctx, account)
	if err != nil || !songspy.IsAheadOfClock(r.At, now) {
		return r, err
	}
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		var ahead []time.Time
		if err := tx.Raw(`SELECT refused_at FROM quota_refusals WHERE account = ? AND refused_at > ? ORDER BY refused_at DESC`,
			account, now.Add(songspy.ClockSkewMax)).Scan(&ahead).Error; err != nil {
			return err
		}
		for i, at := range ahead { // the newest first; each gets a time a millisecond earlier, so that they keep their order
			corrected := dbTime(now.Add(-time.Duration(i) * time.Millisecond))
			if err := tx.Exec(`DELETE FROM quota_refusals WHERE account = ? AND refused_at = ?`, account, corrected).Error; err != nil {
				return err
			}
			if err := tx.Exec(`UPDATE quota_refusals SET refused_at = ? WHERE account = ? AND refused_at = ?`, corrected, account, at).Error; err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return quota.Refusal{}, err
	}
	return s.lastRefusal(ctx, account)
}

func (s *Store) lastRefusal(ctx context.Context, account string) (r quota.Refusal, err error) {
	err = queryRows(ctx, s.pool, scanRefusal(&r),
		`SELECT refused_at, endpoint, calls, retry_after_ms, quota FROM quota_refusals WHERE account = $1 AND quota > 0 ORDER BY refused_at DESC LIMIT 1`, account)
	return r, translate(err)
}

// scanRefusal returns a function that scans a row of quota_refusals into r. The parameter
// before holds the destinations of the columns that the query selects before those of the
// refusal.
func scanRefusal(r *quota.Refusal, before ...any) func(*sql.Rows) error {
	return func(rows *sql.Rows) error {
		var calls []byte
		if err := rows.Scan(append(before, &r.At, &r.Endpoint, &calls, &r.RetryAfterMS, &r.Quota)...); err != nil {
			return err
		}
		r.At, r.Calls = r.At.UTC(), nil
		if err := json.Unmarshal(calls, &r.Calls); err != nil {
			return fmt.Errorf("parsing the calls before a refusal: %w", err)
		}
		return nil
	}
}

// QuotaStatus says how many calls to Spotify a developer account has made, and
// how often Spotify has refused one because of the quota.
type QuotaStatus struct {
	// Calls counts the calls of the last 24 hours, by endpoint.
	Calls quota.Counts `json:"calls"`
	// Refusals counts how often Spotify reported an exceeded quota in the last seven
	// days. Refused probes (test calls) are not counted. LastRefusal is the newest stored
	// refusal of a call that was not a probe. It is nil if there is none.
	Refusals    int64          `json:"refusals"`
	LastRefusal *quota.Refusal `json:"last"`
}

// quotaStatus reads the QuotaStatus of each developer account that owns an app
// of the operator.
func (s *Store) quotaStatus(ctx context.Context, now time.Time) (map[string]QuotaStatus, error) {
	all := map[string]QuotaStatus{}
	enter := func(account string, change func(*QuotaStatus)) {
		if _, isUserApp := songspy.UserAppClientID(account); isUserApp {
			return // left out, because the name of a user-supplied app identifies its user
		}
		its, known := all[account]
		if !known {
			its.Calls = quota.Counts{}
		}
		change(&its)
		all[account] = its
	}
	err := queryRows(ctx, s.pool, func(rows *sql.Rows) error {
		var account string
		var endpoint quota.Endpoint
		var calls int64
		err := rows.Scan(&account, &endpoint, &calls)
		enter(account, func(q *QuotaStatus) { q.Calls[endpoint] += calls })
		return err
	}, `SELECT account, endpoint, sum(calls) FROM quota_calls WHERE bucket >= $1 GROUP BY account, endpoint`, quota.BucketOf(now.Add(-quota.Window)))
	if err != nil {
		return nil, translate(err)
	}
	var account string
	var r quota.Refusal
	scan := scanRefusal(&r, &account)
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) error {
		if err := scan(rows); err != nil {
			return err
		}
		enter(account, func(q *QuotaStatus) {
			last := r
			last.At = songspy.CapAtNow(last.At, now)
			q.LastRefusal = &last // the rows are sorted by time, so the newest remains
			if now.Sub(r.At) < 7*24*time.Hour {
				q.Refusals++
			}
		})
		return nil
	}, `SELECT account, refused_at, endpoint, calls, retry_after_ms, quota FROM quota_refusals WHERE quota > 0 ORDER BY refused_at`)
	return all, translate(err)
}
