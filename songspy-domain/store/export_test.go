package store

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// InsertGaps inserts gaps as a rowset, by insertGaps, which the store uses.
func (s *Store) InsertGaps(ctx context.Context, gaps []songspy.Gap) error {
	return s.inTx(ctx, func(tx *gorm.DB) error { return s.insertGaps(ctx, tx.Statement.ConnPool, gaps) })
}

// InsertGapsWithGORM inserts gaps by GORM's CreateInBatches. BenchmarkInsert compares it with
// InsertGaps.
func (s *Store) InsertGapsWithGORM(ctx context.Context, gaps []songspy.Gap) error {
	return s.inTx(ctx, func(tx *gorm.DB) error {
		return tx.Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(gaps, len(gaps)).Error
	})
}

// ChangesWithGORM does what Changes does, by GORM's Find. BenchmarkRead compares the two.
func (s *Store) ChangesWithGORM(ctx context.Context, after int64, limit int) (changes []songspy.Change, err error) {
	err = s.query(ctx).Where("number > ?", after).Order("number").Limit(limit).Find(&changes).Error
	return changes, err
}

// IsolationLevel returns the isolation level that the database reports within a transaction of the store.
func (s *Store) IsolationLevel(ctx context.Context) (level string, err error) {
	err = s.inTx(ctx, func(tx *gorm.DB) error { return tx.Raw("SHOW transaction_isolation").Scan(&level).Error })
	return level, err
}
