package sweep

import (
	"context"
	"slices"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/due"
	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	changesAtOnce = 1000
	// tailAgainAfter is the wait after the feed could not be read.
	tailAgainAfter = time.Second
)

// tail follows the change feed until ctx ends.
func (s *Sweep) tail(ctx context.Context) {
	select {
	case <-s.begun:
	case <-ctx.Done():
		return
	}
	for ctx.Err() == nil {
		if err := s.catchUp(ctx); err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "the change feed could not be followed; trying again", "err", err)
			due.Wait(ctx, tailAgainAfter)
		}
	}
}

// catchUp waits for changes and takes them over.
func (s *Sweep) catchUp(ctx context.Context) error {
	if err := s.Feed.WaitForChange(ctx, s.after); err != nil {
		return err
	}
	changes, err := s.Feed.Changes(ctx, s.after, changesAtOnce)
	if err != nil {
		return err
	}
	if len(changes) == 0 || changes[0].Number != s.after+1 {
		oldest, last, err := s.Feed.Feed(ctx)
		if err != nil {
			return err
		}
		if missed(s.after, oldest, last) {
			s.Logger.WarnContext(ctx, "changes were missed; reading everyone afresh", "at", s.after, "oldest", oldest, "last", last)
			s.after, err = s.read(ctx)
			return err
		}
	}
	if len(changes) == 0 {
		return nil
	}
	if err := s.meet(ctx, concerned(changes)); err != nil {
		return err
	}
	s.after = changes[len(changes)-1].Number
	return nil
}

// missed reports whether a reader of the feed who is at that number cannot go
// on from there: the database was restored from a backup, or the reader slept
// until what follows was pruned. oldest is 0 if the feed is empty.
func missed(at, oldest, last int64) bool {
	return last < at || last > at && (oldest == 0 || oldest > at+1)
}

// concerned lists whose link may have changed. What people hear is our own news.
func concerned(changes []songspy.Change) (ids []songspy.UserID) {
	for _, c := range changes {
		if c.Kind != songspy.ChangePlaying {
			ids = append(ids, c.UserID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// meet reads the people afresh: who is new, or linked anew, is looked at at
// once; who is not to be asked any more leaves at once.
func (s *Sweep) meet(ctx context.Context, ids []songspy.UserID) error {
	ids = slices.DeleteFunc(ids, func(id songspy.UserID) bool { return !s.Shards.Owns(id) })
	if len(ids) == 0 {
		return nil
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	present, err := s.Store.ListenersByID(ctx, ids)
	if err != nil {
		return err
	}
	gone := make(map[songspy.UserID]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	now := s.Now()
	for _, l := range present {
		id := l.Link.UserID
		delete(gone, id)
		if s.merge(l) != known {
			s.planFirst(id, now, reasonLinked)
		}
	}
	for id := range gone {
		s.roster.remove(id, nil)
	}
	return nil
}
