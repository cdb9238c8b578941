package poller

import (
	"context"
	"slices"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	changesPerRead = 1000
	// tailAgainAfter is the wait after the feed could not be read.
	followRetryWait = time.Second
)

// tail follows the change feed until ctx ends.
func (s *Poller) followChanges(ctx context.Context) {
	select {
	case <-s.loaded:
	case <-ctx.Done():
		return
	}
	for ctx.Err() == nil {
		if err := s.applyChanges(ctx); err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "the change feed could not be followed; trying again", "err", err)
			delayqueue.Wait(ctx, followRetryWait)
		}
	}
}

// catchUp waits for changes and takes them over.
func (s *Poller) applyChanges(ctx context.Context) error {
	if err := s.Feed.WaitForChange(ctx, s.lastChange); err != nil {
		return err
	}
	changes, err := s.Feed.Changes(ctx, s.lastChange, changesPerRead)
	if err != nil {
		return err
	}
	if len(changes) == 0 || changes[0].Number != s.lastChange+1 {
		oldest, last, err := s.Feed.FeedBounds(ctx)
		if err != nil {
			return err
		}
		if changesLost(s.lastChange, oldest, last) {
			s.Logger.WarnContext(ctx, "changes were missed; reading everyone afresh", "at", s.lastChange, "oldest", oldest, "last", last)
			s.lastChange, err = s.readAll(ctx)
			return err
		}
	}
	if len(changes) == 0 {
		return nil
	}
	if err := s.reload(ctx, changedUsers(changes)); err != nil {
		return err
	}
	s.lastChange = changes[len(changes)-1].Number
	return nil
}

// missed reports whether a reader of the feed who is at that number cannot go
// on from there: the database was restored from a backup, or the reader slept
// until what follows was pruned. oldest is 0 if the feed is empty.
func changesLost(at, oldest, last int64) bool {
	return last < at || last > at && (oldest == 0 || oldest > at+1)
}

// concerned lists whose link may have changed. What people hear is our own news.
func changedUsers(changes []songspy.Change) (ids []songspy.UserID) {
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
func (s *Poller) reload(ctx context.Context, ids []songspy.UserID) error {
	ids = slices.DeleteFunc(ids, func(id songspy.UserID) bool { return !s.Shards.Owns(id) })
	if len(ids) == 0 {
		return nil
	}
	s.reloadMu.Lock()
	defer s.reloadMu.Unlock()
	present, err := s.Store.PolledUsersByID(ctx, ids)
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
		if s.merge(l) != alreadyKnown {
			s.planFirstPoll(id, now, reasonLinked)
		}
	}
	for id := range gone {
		s.registry.remove(id, nil)
	}
	return nil
}
