package sweep

import (
	"context"
	"log/slog"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// readAtOnce is how many listeners are read from the store at once.
const readAtOnce = 2000

// Plan reads everyone who is to be asked, plans a look at whoever has none,
// and forgets who is gone. It makes no look itself and returns in seconds.
func (s *Sweep) Plan(ctx context.Context) error {
	if err := s.pulse.wake(ctx, s.Store); err != nil {
		return err
	}
	number, err := s.read(ctx)
	if err != nil {
		return err
	}
	s.budgets.plan(s.Now(), s.roster.crowds())
	s.first.Do(func() {
		s.after = number
		close(s.begun)
	})
	s.Logger.InfoContext(ctx, "looks planned",
		slog.Int("listeners", s.roster.len()), slog.Int("waiting", s.queue.Len()), s.tally.take())
	return nil
}

// read brings the roster up to date with the whole store, and gives the number
// of a change that it already reflects.
func (s *Sweep) read(ctx context.Context) (number int64, err error) {
	_, number, err = s.Feed.Feed(ctx)
	if err != nil {
		return 0, err
	}
	round := s.roster.nextRound()
	for after, more := songspy.UserID(0), true; more; {
		if after, more, err = s.readPage(ctx, after); err != nil {
			return 0, err
		}
	}
	s.roster.removeAbsent(round)
	return number, nil
}

// readPage reads whose links there are, and only of those that are news all
// that there is to know: tokens cost most to read, and seldom change.
func (s *Sweep) readPage(ctx context.Context, after songspy.UserID) (last songspy.UserID, more bool, err error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	page, err := s.Store.LinkMarks(ctx, after, readAtOnce)
	if err != nil {
		return 0, false, err
	}
	now := s.Now()
	var news []songspy.UserID
	for _, m := range page {
		last = m.UserID
		if !s.Shards.Owns(last) {
			continue
		}
		switch attended := s.roster.attend(m); {
		case !s.Shards.Joined(last): // who joins is read by Join
		case !attended:
			news = append(news, last)
		case s.roster.looking(last) || s.queue.Has(last): // in this order: a look plans before it ends
		default:
			s.planFirst(last, s.nextSlot(last, 0), reasonFloor)
		}
	}
	listeners, err := s.Store.ListenersByID(ctx, news)
	if err != nil {
		return 0, false, err
	}
	for _, l := range listeners {
		id := l.Link.UserID
		switch arrived := s.merge(l); {
		case arrived == relinked, arrived == fresh && s.started(): // ahead of the feed
			s.planFirst(id, now, reasonLinked)
		case s.roster.looking(id) || s.queue.Has(id):
		default:
			s.planFirst(id, s.firstLook(id, l.Playing, now), reasonStart)
		}
	}
	return last, len(page) == readAtOnce, nil
}
