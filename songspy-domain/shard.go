package songspy

import (
	"maps"
	"slices"
	"time"
)

// ShardClaim is what a replica of the batch tells the database several times a second. It renews
// the replica's leases of shards: the right to poll the users of these shards.
type ShardClaim struct {
	// Owner is the unique name of the replica.
	Owner string
	// TTL is how long after this claim the replica keeps its shards if it does
	// not renew the leases.
	TTL time.Duration
	// PolledUntil is a wall-clock time. For the users of the shards in Loaded, the
	// replica has made all polls that were due before this time.
	PolledUntil time.Time
	Loaded      []int16
	// Release lists shards that the replica gives up, so that another replica
	// can take them.
	Release []int16
}

// ShardLease says which shards (parts of the users) a replica may poll after a
// ShardClaim.
type ShardLease struct {
	// Held lists all shards that the replica holds.
	Held []int16
	// The keys of Acquired are the shards of Held that the replica did not hold before
	// this claim. The value is the time up to which the previous holder has made all
	// due polls of the shard's users; the zero time if that is not known.
	Acquired map[int16]time.Time
	// Replicas is how many replicas have renewed their leases recently,
	// including this one.
	Replicas int
}

// FairShardCount returns how many shards each replica may hold at most, so that all
// shards are divided evenly among the given number of replicas. It is rounded up, so
// that every shard has a replica.
func FairShardCount(owners int) int {
	owners = max(1, owners)
	return (ShardCount + owners - 1) / owners
}

// Shard is a row of the table shards: one of the 64 parts of the users.
type Shard struct {
	Number int16 `gorm:"column:shard;primaryKey;autoIncrement:false"`
	// Owner is the replica that leased the shard last, or empty if it has released it. The lease ends
	// with the replica's.
	Owner string
	// Loaded says that the owner has read the shard's users and polls them.
	Loaded bool
	// PolledUntil is the time before which all due polls of the shard's users have been made, unless
	// Loaded is set; then the owner's PolledUntil is. It is nil if the time is unknown.
	PolledUntil *time.Time
}

// Replica is a row of the table replicas: a replica of the batch. A renewal of its leases changes
// this row, and not those of its shards.
type Replica struct {
	Owner string `gorm:"primaryKey"`
	// LeaseUntil is when the leases of the replica's shards expire.
	LeaseUntil time.Time
	// PolledUntil is the time before which all due polls of the users of its loaded shards have been
	// made. It is nil if the time is unknown.
	PolledUntil *time.Time
}

// ShardTable holds the shards and the replicas that lease them. Its methods are the rules by which
// replicas get shards. The argument now is the time of a clock that all replicas share.
type ShardTable struct {
	Shards   [ShardCount]Shard  // by number
	Replicas map[string]Replica // by owner; replicas without a shard are among them
}

// NewShardTable returns a table of free shards.
func NewShardTable() (t ShardTable) {
	t.Replicas = map[string]Replica{}
	for i := range t.Shards {
		t.Shards[i].Number = int16(i)
	}
	return t
}

// Clone returns a copy of the table.
func (t ShardTable) Clone() ShardTable {
	t.Replicas = maps.Clone(t.Replicas)
	return t
}

// Lease renews the leases of the replica that makes the claim, releases the shards that the replica
// gives up, and leases it free shards up to its fair share.
func (t *ShardTable) Lease(c ShardClaim, now time.Time) ShardLease {
	t.renew(c, now)
	t.shortenLeases(c.TTL, now)
	lease := ShardLease{Replicas: t.countAlive(c.TTL, now), Acquired: map[int16]time.Time{}}
	for _, number := range c.Release {
		if s := &t.Shards[number]; s.Owner == c.Owner {
			t.release(s)
		}
	}
	for _, s := range t.Shards {
		if s.Owner == c.Owner {
			lease.Held = append(lease.Held, s.Number)
		}
	}
	fair := FairShardCount(lease.Replicas)
	for i := range t.Shards {
		s := &t.Shards[i]
		if len(lease.Held) >= fair || t.isLeased(s, now) || slices.Contains(c.Release, s.Number) {
			continue
		}
		t.release(s)
		s.Owner = c.Owner
		lease.Held = append(lease.Held, s.Number)
		lease.Acquired[s.Number] = time.Time{}
		if s.PolledUntil != nil {
			lease.Acquired[s.Number] = *s.PolledUntil
		}
	}
	t.removeExpired(now)
	return lease
}

// Release records a replica's last claim, frees all its shards, and removes the replica.
func (t *ShardTable) Release(c ShardClaim, now time.Time) {
	t.renew(c, now)
	for i := range t.Shards {
		if s := &t.Shards[i]; s.Owner == c.Owner {
			t.release(s)
		}
	}
	delete(t.Replicas, c.Owner)
}

// CountLeased returns the number of leased shards of each replica whose lease is valid. Replicas
// without a shard are among them.
func (t *ShardTable) CountLeased(now time.Time) map[string]int {
	counts := map[string]int{}
	for owner, r := range t.Replicas {
		if r.LeaseUntil.After(now) {
			counts[owner] = 0
		}
	}
	for _, s := range t.Shards {
		if t.isLeased(&s, now) {
			counts[s.Owner]++
		}
	}
	return counts
}

// EarliestPolledUntil returns the time before which all due polls of the leased shards have been
// made. It ignores shards for which that time is unknown, and returns the zero time if it is known
// for none.
func (t *ShardTable) EarliestPolledUntil(now time.Time) (earliest time.Time) {
	for _, s := range t.Shards {
		until := t.polledUntil(&s)
		if until != nil && t.isLeased(&s, now) && (earliest.IsZero() || until.Before(earliest)) {
			earliest = *until
		}
	}
	return earliest
}

// renew extends the lease of the replica until now plus the TTL of the claim, and stores the time
// until which it has made all due polls of its loaded shards.
func (t *ShardTable) renew(c ShardClaim, now time.Time) {
	r := t.Replicas[c.Owner]
	r.Owner, r.LeaseUntil = c.Owner, now.Add(c.TTL)
	if !c.PolledUntil.IsZero() {
		for i := range t.Shards {
			s := &t.Shards[i]
			if s.Owner != c.Owner {
				continue
			}
			loaded := slices.Contains(c.Loaded, s.Number)
			if s.Loaded && !loaded { // the replica has dropped the shard since its last claim, and polled its users until then
				s.PolledUntil = r.PolledUntil
			}
			s.Loaded = loaded
		}
		r.PolledUntil = &c.PolledUntil
	}
	t.Replicas[c.Owner] = r
}

// countAlive returns how many replicas are alive. It does not count a replica that has claimed no
// lease for a quarter of the TTL, so that the other replicas share the free shards. Such a replica
// keeps its own shards until its lease expires.
func (t *ShardTable) countAlive(ttl time.Duration, now time.Time) (alive int) {
	for _, r := range t.Replicas {
		if r.LeaseUntil.After(aliveAfter(ttl, now)) {
			alive++
		}
	}
	return alive
}

// aliveAfter returns the time until which a lease must be valid for its replica to count as alive.
func aliveAfter(ttl time.Duration, now time.Time) time.Time { return now.Add(ttl * 3 / 4) }

// shortenLeases repairs leases that were stored before the clock was set back: those that end more
// than ClockSkewMax after a lease that is given now. Their replicas do not count as alive until
// their next claim.
func (t *ShardTable) shortenLeases(ttl time.Duration, now time.Time) {
	for owner, r := range t.Replicas {
		if r.LeaseUntil.After(now.Add(ttl + ClockSkewMax)) {
			r.LeaseUntil = aliveAfter(ttl, now)
			t.Replicas[owner] = r
		}
	}
}

func (t *ShardTable) isLeased(s *Shard, now time.Time) bool {
	return t.Replicas[s.Owner].LeaseUntil.After(now)
}

func (t *ShardTable) polledUntil(s *Shard) *time.Time {
	if s.Loaded {
		return t.Replicas[s.Owner].PolledUntil
	}
	return s.PolledUntil
}

// release makes the shard free. It keeps the time until which the owner has made all due polls.
func (t *ShardTable) release(s *Shard) {
	*s = Shard{Number: s.Number, PolledUntil: t.polledUntil(s)}
}

// removeExpired removes the replicas whose lease has expired, unless they still own shards: the next
// owner needs to know until when these were polled.
func (t *ShardTable) removeExpired(now time.Time) {
	owning := map[string]bool{}
	for _, s := range t.Shards {
		owning[s.Owner] = true
	}
	maps.DeleteFunc(t.Replicas, func(owner string, r Replica) bool { return !owning[owner] && !r.LeaseUntil.After(now) })
}
