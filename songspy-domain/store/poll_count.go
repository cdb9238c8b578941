package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/quota"
)

// pollCountsRetention is how long the counts of polls are stored: Status shows a day.
const pollCountsRetention = 24 * time.Hour

// CountPolls adds polls, which are numbers by reason, to the counts of the current five
// minutes. It deletes counts that are older than pollCountsRetention, and counts of the
// future, which a process with a fast clock has written.
func (s *Store) CountPolls(ctx context.Context, polls map[string]int64) error {
	now := s.now()
	return s.inTx(ctx, func(tx *gorm.DB) error {
		for _, reason := range slices.Sorted(maps.Keys(polls)) { // in one order, so that two replicas do not deadlock
			if err := tx.Exec(`INSERT INTO poll_counts (bucket, reason, polls) VALUES (?, ?, ?)
				ON CONFLICT (bucket, reason) DO UPDATE SET polls = poll_counts.polls + excluded.polls`,
				quota.BucketOf(now), reason, polls[reason]).Error; err != nil {
				return err
			}
		}
		return tx.Exec(`DELETE FROM poll_counts WHERE bucket < ? OR bucket > ?`,
			quota.BucketOf(now.Add(-pollCountsRetention)), now.Add(songspy.ClockSkewMax)).Error
	})
}

// pollCounts returns the polls of the last 24 hours, by reason.
func (s *Store) pollCounts(ctx context.Context, now time.Time) (map[string]int64, error) {
	polls := map[string]int64{}
	err := queryRows(ctx, s.pool, scanCounts(polls), `SELECT reason, sum(polls) FROM poll_counts WHERE bucket >= $1 AND bucket <= $2 GROUP BY reason`,
		quota.BucketOf(now.Add(-pollCountsRetention)), now.Add(songspy.ClockSkewMax))
	return polls, translate(err)
}
