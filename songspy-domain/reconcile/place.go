package reconcile

import (
	"cmp"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

// pausedShownMax is how long a player shows a paused track.
const pausedShownMax = 40 * time.Minute

// placeItems places the unmatched items, the nearest to a play of its track
// first. An item that comes too early waits. Placing one item may make room for
// another.
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
			r.candidates = append(r.candidates, candidate{item: item}) // stored as unmatched
		}
	}
}

// nearestDistance returns how far an item lies from the nearest play that it may
// belong to, at most pausedShownMax.
func (r *reconciler) nearestDistance(item songspy.HistoryItem) time.Duration {
	distance := pausedShownMax
	for _, s := range r.candidates {
		if s.accepts(item) {
			distance = min(distance, s.distanceTo(item, r.edge))
		}
	}
	return distance
}

// placeItem finds the play that an unmatched item belongs to, or adds one. It
// reports false if there is no room.
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

// isTooEarly reports whether a play of the item's track ended so recently that
// history may list it later. Then it is not certain yet to which play the item
// belongs.
func (r *reconciler) isTooEarly(item songspy.HistoryItem) bool {
	return slices.ContainsFunc(r.candidates, func(s candidate) bool {
		return s.accepts(item) && r.endedRecently(s) && s.Play.StartedAt.Sub(item.PlayedAt) <= pausedShownMax
	})
}

// claimOverlapping gives the item to a play whose edges are far from it but
// whose span overlaps the item: polls saw its start or its end at the wrong
// time.
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

// extendLast gives the item to the last play before the edge and extends the
// play to it: the track was paused before its end when polls last saw it, and
// played on later.
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

// claimNext gives the item to the first play after the edge: the track was
// paused before its first poll, so that its start was put too late. If it had
// been played twice, history would list two items.
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

// addFromHistory adds a play between two times, as far as that interval is free:
// after the plays that began before the edge, and before all others. Inferred
// tails make room. It reports false if too little is free.
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

// isFollowed reports whether another play begins where this one ends.
func (r *reconciler) isFollowed(s candidate) bool {
	for _, other := range r.candidates {
		if gap := other.Play.StartedAt.Sub(s.Play.EndedAt); gap >= 0 && gap <= matchTolerance {
			return true
		}
	}
	return false
}

// splitPlay splits a stored play that history lists twice: the track was
// restarted, which looks like a pause or like seeking back between two polls.
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
			continue // another track was played in between
		}
		byEnd := last.Sub(s.Play.EndedAt).Abs() <= matchTolerance
		restart := last
		if byEnd {
			restart = first
		}
		rest := s.Play.EndedAt.Sub(restart)
		listened := min(s.Play.ListenedMS, rest.Milliseconds())
		swap := byEnd && reported.Equal(last) // the item that the play has belongs to the second part
		if restart.Sub(s.Play.StartedAt) < songspy.HistoryPlayMin || rest < songspy.HistoryPlayMin || !songspy.IsCounted(listened, s.Track.DurationMS) ||
			swap && !s.PlayedAt.IsZero() { // the stored items say otherwise
			continue
		}
		second := candidate{StoredPlay: s.StoredPlay, item: item, isNew: true, clipped: true}
		second.Play.ID, second.PlayedAt = 0, time.Time{}
		second.Play.Probable = false
		second.Play.StartedAt, second.Play.ListenedMS = restart, listened
		if byEnd { // the observed part came last
			second.Play.StartedAt = s.Play.EndedAt.Add(-instant.Milliseconds(listened))
		}
		if swap {
			second.item, s.item = s.item, item
		}
		second.Play.InferredMS = min(s.Play.InferredMS, listened)
		// The first part keeps the observed time that is left.
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
