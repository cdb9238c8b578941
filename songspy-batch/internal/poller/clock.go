package poller

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

const (
	// clockNoteDuration is how long /readyz reports that the clock was set back.
	clockNoteDuration = 24 * time.Hour
	// aheadLogInterval is the shortest time between two log lines about times that are ahead.
	aheadLogInterval = time.Hour
)

// timesAhead corrects times that are ahead of the clock, by more than
// songspy.ClockSkewMax, and reports them. The store holds such times after the clock
// was set back. A now-playing state is moved back as a whole, to just before now (see
// songspy.NowPlaying.CorrectClock); a single time counts as now.
type timesAhead struct {
	registry *Registry
	log      *slog.Logger

	mu       sync.Mutex
	at       time.Time     // when the last such time was found
	most     time.Duration // the largest time by which a stored time was ahead
	count    int           // how often such times were found since loggedAt
	loggedAt time.Time
}

// correctUser corrects a user that was read from the store: it sets the times of the now-playing
// state and of the consent to now if they are ahead of the clock. ahead reports whether the stored
// now-playing state was ahead.
func (s *timesAhead) correctUser(u songspy.PolledUser, now time.Time) (corrected songspy.PolledUser, ahead bool) {
	playing := u.Playing.CorrectClock(now)
	ahead = playing != u.Playing
	if ahead {
		s.record(u.Playing.ObservedAt.Sub(now), now)
	}
	u.Playing = playing
	u.Link.CreatedAt, u.Link.AuthorizedAt = songspy.CapAtNow(u.Link.CreatedAt, now), songspy.CapAtNow(u.Link.AuthorizedAt, now)
	return u, ahead
}

// correct sets times that are ahead of the clock to now, in the given state and in the user's
// entry in the registry.
func (s *timesAhead) correct(state *userState, now time.Time) {
	if state.isAheadOfClock(now) {
		s.record(later(state.playing.ObservedAt, state.answeredUntil).Sub(now), now)
		*state = s.registry.correctClock(*state, now)
	}
}

// record records that a stored time was ahead of the clock by the given duration, and logs it at
// most once per aheadLogInterval.
func (s *timesAhead) record(by time.Duration, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at.IsZero() || now.Sub(s.at).Abs() > clockNoteDuration {
		s.most = 0
	}
	s.at, s.most, s.count = now, max(s.most, by), s.count+1
	if s.loggedAt.IsZero() || now.Sub(s.loggedAt).Abs() >= aheadLogInterval {
		s.log.Warn("stored times are ahead of the clock, which was set back: they count as now", "ahead", s.most.Round(time.Second), logkey.Users, s.count)
		s.loggedAt, s.count = now, 0
	}
}

// notes returns a sentence for the operator if the clock was set back, or stored times were found
// to be ahead of it, within the last clockNoteDuration.
func (s *timesAhead) notes(now time.Time) []string {
	const meaning = "Earlier times that are ahead of the clock count as now. Plays stored by the wrong clock keep their times."
	if step := s.registry.polls.LastClockStep(); step.By < 0 && now.Sub(step.At) < clockNoteDuration {
		return []string{fmt.Sprintf("The clock was set back by %s at %s. %s", (-step.By).Round(time.Second), step.At.UTC().Format(time.RFC3339), meaning)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.most > 0 && now.Sub(s.at) < clockNoteDuration {
		return []string{fmt.Sprintf("The clock has been set back: stored times were up to %s ahead of it. %s", s.most.Round(time.Second), meaning)}
	}
	return nil
}
