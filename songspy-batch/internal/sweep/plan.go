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
	number, err := s.read(ctx)
	if err != nil {
		return err
	}
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

func (s *Sweep) readPage(ctx context.Context, after songspy.UserID) (last songspy.UserID, more bool, err error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	page, err := s.Store.Listeners(ctx, after, readAtOnce)
	if err != nil {
		return 0, false, err
	}
	now := s.Now()
	for _, l := range page {
		last = l.Link.UserID
		switch arrived := s.roster.merge(l); {
		case arrived == relinked, arrived == fresh && s.started(): // ahead of the feed
			s.queue.Plan(last, now)
		case s.roster.looking(last) || s.queue.Has(last): // in this order: a look plans before it ends
		default:
			s.queue.Plan(last, s.firstLook(last, l.Playing, now))
		}
	}
	return last, len(page) == readAtOnce, nil
}
