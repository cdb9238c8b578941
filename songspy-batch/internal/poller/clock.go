package poller

import (
	"fmt"
	"sync"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// clockNoted is for how long /readyz notes that the clock was set back.
const clockNoteDuration = 24 * time.Hour

// aheadNoted is the least time between two lines of the log about times that are ahead.
const skewLogInterval = time.Hour

// aheads remembers how far stored times were ahead of the clock.
type clockSkew struct {
	mu       sync.Mutex
	at       time.Time // when the last was found, by the clock as it is since
	most     time.Duration
	count    int // since the log was told
	loggedAt time.Time
}

// notAhead returns a listener as it counts now, and whether what the store holds
// of its player is ahead of the clock.
func (s *Poller) correctUser(l songspy.PolledUser, now time.Time) (songspy.PolledUser, bool) {
	playing := l.Playing.CorrectClock(now)
	ahead := playing != l.Playing
	if ahead {
		s.recordSkew(l.Playing.ObservedAt.Sub(now), now)
	}
	l.Playing = playing
	l.Link.CreatedAt, l.Link.AuthorizedAt = songspy.CapAtNow(l.Link.CreatedAt, now), songspy.CapAtNow(l.Link.AuthorizedAt, now)
	return l, ahead
}

// current returns what is known of somebody as it counts now.
func (s *Poller) correctedState(id songspy.UserID, entry *entry, l userState, now time.Time) userState {
	if !l.isAheadOfClock(now) {
		return l
	}
	s.recordSkew(later(l.playing.ObservedAt, l.watchedUntil).Sub(now), now)
	return s.registry.correctClock(id, entry, now)
}

// foundAhead notes that a time lay ahead of the clock.
func (s *Poller) recordSkew(by time.Duration, now time.Time) {
	a := &s.clockSkew
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at.IsZero() || now.Sub(a.at).Abs() > clockNoteDuration {
		a.most = 0
	}
	a.at, a.most, a.count = now, max(a.most, by), a.count+1
	if a.loggedAt.IsZero() || now.Sub(a.loggedAt).Abs() >= skewLogInterval {
		s.Logger.Warn("times are ahead of the clock, which was set back: they count as now", "ahead", a.most.Round(time.Second), "users", a.count)
		a.loggedAt, a.count = now, 0
	}
}

// clockNotes says in a sentence that the clock was set back.
func (s *Poller) clockNotes(now time.Time) []string {
	const meaning = "Times from before count as now; plays that were stored by the wrong clock keep their times."
	if step := s.polls.LastClockStep(); step.By < 0 && now.Sub(step.At) < clockNoteDuration {
		return []string{fmt.Sprintf("The clock was set back by %s at %s. %s", (-step.By).Round(time.Second), step.At.UTC().Format(time.RFC3339), meaning)}
	}
	s.clockSkew.mu.Lock()
	defer s.clockSkew.mu.Unlock()
	if a := &s.clockSkew; a.most > 0 && now.Sub(a.at) < clockNoteDuration {
		return []string{fmt.Sprintf("The clock has been set back: stored times were up to %s ahead of it. %s", a.most.Round(time.Second), meaning)}
	}
	return nil
}
