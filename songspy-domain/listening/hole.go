package listening

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// place makes a play of an item that nothing kept tells of, where a hole
// between its neighbours holds it.
func (r *reconciliation) place(item songspy.HistoryItem) {
	readings := []reading{r.read}
	if r.read == readingUnknown {
		readings = []reading{readingStart, readingEnd}
	}
	for _, read := range readings {
		from, to := item.PlayedAt, item.PlayedAt.Add(item.Track.Duration())
		if read == readingEnd {
			from, to = item.PlayedAt.Add(-item.Track.Duration()), item.PlayedAt
		}
		if r.tellsOf(item, from, to) || r.fill(item, from, to) {
			return
		}
	}
	r.slots = append(r.slots, slot{item: item}) // remembered as unplaced
}

// tellsOf marks the play that an item tells of although it lies far from both
// its edges: one whose unwitnessed start or end was put too late or too early,
// and which the item's span overlaps.
func (r *reconciliation) tellsOf(item songspy.HistoryItem, from, to time.Time) bool {
	for j := range r.slots {
		s := &r.slots[j]
		if s.fresh || !s.Play.Provisional || !s.HeardAt.IsZero() || !s.item.PlayedAt.IsZero() || !sameTrack(s.Track, item.Track) {
			continue
		}
		if earlier(to, s.Play.EndedAt).Sub(later(from, s.Play.StartedAt)) > aside {
			s.item = item
			return true
		}
	}
	return false
}

// fill puts an item into the time between from and to, as far as it is free.
func (r *reconciliation) fill(item songspy.HistoryItem, from, to time.Time) bool {
	middle := from.Add(to.Sub(from) / 2)
	low, high := time.Time{}, r.until
	before := -1
	for j, s := range r.slots {
		switch {
		case s.Play.StartedAt.IsZero():
		case s.Play.StartedAt.Before(middle):
			if reach := s.proven(); reach.After(low) {
				low, before = reach, j
			}
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
	if before >= 0 && r.slots[before].Play.EndedAt.After(from) {
		r.slots[before].Play.EndedAt, r.slots[before].moved = from, true
	}
	s := slot{item: item, fresh: true, clipped: clipped}
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
