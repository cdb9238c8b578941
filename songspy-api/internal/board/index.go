package board

import (
	"time"

	"github.com/tidwall/btree"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// index holds the candidates of the board, in its order. It is not safe
// for concurrent use, and does not read the clock.
type index struct {
	byUser  map[songspy.UserID]*entry
	visible *btree.BTreeG[*entry] // users who share, newest start first
	paused  *btree.BTreeG[*entry] // users who pause sharing, earliest end of the pause first
}

func newIndex() *index {
	unlocked := btree.Options{NoLocks: true}
	return &index{
		byUser:  map[songspy.UserID]*entry{},
		visible: btree.NewBTreeGOptions(startedLater, unlocked),
		paused:  btree.NewBTreeGOptions(resumesSooner, unlocked),
	}
}

// put replaces the entry of a user.
func (x *index) put(p songspy.BoardEntry, now time.Time) {
	x.remove(p.User.ID)
	p.Playing = p.Playing.CorrectClock(now)
	e, ok := newEntry(p)
	if !ok || e.isExpired(now) {
		return
	}
	x.byUser[p.User.ID] = e
	if e.pausedUntil.After(now) {
		x.paused.Set(e)
	} else {
		x.visible.Set(e)
	}
}

// remove removes the entry of a user.
func (x *index) remove(id songspy.UserID) {
	if e, ok := x.byUser[id]; ok {
		delete(x.byUser, id)
		x.visible.Delete(e)
		x.paused.Delete(e)
	}
}

// top returns the first n visible entries, and until when that answer is valid; zero
// if only a change ends it.
func (x *index) top(n int, now time.Time) ([]songspy.BoardEntry, time.Time) {
	x.resumePaused(now)
	var until time.Time
	sooner := func(t time.Time) {
		if until.IsZero() || t.Before(until) {
			until = t
		}
	}
	top := make([]songspy.BoardEntry, 0, n)
	x.visible.Scan(func(e *entry) bool {
		if !e.isExpired(now) {
			top = append(top, e.BoardEntry)
			sooner(e.expiresAt)
		}
		return len(top) < n
	})
	if e, ok := x.paused.Min(); ok {
		sooner(e.pausedUntil)
	}
	return top, until
}

// resumePaused moves users whose sharing pause is over to the visible ones.
func (x *index) resumePaused(now time.Time) {
	for {
		e, ok := x.paused.Min()
		if !ok || e.pausedUntil.After(now) {
			return
		}
		x.paused.Delete(e)
		x.visible.Set(e)
	}
}

// prune removes entries whose song is over. After the clock was set back, some songs
// start in the future: prune moves them to their right place, and reports whether
// there was one.
func (x *index) prune(now time.Time) (reordered bool) {
	for id, e := range x.byUser {
		switch {
		case e.isExpired(now):
			x.remove(id)
		case e.Playing.CorrectClock(now) != e.Playing:
			x.put(e.BoardEntry, now)
			reordered = true
		}
	}
	return reordered
}

// entry is a candidate of the board.
type entry struct {
	songspy.BoardEntry
	// expiresAt is when the entry becomes invalid, unless a change comes first. For a
	// song without a known end, each poll that still sees it is such a change.
	expiresAt time.Time
	// pausedUntil is when the user's sharing pause ends; zero without a pause.
	pausedUntil time.Time
}

// newEntry returns false for a user who is no candidate, even after a sharing pause:
// they do not share with everyone, do not play, or their track has no title.
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

// isExpired reports whether the entry is no longer valid.
func (e *entry) isExpired(now time.Time) bool { return !now.Before(e.expiresAt) }

// startedLater orders entries as the board shows them: newest start first, then by
// user.
func startedLater(a, b *entry) bool {
	if !a.Playing.StartedAt.Equal(b.Playing.StartedAt) {
		return a.Playing.StartedAt.After(b.Playing.StartedAt)
	}
	return a.User.ID < b.User.ID
}

// resumesSooner orders entries by the end of the sharing pause, then by user.
func resumesSooner(a, b *entry) bool {
	if !a.pausedUntil.Equal(b.pausedUntil) {
		return a.pausedUntil.Before(b.pausedUntil)
	}
	return a.User.ID < b.User.ID
}
