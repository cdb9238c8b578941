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

// pollCountsRetention is how long the counts of polls are stored, because Status shows the
// polls of the last 24 hours.
const pollCountsRetention = 24 * time.Hour

// CountPolls adds the given numbers of polls to the counts of the current bucket (five
// minutes). The keys of the map are the reasons of the polls. CountPolls also deletes buckets
// that are older than pollCountsRetention, and buckets that are more than ClockSkewMax in
// the future, which a process with a fast clock has written.
func (s *Store) CountPolls(ctx context.Context, polls map[string]int64) error {
	now := s.now()
	return s.inTx(ctx, func(tx *gorm.DB) error {
		for _, reason := range slices.Sorted(maps.Keys(polls)) { // sorted, so that two replicas lock the rows in the same order and cannot deadlock
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
