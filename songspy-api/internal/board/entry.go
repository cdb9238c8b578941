package board

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// entry is one person who may be shown.
type entry struct {
	songspy.BoardEntry
	// leaves is when the entry stops being true unless the feed tells more. A
	// look that proves a song without a known end to go on is such news.
	expiresAt time.Time
	// returns is when the person's pause in sharing ends; zero if there is none.
	pausedUntil time.Time
}

// entryOf judges whether a person can be shown to everyone now or, once a pause
// in sharing is over, later. Who does not play, and what has no name to show,
// cannot.
func newEntry(p songspy.BoardEntry) (*entry, bool) {
	if p.User.Audience != songspy.AudienceEveryone ||
		p.Playing.State != songspy.PlayerPlaying || p.Track.ID == 0 || p.Track.Title == "" {
		return nil, false
	}
	e := &entry{BoardEntry: p, expiresAt: p.Playing.ShownUntil()}
	if p.User.SharingPausedUntil != nil {
		e.pausedUntil = *p.User.SharingPausedUntil
	}
	return e, true
}

// over reports whether the entry has stopped being true.
func (e *entry) isExpired(now time.Time) bool { return !now.Before(e.expiresAt) }

// newer orders entries as they are shown: newest start first, then by person.
func startedLater(a, b *entry) bool {
	if !a.Playing.StartedAt.Equal(b.Playing.StartedAt) {
		return a.Playing.StartedAt.After(b.Playing.StartedAt)
	}
	return a.User.ID < b.User.ID
}

// returnsSooner orders entries whose people do not share for a while.
func resumesSooner(a, b *entry) bool {
	if !a.pausedUntil.Equal(b.pausedUntil) {
		return a.pausedUntil.Before(b.pausedUntil)
	}
	return a.User.ID < b.User.ID
}
