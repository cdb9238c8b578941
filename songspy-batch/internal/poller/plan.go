package poller

import (
	"context"
	"log/slog"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// readAtOnce is how many listeners are read from the store at once.
const readPageSize = 2000

// Plan reads everyone who is to be asked, plans a look at whoever has none,
// and forgets who is gone. It makes no look itself and returns in seconds.
func (s *Poller) Plan(ctx context.Context) error {
	if err := s.heartbeat.readLast(ctx, s.Store); err != nil {
		return err
	}
	number, err := s.readAll(ctx)
	if err != nil {
		return err
	}
	s.budgets.plan(s.Now(), s.registry.countByApp())
	s.loadOnce.Do(func() {
		s.lastChange = number
		close(s.loaded)
	})
	s.Logger.InfoContext(ctx, "looks planned",
		slog.Int("listeners", s.registry.len()), slog.Int("waiting", s.polls.Len()), s.outcomes.drain())
	return nil
}

// read brings the roster up to date with the whole store, and gives the number
// of a change that it already reflects.
func (s *Poller) readAll(ctx context.Context) (number int64, err error) {
	_, number, err = s.Feed.FeedBounds(ctx)
	if err != nil {
		return 0, err
	}
	round := s.registry.beginRead()
	for after, more := songspy.UserID(0), true; more; {
		if after, more, err = s.readPage(ctx, after); err != nil {
			return 0, err
		}
	}
	s.registry.removeUnread(round)
	return number, nil
}

// readPage reads whose links there are, and only of those that are news all
// that there is to know: tokens cost most to read, and seldom change.
func (s *Poller) readPage(ctx context.Context, after songspy.UserID) (last songspy.UserID, more bool, err error) {
	s.reloadMu.Lock()
	defer s.reloadMu.Unlock()
	page, err := s.Store.LinkVersions(ctx, after, readPageSize)
	if err != nil {
		return 0, false, err
	}
	now := s.Now()
	var changed []songspy.UserID
	for _, m := range page {
		last = m.UserID
		if !s.Shards.Owns(last) {
			continue
		}
		switch current := s.registry.confirm(m); {
		case !s.Shards.Loaded(last): // who joins is read by Join
		case !current:
			changed = append(changed, last)
		case s.registry.isPolling(last) || s.polls.Has(last): // in this order: a look plans before it ends
		default:
			s.planFirstPoll(last, s.nextAtPhase(last, 0), reasonInterval)
		}
	}
	listeners, err := s.Store.PolledUsersByID(ctx, changed)
	if err != nil {
		return 0, false, err
	}
	for _, l := range listeners {
		id := l.Link.UserID
		switch merged := s.merge(l); {
		case merged == relinked, merged == added && s.isLoaded(): // ahead of the feed
			s.planFirstPoll(id, now, reasonLinked)
		case s.registry.isPolling(id) || s.polls.Has(id):
		default:
			s.planFirstPoll(id, s.firstPollAt(id, l.Playing, now), reasonStart)
		}
	}
	return last, len(page) == readPageSize, nil
}
