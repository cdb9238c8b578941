package store

import (
	"context"
	"database/sql"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// replicaRetention is how long the row of a replica stays stored after the time until which
// the replica counted as alive.
const replicaRetention = time.Hour

// LeaseShards renews the leases of a replica of the batch: its right to poll the users of
// its shards. It stores the time until which the replica has made all due polls, releases
// the shards that the replica gives up, and leases it free shards up to its fair share. The
// database's clock decides whether a lease has expired. Only one replica at a time runs this
// transaction, so that no two replicas ever hold the same shard.
func (s *Store) LeaseShards(ctx context.Context, c songspy.ShardClaim) (lease songspy.ShardLease, err error) {
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		t := leaseTx{tx: tx, claim: c}
		lease, err = t.lease(s)
		return err
	})
	return lease, err
}

// ReleaseShards stores the time until which a replica has made all due polls, releases all
// its shards, and deletes the replica.
func (s *Store) ReleaseShards(ctx context.Context, c songspy.ShardClaim) error {
	return s.inTx(ctx, func(tx *gorm.DB) error {
		t := leaseTx{tx: tx, claim: c}
		if err := t.waitForTurn(s); err != nil {
			return err
		}
		if err := t.renew(); err != nil {
			return err
		}
		if err := tx.Exec(`UPDATE shards SET owner = '', lease_until = ? WHERE owner = ?`, t.now, c.Owner).Error; err != nil {
			return err
		}
		return tx.Exec(`DELETE FROM replicas WHERE owner = ?`, c.Owner).Error
	})
}

// leaseTx is the transaction in which one replica leases or releases shards. now is the
// result of databaseTime.
type leaseTx struct {
	tx    *gorm.DB
	claim songspy.ShardClaim
	now   time.Time
}

type shardRow struct {
	Shard       int16
	Owner       string
	LeaseUntil  time.Time
	PolledUntil *time.Time
}

func (shardRow) TableName() string { return "shards" }

// waitForTurn locks the first shard, so that the transactions of other replicas wait until
// this one ends. Then it sets now.
func (t *leaseTx) waitForTurn(s *Store) (err error) {
	var first shardRow
	if err := t.tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("shard = 0").Take(&first).Error; err != nil {
		return err
	}
	t.now, err = s.databaseTime(t.tx)
	return err
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

func (t *leaseTx) lease(s *Store) (lease songspy.ShardLease, err error) {
	if err := t.waitForTurn(s); err != nil {
		return lease, err
	}
	if err := t.renew(); err != nil {
		return lease, err
	}
	if err := t.shortenLeases(); err != nil {
		return lease, err
	}
	if len(t.claim.Release) > 0 {
		err := t.tx.Exec(`UPDATE shards SET owner = '', lease_until = ? WHERE owner = ? AND shard IN ?`, t.now, t.claim.Owner, t.claim.Release).Error
		if err != nil {
			return lease, err
		}
	}
	owners, err := t.countOwners()
	if err != nil {
		return lease, err
	}
	lease.Replicas = owners
	if err := t.tx.Model(&shardRow{}).Where("owner = ?", t.claim.Owner).Order("shard").Pluck("shard", &lease.Held).Error; err != nil {
		return lease, err
	}
	return lease, t.acquire(&lease)
}

// renew extends the replica's leases until now plus the TTL of the claim. For the loaded
// shards, it stores the time until which the replica has made all due polls.
func (t *leaseTx) renew() error {
	c := t.claim
	if err := t.tx.Exec(`UPDATE shards SET lease_until = ? WHERE owner = ?`, t.now.Add(c.TTL), c.Owner).Error; err != nil {
		return err
	}
	if len(c.Loaded) == 0 || c.PolledUntil.IsZero() {
		return nil
	}
	return t.tx.Exec(`UPDATE shards SET polled_until = ? WHERE owner = ? AND shard IN ?`, dbTime(c.PolledUntil), c.Owner, c.Loaded).Error
}

// shortenLeases repairs times that were stored before the database's clock was set back. It
// shortens leases that end more than ClockSkewMax later than a lease that is given now. It
// deletes replicas that would count as alive for longer than that. If such a replica is
// alive, its next claim stores it again.
func (t *leaseTx) shortenLeases() error {
	longest := t.now.Add(t.claim.TTL)
	if err := t.tx.Exec(`UPDATE shards SET lease_until = ? WHERE lease_until > ?`, longest, longest.Add(songspy.ClockSkewMax)).Error; err != nil {
		return err
	}
	return t.tx.Exec(`DELETE FROM replicas WHERE alive_until > ?`, longest.Add(songspy.ClockSkewMax)).Error
}

// countOwners stores that the replica is alive, and returns how many replicas are alive. It
// does not count a replica that has claimed no lease for a quarter of the TTL, so that the
// other replicas share the free shards. Such a replica keeps its own shards until its leases
// expire.
func (t *leaseTx) countOwners() (alive int, err error) {
	err = t.tx.Exec(`INSERT INTO replicas (owner, alive_until) VALUES (?, ?) ON CONFLICT (owner) DO UPDATE SET alive_until = excluded.alive_until`,
		t.claim.Owner, t.now.Add(t.claim.TTL)).Error
	if err != nil {
		return 0, err
	}
	if err := t.tx.Exec(`DELETE FROM replicas WHERE alive_until < ?`, t.now.Add(-replicaRetention)).Error; err != nil {
		return 0, err
	}
	err = t.tx.Raw(`SELECT count(*) FROM replicas WHERE alive_until > ?`, t.now.Add(t.claim.TTL*3/4)).Scan(&alive).Error
	return alive, err
}

// acquire leases free shards to the replica, up to its fair share, and adds them to
// lease.Acquired and lease.Held. It skips the shards that this claim releases.
func (t *leaseTx) acquire(lease *songspy.ShardLease) error {
	limit := songspy.FairShardCount(lease.Replicas) - len(lease.Held)
	if limit <= 0 {
		return nil
	}
	free := t.tx.Where("lease_until <= ? AND owner <> ?", t.now, t.claim.Owner)
	if len(t.claim.Release) > 0 {
		free = free.Where("shard NOT IN ?", t.claim.Release)
	}
	var taken []shardRow
	if err := free.Order("shard").Limit(limit).Find(&taken).Error; err != nil || len(taken) == 0 {
		return err
	}
	lease.Acquired = make(map[int16]time.Time, len(taken))
	ids := make([]int16, len(taken))
	for i, row := range taken {
		ids[i], lease.Acquired[row.Shard] = row.Shard, time.Time{}
		if row.PolledUntil != nil {
			lease.Acquired[row.Shard] = *row.PolledUntil
		}
	}
	lease.Held = append(lease.Held, ids...)
	return t.tx.Exec(`UPDATE shards SET owner = ?, lease_until = ? WHERE shard IN ?`, t.claim.Owner, t.now.Add(t.claim.TTL), ids).Error
}
