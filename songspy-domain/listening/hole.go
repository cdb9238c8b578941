package listening

import (
	"cmp"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// lingers is how long a player goes on showing what stands still.
const lingers = 40 * time.Minute

// placeAll places the items but those that it is too early for: first those that
// lie nearest to a play that they may tell of. Placing one may make room for
// another, or show that it was not too early for it.
func (r *reconciliation) placeAll(items []songspy.HistoryItem) {
	slices.SortStableFunc(items, func(a, b songspy.HistoryItem) int { return cmp.Compare(r.nearest(a), r.nearest(b)) })
	for placed := true; placed; {
		left := slices.DeleteFunc(slices.Clone(items), func(i songspy.HistoryItem) bool { return !r.early(i) && r.place(i) })
		placed, items = len(left) < len(items), left
	}
	for _, item := range items {
		if r.early(item) || item.PlayedAt.Add(item.Track.Duration()).After(r.until) && r.read != readingEnd {
			r.waits = append(r.waits, item)
		} else {
			r.slots = append(r.slots, slot{item: item}) // remembered as unplaced
		}
	}
}

// nearest is how far an item lies from the nearest play that it may tell of, as
// far as plays stand still.
func (r *reconciliation) nearest(item songspy.HistoryItem) time.Duration {
	off := lingers
	for _, s := range r.slots {
		if s.untold(item) {
			off = min(off, s.off(item, r.read))
		}
	}
	return off
}

// place makes a play of an item that nothing kept tells of, where a hole
// between its neighbours holds it.
func (r *reconciliation) place(item songspy.HistoryItem) bool {
	readings := []reading{r.read}
	if r.read == readingUnknown {
		readings = []reading{readingStart, readingEnd}
	}
	for _, read := range readings {
		from, to, edge := item.PlayedAt, item.PlayedAt.Add(item.Track.Duration()), item.PlayedAt
		if read == readingEnd {
			from, to, edge = item.PlayedAt.Add(-item.Track.Duration()), item.PlayedAt, item.PlayedAt.Add(-aside)
		}
		if read == readingEnd && r.wentOn(item, edge) || r.tellsOf(item, from, to) || r.split(item) ||
			r.beganBefore(item, edge) || r.fill(item, from, to, edge) {
			return true
		}
	}
	return false
}

// early reports whether a play of the item's track is over for so short a time
// that history may have yet to tell of it. Which of the two the item tells of
// is known once both could be told.
func (r *reconciliation) early(item songspy.HistoryItem) bool {
	return slices.ContainsFunc(r.slots, func(s slot) bool {
		return s.untold(item) && r.justOver(s) && s.Play.StartedAt.Sub(item.PlayedAt) <= lingers
	})
}

// tellsOf marks the play that an item tells of although it lies far from both
// its edges: one whose start or end was put too late or too early, and which the
// item's span overlaps.
func (r *reconciliation) tellsOf(item songspy.HistoryItem, from, to time.Time) bool {
	for j := range r.slots {
		s := &r.slots[j]
		if !s.untold(item) {
			continue
		}
		if earlier(to, s.Play.EndedAt).Sub(later(from, s.Play.StartedAt)) > aside {
			s.item = item
			return true
		}
	}
	return false
}

// wentOn marks the last play before an edge as the one that ended there: the
// same track, left standing still before its end as far as anybody saw. How
// much of the rest was heard nobody knows.
func (r *reconciliation) wentOn(item songspy.HistoryItem, edge time.Time) bool {
	last, high := -1, r.until
	for j, s := range r.slots {
		switch {
		case s.Play.StartedAt.IsZero():
		case !s.Play.StartedAt.Before(edge):
			high = earlier(high, s.Play.StartedAt)
		case last < 0 || !s.Play.StartedAt.Before(r.slots[last].Play.StartedAt):
			last = j
		}
	}
	if last < 0 {
		return false
	}
	s := &r.slots[last]
	if !s.untold(item) || s.Play.EndedAt.After(high) {
		return false
	}
	s.item = item
	s.Play.EndedAt = later(s.Play.EndedAt, earlier(item.PlayedAt, high))
	s.Play.Provisional = true
	return true
}

// beganBefore marks the first play after an edge as the one that the item tells
// of: the same track, which stood still for a while before anybody saw it, so
// that its start was put too late. Had it been heard twice, an item of its own
// would tell of it.
func (r *reconciliation) beganBefore(item songspy.HistoryItem, edge time.Time) bool {
	next := -1
	for j, s := range r.slots {
		if !s.Play.StartedAt.Before(edge) && (next < 0 || s.Play.StartedAt.Before(r.slots[next].Play.StartedAt)) {
			next = j
		}
	}
	if next < 0 {
		return false
	}
	s := &r.slots[next]
	if !s.untold(item) || s.Play.StartedAt.Sub(edge) > lingers {
		return false
	}
	s.item = item
	return true
}

// fill puts an item into the time between from and to, as far as it is free
// after the plays that began before the edge, and before the others. Only the
// edge is told; a play that was cut short reaches no further than it may.
func (r *reconciliation) fill(item songspy.HistoryItem, from, to, edge time.Time) bool {
	low, high := time.Time{}, r.until
	for _, s := range r.slots {
		switch {
		case s.Play.StartedAt.IsZero():
		case s.Play.StartedAt.Before(edge):
			low = later(low, s.proven())
		case s.Play.StartedAt.Before(high):
			high = s.Play.StartedAt
		}
	}
	clipped := from.Before(low.Add(-aside)) || to.After(high.Add(aside))
	from, to = later(from, low), earlier(to, high)
	listened := to.Sub(from)
	if listened <= 0 || !songspy.Counts(ms(listened), item.Track.DurationMS) {
		return false
	}
	for j := range r.slots {
		if s := &r.slots[j]; s.Play.StartedAt.Before(edge) {
			s.makeRoom(from)
		}
	}
	s := slot{item: item, fresh: true, clipped: clipped, elastic: edge.Equal(item.PlayedAt)}
	s.Track = item.Track
	s.Play = songspy.Play{
		TrackURI: item.Track.URI, StartedAt: from, EndedAt: to, ListenedMS: ms(listened),
		Source: songspy.SourceHistory,
	}
	r.slots = append(r.slots, s)
	return true
}

// followed reports whether another play begins where this one ends.
func (r *reconciliation) followed(s slot) bool {
	for _, other := range r.slots {
		if gap := other.Play.StartedAt.Sub(s.Play.EndedAt); gap >= 0 && gap <= aside {
			return true
		}
	}
	return false
}
