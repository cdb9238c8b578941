package listening

import (
	"cmp"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Known is a play that is already kept, as history is held against it.
type Known struct {
	Play  songspy.Play
	Track songspy.Track
	// HeardAt is the history item that this play was matched with before; zero: none.
	HeardAt time.Time
}

// Confirmed is a known play that a history item was matched with, or whose
// unwitnessed tail had to make room for another one (then HeardAt is zero).
type Confirmed struct {
	Play    songspy.Play
	HeardAt time.Time
}

// Found is a play that only history knows.
type Found struct {
	Play    songspy.Play
	Track   songspy.Track
	HeardAt time.Time
}

// Reconciled is what an answer of history adds up to.
type Reconciled struct {
	Confirmed []Confirmed
	Found     []Found
	// Unplaced are items that fit nowhere: there is no hole between their
	// neighbours. They are noted so that they are not tried again.
	Unplaced []songspy.HistoryItem
}

// Reconcile holds an answer of history against the plays that are kept around
// it. known are the person's plays, tombstones included, that reach into the
// time that the items cover, told the times of the items that were reconciled
// before (placed or not), and until bounds what history may fill: the start of
// the open play, or now.
//
// Items are matched in order and one to one, by the start or by the end of a
// play. An item that was told before is passed over, so an answer seen twice
// changes nothing.
func Reconcile(known []Known, told []time.Time, items []songspy.HistoryItem, until time.Time) Reconciled {
	r := reconciliation{until: until}
	done := map[int64]bool{}
	for _, at := range told {
		done[at.UnixMicro()] = true
	}
	for _, k := range known {
		r.slots = append(r.slots, slot{Known: k})
		done[k.HeardAt.UnixMicro()] = true
	}
	slices.SortFunc(r.slots, func(a, b slot) int { return a.Play.StartedAt.Compare(b.Play.StartedAt) })
	for _, item := range items {
		if at := item.PlayedAt.UnixMicro(); !done[at] {
			done[at] = true
			r.items = append(r.items, item)
		}
	}
	slices.SortFunc(r.items, func(a, b songspy.HistoryItem) int { return a.PlayedAt.Compare(b.PlayedAt) })
	matched := r.align()
	r.confirm(matched)
	for i, item := range r.items {
		if matched[i] < 0 {
			r.place(item)
		}
	}
	return r.result()
}

// reading is which edge of a play the provider's time tells for this person.
type reading int

const (
	readingUnknown reading = iota
	readingStart
	readingEnd
)

type reconciliation struct {
	slots []slot // by start
	items []songspy.HistoryItem
	until time.Time
	read  reading
}

// confirm marks the matched slots, and learns from those that tell start and
// end apart which of them this person's history means.
func (r *reconciliation) confirm(matched []int) {
	votes := 0
	for i, j := range matched {
		if j < 0 {
			continue
		}
		s := &r.slots[j]
		s.item = r.items[i]
		if start, end := s.distance(s.item); s.Play.EndedAt.Sub(s.Play.StartedAt) > 2*aside {
			votes += cmp.Compare(end, start)
		}
	}
	switch {
	case votes > 0:
		r.read = readingStart
	case votes < 0:
		r.read = readingEnd
	}
	for j := range r.slots {
		if s := &r.slots[j]; !s.item.PlayedAt.IsZero() && s.Play.Provisional && s.Play.DeletedAt == nil {
			r.settle(s)
		}
	}
}

// settle uses a history item to decide the unwitnessed tail of a play. Where
// history tells the end, that is the end. Where it tells the start, the play
// was heard, and nobody knows how much of its tail.
func (r *reconciliation) settle(s *slot) {
	if _, off := s.distance(s.item); r.read == readingEnd && off <= aside {
		end := clamp(s.item.PlayedAt, s.proven(), s.Play.EndedAt)
		s.Play.ListenedMS += ms(end.Sub(s.proven()))
		if most := s.Track.DurationMS; most > 0 {
			s.Play.ListenedMS = min(s.Play.ListenedMS, most) // it may have been paused
		}
		s.Play.EndedAt = end
		s.Play.Provisional = false
	}
}

func (r *reconciliation) result() Reconciled {
	var out Reconciled
	for _, s := range r.slots {
		switch {
		case s.fresh:
			s.Play.Provisional = s.clipped || r.read != readingEnd && !r.followed(s)
			out.Found = append(out.Found, Found{Play: s.Play, Track: s.Track, HeardAt: s.item.PlayedAt})
		case s.Play.StartedAt.IsZero():
			out.Unplaced = append(out.Unplaced, s.item)
		case s.moved || !s.item.PlayedAt.IsZero():
			out.Confirmed = append(out.Confirmed, Confirmed{Play: s.Play, HeardAt: s.item.PlayedAt})
		}
	}
	slices.SortFunc(out.Found, func(a, b Found) int { return a.Play.StartedAt.Compare(b.Play.StartedAt) })
	return out
}
