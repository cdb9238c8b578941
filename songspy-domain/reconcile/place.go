package reconcile

import (
	"cmp"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

// lingers is how long a player goes on showing what stands still.
const pausedShownMax = 40 * time.Minute

// placeAll places the items but those that it is too early for: first those that
// lie nearest to a play that they may tell of. Placing one may make room for
// another, or show that it was not too early for it.
func (r *reconciler) placeItems(items []songspy.HistoryItem) {
	slices.SortStableFunc(items, func(a, b songspy.HistoryItem) int { return cmp.Compare(r.nearestDistance(a), r.nearestDistance(b)) })
	for placed := true; placed; {
		left := slices.DeleteFunc(slices.Clone(items), func(i songspy.HistoryItem) bool { return !r.isTooEarly(i) && r.placeItem(i) })
		placed, items = len(left) < len(items), left
	}
	for _, item := range items {
		if r.isTooEarly(item) || item.PlayedAt.Add(item.Track.Duration()).After(r.knownUntil) && r.edge != edgeEnd {
			r.pending = append(r.pending, item)
		} else {
			r.candidates = append(r.candidates, candidate{item: item}) // remembered as unplaced
		}
	}
}

// nearest is how far an item lies from the nearest play that it may tell of, as
// far as plays stand still.
func (r *reconciler) nearestDistance(item songspy.HistoryItem) time.Duration {
	distance := pausedShownMax
	for _, s := range r.candidates {
		if s.accepts(item) {
			distance = min(distance, s.distanceTo(item, r.edge))
		}
	}
	return distance
}

// place makes a play of an item that nothing kept tells of, where a hole
// between its neighbours holds it.
func (r *reconciler) placeItem(item songspy.HistoryItem) bool {
	edges := []playEdge{r.edge}
	if r.edge == edgeUnknown {
		edges = []playEdge{edgeStart, edgeEnd}
	}
	for _, whichEdge := range edges {
		from, to, edge := item.PlayedAt, item.PlayedAt.Add(item.Track.Duration()), item.PlayedAt
		if whichEdge == edgeEnd {
			from, to, edge = item.PlayedAt.Add(-item.Track.Duration()), item.PlayedAt, item.PlayedAt.Add(-matchTolerance)
		}
		if whichEdge == edgeEnd && r.extendLast(item, edge) || r.claimOverlapping(item, from, to) || r.splitPlay(item) ||
			r.claimNext(item, edge) || r.addFromHistory(item, from, to, edge) {
			return true
		}
	}
	return false
}

// early reports whether a play of the item's track is over for so short a time
// that history may have yet to tell of it. Which of the two the item tells of
// is known once both could be told.
func (r *reconciler) isTooEarly(item songspy.HistoryItem) bool {
	return slices.ContainsFunc(r.candidates, func(s candidate) bool {
		return s.accepts(item) && r.endedRecently(s) && s.Play.StartedAt.Sub(item.PlayedAt) <= pausedShownMax
	})
}

// tellsOf marks the play that an item tells of although it lies far from both
// its edges: one whose start or end was put too late or too early, and which the
// item's span overlaps.
func (r *reconciler) claimOverlapping(item songspy.HistoryItem, from, to time.Time) bool {
	for j := range r.candidates {
		s := &r.candidates[j]
		if !s.accepts(item) {
			continue
		}
		if instant.Earlier(to, s.Play.EndedAt).Sub(instant.Later(from, s.Play.StartedAt)) > matchTolerance {
			s.item = item
			return true
		}
	}
	return false
}

// wentOn marks the last play before an edge as the one that ended there: the
// same track, left standing still before its end as far as anybody saw. How
// much of the rest was heard nobody knows.
func (r *reconciler) extendLast(item songspy.HistoryItem, edge time.Time) bool {
	last, high := -1, r.knownUntil
	for j, s := range r.candidates {
		switch {
		case s.Play.StartedAt.IsZero():
		case !s.Play.StartedAt.Before(edge):
			high = instant.Earlier(high, s.Play.StartedAt)
		case last < 0 || !s.Play.StartedAt.Before(r.candidates[last].Play.StartedAt):
			last = j
		}
	}
	if last < 0 {
		return false
	}
	s := &r.candidates[last]
	if !s.accepts(item) || s.Play.EndedAt.After(high) {
		return false
	}
	s.item = item
	s.Play.EndedAt = instant.Later(s.Play.EndedAt, instant.Earlier(item.PlayedAt, high))
	s.Play.Provisional = true
	return true
}

// beganBefore marks the first play after an edge as the one that the item tells
// of: the same track, which stood still for a while before anybody saw it, so
// that its start was put too late. Had it been heard twice, an item of its own
// would tell of it.
func (r *reconciler) claimNext(item songspy.HistoryItem, edge time.Time) bool {
	next := -1
	for j, s := range r.candidates {
		if !s.Play.StartedAt.Before(edge) && (next < 0 || s.Play.StartedAt.Before(r.candidates[next].Play.StartedAt)) {
			next = j
		}
	}
	if next < 0 {
		return false
	}
	s := &r.candidates[next]
	if !s.accepts(item) || s.Play.StartedAt.Sub(edge) > pausedShownMax {
		return false
	}
	s.item = item
	return true
}

// fill puts an item into the time between from and to, as far as it is free
// after the plays that began before the edge, and before the others. Only the
// edge is told; a play that was cut short reaches no further than it may.
func (r *reconciler) addFromHistory(item songspy.HistoryItem, from, to, edge time.Time) bool {
	low, high := time.Time{}, r.knownUntil
	for _, s := range r.candidates {
		switch {
		case s.Play.StartedAt.IsZero():
		case s.Play.StartedAt.Before(edge):
			low = instant.Later(low, s.provenEnd())
		case s.Play.StartedAt.Before(high):
			high = s.Play.StartedAt
		}
	}
	clipped := from.Before(low.Add(-matchTolerance)) || to.After(high.Add(matchTolerance))
	from, to = instant.Later(from, low), instant.Earlier(to, high)
	listened := to.Sub(from)
	if listened <= 0 || !songspy.IsCounted(listened.Milliseconds(), item.Track.DurationMS) {
		return false
	}
	for j := range r.candidates {
		if s := &r.candidates[j]; s.Play.StartedAt.Before(edge) {
			s.endBefore(from)
		}
	}
	s := candidate{item: item, isNew: true, clipped: clipped, endUnknown: edge.Equal(item.PlayedAt)}
	s.Track = item.Track
	s.Play = songspy.Play{
		TrackURI: item.Track.URI, StartedAt: from, EndedAt: to, ListenedMS: listened.Milliseconds(),
		Source: songspy.SourceHistory,
	}
	r.candidates = append(r.candidates, s)
	return true
}

// followed reports whether another play begins where this one ends.
func (r *reconciler) isFollowed(s candidate) bool {
	for _, other := range r.candidates {
		if gap := other.Play.StartedAt.Sub(s.Play.EndedAt); gap >= 0 && gap <= matchTolerance {
			return true
		}
	}
	return false
}

// split makes two plays of one that history tells of twice: its track was begun
// anew, which looks like a pause if the song is further in when it is looked at
// again, and else as if somebody had sought back.
func (r *reconciler) splitPlay(item songspy.HistoryItem) bool {
	for j := range r.candidates {
		s := &r.candidates[j]
		reported := s.playedAt()
		if s.Play.Source == songspy.SourceHistory || s.Play.StartedAt.IsZero() || s.Play.DeletedAt != nil ||
			reported.IsZero() || !isSameRecording(s.Track, item.Track) {
			continue
		}
		first, last := instant.Earlier(reported, item.PlayedAt), instant.Later(reported, item.PlayedAt)
		if slices.ContainsFunc(r.candidates, func(o candidate) bool {
			return o.Play.StartedAt.After(first) && o.Play.StartedAt.Before(s.Play.StartedAt)
		}) {
			continue // something else was heard in between
		}
		byEnd := last.Sub(s.Play.EndedAt).Abs() <= matchTolerance
		restart := last
		if byEnd {
			restart = first
		}
		rest := s.Play.EndedAt.Sub(restart)
		listened := min(s.Play.ListenedMS, rest.Milliseconds())
		swap := byEnd && reported.Equal(last) // the item that it was told by is the second's
		if restart.Sub(s.Play.StartedAt) < songspy.HistoryPlayMin || rest < songspy.HistoryPlayMin || !songspy.IsCounted(listened, s.Track.DurationMS) ||
			swap && !s.PlayedAt.IsZero() { // the ledger has it otherwise
			continue
		}
		second := candidate{StoredPlay: s.StoredPlay, item: item, isNew: true, clipped: true}
		second.Play.ID, second.PlayedAt = 0, time.Time{}
		second.Play.Probable = false
		second.Play.StartedAt, second.Play.ListenedMS = restart, listened
		if byEnd { // what was heard of it came last
			second.Play.StartedAt = s.Play.EndedAt.Add(-instant.Milliseconds(listened))
		}
		if swap {
			second.item, s.item = s.item, item
		}
		second.Play.InferredMS = min(s.Play.InferredMS, listened)
		// What was seen of the first; when in it, nobody knows.
		seen := s.observedMS() - (listened - second.Play.InferredMS)
		s.Play.EndedAt, s.changed = restart, true
		s.Play.ListenedMS, s.Play.Provisional = restart.Sub(s.Play.StartedAt).Milliseconds(), true
		if most := s.Track.DurationMS; most > 0 {
			s.Play.ListenedMS = min(s.Play.ListenedMS, most)
		}
		s.Play.InferredMS = max(0, s.Play.ListenedMS-seen)
		r.candidates = append(r.candidates, second)
		return true
	}
	return false
}
