package sweep

import (
	"context"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/listening"
)

// Shards says whom this replica looks after.
type Shards interface {
	// Owns reports whether the person is of this replica's shards.
	Owns(songspy.UserID) bool
	// Joined reports whether the people of the person's shard have been read here.
	Joined(songspy.UserID) bool
	// Holds reports whether a call for the person may begin now.
	Holds(songspy.UserID) bool
}

// heldAgain is the wait of a look that may not be made just now: the lease is
// renewed within it, or the person has left.
const heldAgain = time.Second

// takeover is how long it takes at most until a replica's people are another's.
const takeover = 30 * time.Second

// everyone is the Shards of a batch that is alone.
type everyone struct{}

func (everyone) Owns(songspy.UserID) bool   { return true }
func (everyone) Joined(songspy.UserID) bool { return true }
func (everyone) Holds(songspy.UserID) bool  { return true }

// Join reads the people of shards that are this replica's from now on, and
// plans their looks from where those of the replica before ended: each with the
// time before which every look has been made, the zero time if nobody knows.
func (s *Sweep) Join(ctx context.Context, from map[int16]time.Time) error {
	if err := s.pulse.wake(ctx, s.Store); err != nil {
		return err
	}
	for after, more := songspy.UserID(0), true; more; {
		page, err := s.Store.LinkMarks(ctx, after, readAtOnce)
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
		if err := s.joinThese(ctx, ids, from); err != nil {
			return err
		}
		more = len(page) == readAtOnce
	}
	return nil
}

func (s *Sweep) joinThese(ctx context.Context, ids []songspy.UserID, from map[int16]time.Time) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	listeners, err := s.Store.ListenersByID(ctx, ids)
	if err != nil {
		return err
	}
	now := s.Now()
	for _, l := range listeners {
		l, ahead := s.notAhead(l, now)
		id := l.Link.UserID
		done := from[songspy.ShardOf(id)]
		p := s.pastOf(l, later(done, s.pulse.last), now)
		p.ahead = ahead
		if s.roster.merge(l, p) != known {
			why := reasonTakeover
			if done.IsZero() {
				why = reasonStart
			}
			s.planFirst(id, s.resumedLook(id, l.Playing, done, now), why)
		}
	}
	return nil
}

// Leave forgets the people of shards that are no longer this replica's.
func (s *Sweep) Leave(shards []int16) {
	var gone [songspy.Shards]bool
	for _, shard := range shards {
		gone[shard] = true
	}
	s.roster.removeThose(func(id songspy.UserID) bool { return gone[songspy.ShardOf(id)] })
}

// Done is the time before which every look that was due has been made.
func (s *Sweep) Done() time.Time { return s.queue.Done(s.Now()) }

// resumedLook is when somebody is looked at whose looks another replica has
// made until then: what has come due since is due at once. Where that is so long
// ago that everyone is due, everyone keeps their own place instead.
func (s *Sweep) resumedLook(id songspy.UserID, n songspy.NowPlaying, done, now time.Time) time.Time {
	if !s.Spread || done.IsZero() || now.Sub(done) > max(s.Interval, takeover) || done.After(now) {
		return s.firstLook(id, n, now)
	}
	return later(now, listening.FirstLook(n, done, s.phase(id), s.Interval).At)
}
