package board

import (
	"time"

	"github.com/tidwall/btree"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// crowd is everyone who may be shown, in order. It is not safe for concurrent
// use and knows no clock.
type crowd struct {
	people map[songspy.UserID]*entry
	shown  *btree.BTreeG[*entry] // who shares, newest start first
	hidden *btree.BTreeG[*entry] // who does not for a while, by the end of that
}

func newCrowd() *crowd {
	unlocked := btree.Options{NoLocks: true}
	return &crowd{
		people: map[songspy.UserID]*entry{},
		shown:  btree.NewBTreeGOptions(newer, unlocked),
		hidden: btree.NewBTreeGOptions(returnsSooner, unlocked),
	}
}

// put replaces what is known of a person.
func (c *crowd) put(p songspy.OnBoard, now time.Time) {
	c.drop(p.User.ID)
	p.Playing = p.Playing.NotAhead(now)
	e, ok := entryOf(p)
	if !ok || e.over(now) {
		return
	}
	c.people[p.User.ID] = e
	if e.returns.After(now) {
		c.hidden.Set(e)
	} else {
		c.shown.Set(e)
	}
}

// drop forgets a person.
func (c *crowd) drop(id songspy.UserID) {
	if e, ok := c.people[id]; ok {
		delete(c.people, id)
		c.shown.Delete(e)
		c.hidden.Delete(e)
	}
}

// top is the first n of those shown now, and the moment until which that is
// the answer; zero if only news can change it.
func (c *crowd) top(n int, now time.Time) ([]songspy.OnBoard, time.Time) {
	c.unhide(now)
	var until time.Time
	sooner := func(t time.Time) {
		if until.IsZero() || t.Before(until) {
			until = t
		}
	}
	top := make([]songspy.OnBoard, 0, n)
	c.shown.Scan(func(e *entry) bool {
		if !e.over(now) {
			top = append(top, e.OnBoard)
			sooner(e.leaves)
		}
		return len(top) < n
	})
	if e, ok := c.hidden.Min(); ok {
		sooner(e.returns)
	}
	return top, until
}

// unhide moves those whose pause in sharing is over to those who are shown.
func (c *crowd) unhide(now time.Time) {
	for {
		e, ok := c.hidden.Min()
		if !ok || e.returns.After(now) {
			return
		}
		c.hidden.Delete(e)
		c.shown.Set(e)
	}
}

// prune forgets those whose song is over. It puts those back in order whose
// song lies ahead because the clock was set back, and reports whether any does.
func (c *crowd) prune(now time.Time) (reordered bool) {
	for id, e := range c.people {
		switch {
		case e.over(now):
			c.drop(id)
		case e.Playing.NotAhead(now) != e.Playing:
			c.put(e.OnBoard, now)
			reordered = true
		}
	}
	return reordered
}
