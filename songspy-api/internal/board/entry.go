package board

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// grace is how long a song stays on the board after its end: the look that
// finds the next one comes a little later.
const grace = 10 * time.Second

// entry is one person who may be shown.
type entry struct {
	songspy.OnBoard
	// leaves is when the entry stops being true unless something is learnt.
	leaves time.Time
	// ask is when to look the person up although the feed told nothing: a look
	// at a player whose song has no known end proves that it goes on, and
	// changes nothing that a viewer sees. Zero where the end is known.
	ask time.Time
	// returns is when the person's pause in sharing ends; zero if there is none.
	returns time.Time
}

// entryOf judges whether a person can be shown to everyone now or, once a pause
// in sharing is over, later. Who does not play, and what has no name to show,
// cannot.
func entryOf(p songspy.OnBoard, staleAfter time.Duration) (*entry, bool) {
	if p.User.Audience != songspy.AudienceEveryone ||
		p.Playing.State != songspy.PlayerPlaying || p.Track.ID == 0 || p.Track.Title == "" {
		return nil, false
	}
	e := &entry{OnBoard: p}
	if p.Playing.EndsAt != nil {
		e.leaves = p.Playing.EndsAt.Add(grace)
	} else {
		e.leaves = p.Playing.ObservedAt.Add(staleAfter)
		e.ask = e.leaves.Add(-staleAfter / 3)
	}
	if p.User.SharingPausedUntil != nil {
		e.returns = *p.User.SharingPausedUntil
	}
	return e, true
}

// over reports whether the song is known to be over.
func (e *entry) over(now time.Time) bool { return e.ask.IsZero() && !now.Before(e.leaves) }

// newer orders entries as they are shown: newest start first, then by person.
func newer(a, b *entry) bool {
	if !a.Playing.StartedAt.Equal(b.Playing.StartedAt) {
		return a.Playing.StartedAt.After(b.Playing.StartedAt)
	}
	return a.User.ID < b.User.ID
}

// returnsSooner orders entries whose people do not share for a while.
func returnsSooner(a, b *entry) bool {
	if !a.returns.Equal(b.returns) {
		return a.returns.Before(b.returns)
	}
	return a.User.ID < b.User.ID
}
