package board

import (
	"time"

	"github.com/tidwall/btree"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// crowd is everyone who may be shown, in order. It is not safe for concurrent
// use and knows no clock.
type index struct {
	byUser  map[songspy.UserID]*entry
	visible *btree.BTreeG[*entry] // who shares, newest start first
	paused  *btree.BTreeG[*entry] // who does not for a while, by the end of that
}

func newIndex() *index {
	unlocked := btree.Options{NoLocks: true}
	return &index{
		byUser:  map[songspy.UserID]*entry{},
		visible: btree.NewBTreeGOptions(startedLater, unlocked),
		paused:  btree.NewBTreeGOptions(resumesSooner, unlocked),
	}
}

// put replaces what is known of a person.
func (c *index) put(p songspy.BoardEntry, now time.Time) {
	c.remove(p.User.ID)
	p.Playing = p.Playing.CorrectClock(now)
	e, ok := newEntry(p)
	if !ok || e.isExpired(now) {
		return
	}
	c.byUser[p.User.ID] = e
	if e.pausedUntil.After(now) {
		c.paused.Set(e)
	} else {
		c.visible.Set(e)
	}
}

// drop forgets a person.
func (c *index) remove(id songspy.UserID) {
	if e, ok := c.byUser[id]; ok {
		delete(c.byUser, id)
		c.visible.Delete(e)
		c.paused.Delete(e)
	}
}

// top is the first n of those shown now, and the moment until which that is
// the answer; zero if only news can change it.
func (c *index) top(n int, now time.Time) ([]songspy.BoardEntry, time.Time) {
	c.resumePaused(now)
	var until time.Time
	sooner := func(t time.Time) {
		if until.IsZero() || t.Before(until) {
			until = t
		}
	}
	top := make([]songspy.BoardEntry, 0, n)
	c.visible.Scan(func(e *entry) bool {
		if !e.isExpired(now) {
			top = append(top, e.BoardEntry)
			sooner(e.expiresAt)
		}
		return len(top) < n
	})
	if e, ok := c.paused.Min(); ok {
		sooner(e.pausedUntil)
	}
	return top, until
}

// unhide moves those whose pause in sharing is over to those who are shown.
func (c *index) resumePaused(now time.Time) {
	for {
		e, ok := c.paused.Min()
		if !ok || e.pausedUntil.After(now) {
			return
		}
		c.paused.Delete(e)
		c.visible.Set(e)
	}
}

// prune forgets those whose song is over. It puts those back in order whose
// song lies ahead because the clock was set back, and reports whether any does.
func (c *index) prune(now time.Time) (reordered bool) {
	for id, e := range c.byUser {
		switch {
		case e.isExpired(now):
			c.remove(id)
		case e.Playing.CorrectClock(now) != e.Playing:
			c.put(e.BoardEntry, now)
			reordered = true
		}
	}
	return reordered
}

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
