package sweep

import (
	"fmt"
	"sync"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// clockNoted is for how long /readyz notes that the clock was set back.
const clockNoted = 24 * time.Hour

// aheadNoted is the least time between two lines of the log about times that are ahead.
const aheadNoted = time.Hour

// aheads remembers how far stored times were ahead of the clock.
type aheads struct {
	mu    sync.Mutex
	at    time.Time // when the last was found, by the clock as it is since
	by    time.Duration
	count int // since the log was told
	told  time.Time
}

// notAhead returns a listener as it counts now, and whether what the store holds
// of its player is ahead of the clock.
func (s *Sweep) notAhead(l songspy.Listener, now time.Time) (songspy.Listener, bool) {
	playing := l.Playing.NotAhead(now)
	ahead := playing != l.Playing
	if ahead {
		s.foundAhead(l.Playing.ObservedAt.Sub(now), now)
	}
	l.Playing = playing
	l.Link.CreatedAt, l.Link.AuthorizedAt = songspy.NotAhead(l.Link.CreatedAt, now), songspy.NotAhead(l.Link.AuthorizedAt, now)
	return l, ahead
}

// current returns what is known of somebody as it counts now.
func (s *Sweep) current(id songspy.UserID, who *seat, l listener, now time.Time) listener {
	if !l.isAhead(now) {
		return l
	}
	s.foundAhead(later(l.playing.ObservedAt, l.watched).Sub(now), now)
	return s.roster.pullBack(id, who, now)
}

// foundAhead notes that a time lay ahead of the clock.
func (s *Sweep) foundAhead(by time.Duration, now time.Time) {
	a := &s.aheads
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at.IsZero() || now.Sub(a.at).Abs() > clockNoted {
		a.by = 0
	}
	a.at, a.by, a.count = now, max(a.by, by), a.count+1
	if a.told.IsZero() || now.Sub(a.told).Abs() >= aheadNoted {
		s.Logger.Warn("times are ahead of the clock, which was set back: they count as now", "ahead", a.by.Round(time.Second), "users", a.count)
		a.told, a.count = now, 0
	}
}

// clockNotes says in a sentence that the clock was set back.
func (s *Sweep) clockNotes(now time.Time) []string {
	const meaning = "Times from before count as now; plays that were stored by the wrong clock keep their times."
	if step := s.queue.Step(); step.By < 0 && now.Sub(step.At) < clockNoted {
		return []string{fmt.Sprintf("The clock was set back by %s at %s. %s", (-step.By).Round(time.Second), step.At.UTC().Format(time.RFC3339), meaning)}
	}
	s.aheads.mu.Lock()
	defer s.aheads.mu.Unlock()
	if a := &s.aheads; a.by > 0 && now.Sub(a.at) < clockNoted {
		return []string{fmt.Sprintf("The clock has been set back: stored times were up to %s ahead of it. %s", a.by.Round(time.Second), meaning)}
	}
	return nil
}
