package poller

import (
	"context"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// Shards says whom this replica looks after.
type Shards interface {
	// Owns reports whether the person is of this replica's shards.
	Owns(songspy.UserID) bool
	// Joined reports whether the people of the person's shard have been read here.
	Loaded(songspy.UserID) bool
	// Holds reports whether a call for the person may begin now.
	MayPoll(songspy.UserID) bool
}

// heldAgain is the wait of a look that may not be made just now: the lease is
// renewed within it, or the person has left.
const postponeFor = time.Second

// takeover is how long it takes at most until a replica's people are another's.
const maxTakeover = 30 * time.Second

// everyone is the Shards of a batch that is alone.
type allShards struct{}

func (allShards) Owns(songspy.UserID) bool    { return true }
func (allShards) Loaded(songspy.UserID) bool  { return true }
func (allShards) MayPoll(songspy.UserID) bool { return true }

// Join reads the people of shards that are this replica's from now on, and
// plans their looks from where those of the replica before ended: each with the
// time before which every look has been made, the zero time if nobody knows.
func (s *Poller) LoadShards(ctx context.Context, from map[int16]time.Time) error {
	if err := s.heartbeat.readLast(ctx, s.Store); err != nil {
		return err
	}
	for after, more := songspy.UserID(0), true; more; {
		page, err := s.Store.LinkVersions(ctx, after, readPageSize)
		if err != nil {
			return err
		}
		var ids []songspy.UserID
		for _, m := range page {
			after = m.UserID
			if _, ours := from[songspy.ShardOf(m.UserID)]; ours {
				ids = append(ids, m.UserID)
			}
		}
		if err := s.loadUsers(ctx, ids, from); err != nil {
			return err
		}
		more = len(page) == readPageSize
	}
	return nil
}

func (s *Poller) loadUsers(ctx context.Context, ids []songspy.UserID, from map[int16]time.Time) error {
	s.reloadMu.Lock()
	defer s.reloadMu.Unlock()
	listeners, err := s.Store.PolledUsersByID(ctx, ids)
	if err != nil {
		return err
	}
	now := s.Now()
	for _, l := range listeners {
		l, ahead := s.correctUser(l, now)
		id := l.Link.UserID
		done := from[songspy.ShardOf(id)]
		p := s.coverageSince(l, later(done, s.heartbeat.last), now)
		p.aheadOfClock = ahead
		if s.registry.merge(l, p) != alreadyKnown {
			reason := reasonTakeover
			if done.IsZero() {
				reason = reasonStart
			}
			s.planFirstPoll(id, s.resumedPollAt(id, l.Playing, done, now), reason)
		}
	}
	return nil
}

// Leave forgets the people of shards that are no longer this replica's.
func (s *Poller) DropShards(shards []int16) {
	var gone [songspy.ShardCount]bool
	for _, shard := range shards {
		gone[shard] = true
	}
	s.registry.removeIf(func(id songspy.UserID) bool { return gone[songspy.ShardOf(id)] })
}

// Done is the time before which every look that was due has been made.
func (s *Poller) PolledUntil() time.Time { return s.polls.CompletedUntil(s.Now()) }

// resumedLook is when somebody is looked at whose looks another replica has
// made until then: what has come due since is due at once. Where that is so long
// ago that everyone is due, everyone keeps their own place instead.
func (s *Poller) resumedPollAt(id songspy.UserID, n songspy.NowPlaying, done, now time.Time) time.Time {
	if !s.Spread || done.IsZero() || now.Sub(done) > max(s.Interval, maxTakeover) || done.After(now) {
		return s.firstPollAt(id, n, now)
	}
	return later(now, playback.FirstPoll(n, done, s.phase(id), s.Interval).At)
}
