package store

import (
	"context"
	"database/sql"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// LeaseShards renews the leases of a replica of the batch: its right to poll the users of
// its shards. It stores the time until which the replica has made all due polls, releases
// the shards that the replica gives up, and leases it free shards up to its fair share. The
// database's clock decides whether a lease has expired.
func (s *Store) LeaseShards(ctx context.Context, c songspy.ShardClaim) (lease songspy.ShardLease, err error) {
	c.PolledUntil = dbTime(c.PolledUntil)
	err = s.changeShards(ctx, func(t *songspy.ShardTable, now time.Time) { lease = t.Lease(c, now) })
	return lease, err
}

// ReleaseShards stores the time until which a replica has made all due polls, releases all
// its shards, and deletes the replica.
func (s *Store) ReleaseShards(ctx context.Context, c songspy.ShardClaim) error {
	c.PolledUntil = dbTime(c.PolledUntil)
	return s.changeShards(ctx, func(t *songspy.ShardTable, now time.Time) { t.Release(c, now) })
}

// changeShards reads the shards and replicas, calls the function change with them and the
// database's time, and writes the rows that it has changed. Only one replica at a time runs
// this transaction, so that no two replicas ever hold the same shard.
func (s *Store) changeShards(ctx context.Context, change func(*songspy.ShardTable, time.Time)) error {
	return s.inTx(ctx, func(tx *gorm.DB) error {
		// The transactions of other replicas wait here until this one ends.
		if err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("shard = 0").Take(&songspy.Shard{}).Error; err != nil {
			return err
		}
		now, err := s.databaseTime(tx)
		if err != nil {
			return err
		}
		before, err := readShards(tx)
		if err != nil {
			return err
		}
		after := before.Clone()
		change(&after, now)
		return writeShards(tx, &before, &after)
	})
}

// databaseTime returns the time of the clock that all processes share: the database
// server's on Postgres, the machine's on SQLite.
func (s *Store) databaseTime(tx *gorm.DB) (now time.Time, err error) {
	clock := s.engine.clockQuery()
	if clock == "" {
		return s.now(), nil
	}
	err = queryRows(tx.Statement.Context, tx.Statement.ConnPool, func(rows *sql.Rows) error { return rows.Scan(&now) }, clock)
	return now, err
}

func readShards(tx *gorm.DB) (songspy.ShardTable, error) {
	tx = tx.Session(&gorm.Session{}) // for two queries
	t := songspy.NewShardTable()
	var shards []songspy.Shard
	var replicas []songspy.Replica
	if err := tx.Find(&shards).Error; err != nil {
		return t, err
	}
	if err := tx.Find(&replicas).Error; err != nil {
		return t, err
	}
	for _, s := range shards {
		t.Shards[s.Number] = s
	}
	for _, r := range replicas {
		t.Replicas[r.Owner] = r
	}
	return t, nil
}

func writeShards(tx *gorm.DB, before, after *songspy.ShardTable) error {
	var shards []songspy.Shard
	for i, s := range after.Shards {
		if s != before.Shards[i] {
			shards = append(shards, s)
		}
	}
	var replicas []songspy.Replica
	for owner, r := range after.Replicas {
		if r != before.Replicas[owner] {
			replicas = append(replicas, r)
		}
	}
	var removed []string
	for owner := range before.Replicas {
		if _, ok := after.Replicas[owner]; !ok {
			removed = append(removed, owner)
		}
	}
	upsert := tx.Clauses(clause.OnConflict{UpdateAll: true}).Session(&gorm.Session{})
	if len(shards) > 0 {
		if err := upsert.Create(&shards).Error; err != nil {
			return err
		}
	}
	if len(replicas) > 0 {
		if err := upsert.Create(&replicas).Error; err != nil {
			return err
		}
	}
	if len(removed) > 0 {
		return tx.Delete(&songspy.Replica{}, "owner IN ?", removed).Error
	}
	return nil
}
