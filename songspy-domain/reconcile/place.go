package reconcile

import (
	"cmp"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

// pausedShownMax is the longest time for which polls of a paused player still
// show its track.
const pausedShownMax = 40 * time.Minute

// placeItems assigns the history items that match no play: each to a stored play, or to
// a new one. It begins with the item that is nearest to a play of its track. It repeats
// as long as it assigns items, because assigning one may free time for another. A remaining
// item becomes pending if it cannot be judged yet, and unmatched otherwise.
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
			r.addUnmatched(item)
		}
	}
}

// addUnmatched adds a candidate without a start for an item that belongs to no
// play, so that the result lists the item as unmatched.
func (r *reconciler) addUnmatched(item songspy.HistoryItem) {
	r.candidates = append(r.candidates, candidate{StoredPlay: songspy.StoredPlay{Track: item.Track}, item: item})
}

// nearestDistance returns how far the time of a history item is from the edge (start or
// end) of the nearest play that may accept it, or pausedShownMax if none is nearer. If
// PlayedAt is an end, plays that began after the item are left out, because the items
// after their start fit them better.
func (r *reconciler) nearestDistance(item songspy.HistoryItem) time.Duration {
	distance := pausedShownMax
	for _, s := range r.candidates {
		if s.accepts(item) && (r.edge != edgeEnd || !item.PlayedAt.Before(s.Play.StartedAt)) {
			distance = min(distance, s.distanceTo(item, r.edge))
		}
	}
	return distance
}

// placeItem gives an unmatched history item to the stored play that it belongs to, or
// adds a new play for it. It returns false if no play fits and no time is free for a new
// one. If it is unknown whether PlayedAt is the start or the end, it tries the start
// first.
func (r *reconciler) placeItem(item songspy.HistoryItem) bool {
	edges := []playEdge{r.edge}
	if r.edge == edgeUnknown {
		edges = []playEdge{edgeStart, edgeEnd}
	}
	for _, whichEdge := range edges {
		// If the track was played without a pause, it was played between the times from and to.
		// Plays that began before the time edge are earlier than the play of the item.
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

// isTooEarly reports whether the history item must wait for a later answer of history, because
// another item may fit the same play better. It looks at the plays that accept the item, except
// those that began more than pausedShownMax after it. The item must wait if one of these plays
//   - ended so recently that history may still add another item for it, or
//   - has a nearer item of the same track among the deferred items (see DeferOpenPlay).
func (r *reconciler) isTooEarly(item songspy.HistoryItem) bool {
	return slices.ContainsFunc(r.candidates, func(s candidate) bool {
		return s.accepts(item) && (r.endedRecently(s) || r.deferredFitsBetter(s, item)) && s.Play.StartedAt.Sub(item.PlayedAt) <= pausedShownMax
	})
}

// deferredFitsBetter reports whether a deferred item of the same track is nearer to
// play s than the given item.
func (r *reconciler) deferredFitsBetter(s candidate, item songspy.HistoryItem) bool {
	return slices.ContainsFunc(r.deferred, func(d songspy.HistoryItem) bool {
		return isSameRecording(d.Track, item.Track) && s.distanceTo(d, r.edge) < s.distanceTo(item, r.edge)
	})
}

// claimOverlapping gives the history item to a play of its track that overlaps the time
// between from and to by more than matchTolerance, although the start and the end of the
// play are far from the item. In such a play, polls placed the start or the end at the
// wrong time. It returns false if there is no such play.
func (r *reconciler) claimOverlapping(item songspy.HistoryItem, from, to time.Time) bool {
	for j := range r.candidates {
		s := &r.candidates[j]
		if !s.accepts(item) || r.hasItemBetween(item.PlayedAt, s.Play.StartedAt, item.Track) {
			continue
		}
		if instant.Earlier(to, s.Play.EndedAt).Sub(instant.Later(from, s.Play.StartedAt)) > matchTolerance {
			s.item = item
			r.correctStart(s)
			return true
		}
	}
	return false
}

// extendLast gives the history item to the last play that began before the time edge, if
// the track is the same, and extends the play to the time of the item: the track was
// paused when polls last saw it, and played to its end later. The play may have another
// item, from before its start, which claimNext gave it while the item at its end was not
// listed yet. Then that earlier item is placed again: it gets another play, or is unmatched.
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
	s, earlier := r.candidates[last], songspy.HistoryItem{}
	if at := s.playedAt(); !at.IsZero() && at.Before(s.Play.StartedAt) && s.Play.DeletedAt == nil {
		earlier = songspy.HistoryItem{Track: s.Track, PlayedAt: at}
		s.item, s.PlayedAt = songspy.HistoryItem{}, time.Time{}
	}
	if !s.accepts(item) || s.Play.EndedAt.After(high) || r.hasItemBetween(s.Play.EndedAt, item.PlayedAt, item.Track) {
		return false
	}
	s.item = item
	s.Play.EndedAt = instant.Later(s.Play.EndedAt, instant.Earlier(item.PlayedAt, high))
	s.Play.Provisional = true
	r.candidates[last] = s
	if !earlier.PlayedAt.IsZero() && !r.placeItem(earlier) {
		r.addUnmatched(earlier)
	}
	return true
}

// claimNext gives the history item to the first play that began at the time edge or
// later, if the track is the same and the play began at most pausedShownMax later: the
// track was paused before its first poll, so its start as computed from polls is too
// late. The track was not played twice, because then history would list two items.
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
	if !s.accepts(item) || s.Play.StartedAt.Sub(edge) > pausedShownMax || r.hasItemBetween(item.PlayedAt, s.Play.StartedAt, songspy.Track{}) {
		return false
	}
	s.item = item
	return true
}

// hasItemBetween reports whether history lists an item strictly between the times from and to.
// If so, no single play lasted from one time to the other. Items of the track that the argument
// except names do not count; with the zero Track all items count.
func (r *reconciler) hasItemBetween(from, to time.Time, except songspy.Track) bool {
	return !r.lastItemBetween(from, to, except).IsZero()
}

// lastItemBetween returns the time of the latest item that history lists strictly between the
// times from and to, leaving out items of the track except. It returns the zero time if there
// is none.
func (r *reconciler) lastItemBetween(from, to time.Time, except songspy.Track) (last time.Time) {
	visit := func(t songspy.Track, at time.Time) {
		if at.After(from) && at.Before(to) && !isSameRecording(t, except) {
			last = instant.Later(last, at)
		}
	}
	for _, s := range r.candidates {
		visit(s.Track, s.playedAt())
	}
	for _, i := range r.items {
		visit(i.Track, i.PlayedAt)
	}
	for _, i := range r.deferred {
		visit(i.Track, i.PlayedAt)
	}
	return last
}

// addFromHistory adds a play for a history item. The play lasts from the time from to
// the time to, cut so that it overlaps no other play: it begins after the proven ends of
// the plays that began before the time edge, and ends before the plays that began at
// that time or later, and before knownUntil. Inferred ends of earlier plays give way to
// it. addFromHistory returns false if the free time is too short for a play that counts.
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

// isFollowed reports whether another play begins where this one ends, at most
// matchTolerance later.
func (r *reconciler) isFollowed(s candidate) bool {
	return slices.ContainsFunc(r.candidates, func(other candidate) bool {
		gap := other.Play.StartedAt.Sub(s.Play.EndedAt)
		return gap >= 0 && gap <= matchTolerance
	})
}

// splitPlay handles a history item if another history item already belongs to an observed
// play of its track, and no other track was played in between. History then lists two plays
// where polls saw one: the user started the track again, and polls took that for a pause or
// for seeking back. splitPlay splits the play into two, one for each item. It returns false
// if there is no such play, or if it cannot be split, for example because one of the two
// would be too short for Spotify to list it.
func (r *reconciler) splitPlay(item songspy.HistoryItem) bool {
	for j := range r.candidates {
		s := &r.candidates[j]
		reported := s.playedAt()
		if s.Play.Source == songspy.SourceHistory || s.Play.StartedAt.IsZero() || s.Play.DeletedAt != nil ||
			reported.IsZero() || !isSameRecording(s.Track, item.Track) {
			continue
		}
		first, last := instant.Earlier(reported, item.PlayedAt), instant.Later(reported, item.PlayedAt)
		if r.hasItemBetween(first, last, item.Track) || slices.ContainsFunc(r.candidates, func(o candidate) bool {
			return o.Play.StartedAt.After(first) && o.Play.StartedAt.Before(s.Play.StartedAt)
		}) {
			continue // another track was played in between
		}
		late := last.Sub(s.Play.EndedAt)
		if r.edge == edgeEnd && late > matchTolerance {
			continue // the item is of a later play
		}
		byEnd := r.edge == edgeEnd || r.edge == edgeUnknown && late.Abs() <= matchTolerance
		restart := last
		if byEnd {
			restart = first
		}
		rest := s.Play.EndedAt.Sub(restart)
		listened := min(s.Play.ListenedMS, rest.Milliseconds())
		swap := byEnd && reported.Equal(last) // the play's present item is the end of the second part, so the parts exchange items
		if restart.Sub(s.Play.StartedAt) < songspy.HistoryPlayMin || rest < songspy.HistoryPlayMin || !songspy.IsCounted(listened, s.Track.DurationMS) ||
			swap && !s.PlayedAt.IsZero() { // the present item was stored by an earlier answer, so it cannot move to the second part
			continue
		}
		second := candidate{StoredPlay: s.StoredPlay, item: item, isNew: true, clipped: true}
		second.Play.ID, second.PlayedAt = 0, time.Time{}
		second.Play.Probable = false
		second.Play.StartedAt, second.Play.ListenedMS = restart, listened
		if byEnd { // the second part is what polls observed, and it lasted until the stored end
			second.Play.StartedAt = s.Play.EndedAt.Add(-instant.Milliseconds(listened))
		}
		if swap {
			second.item, s.item = s.item, item
		}
		second.Play.InferredMS = min(s.Play.InferredMS, listened)
		// The first part of the play keeps the observed listening time that the
		// second part does not take.
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
