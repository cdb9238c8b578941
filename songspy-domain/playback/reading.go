package playback

import (
	"slices"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// reading is which edge of a play the provider's time tells for this person.
type playEdge int

const (
	edgeUnknown playEdge = iota
	edgeStart
	edgeEnd
)

// votes is how much speaks for either reading.
type edgeVotes struct{ start, end int }

// against is how much speaks for the other reading.
func (v edgeVotes) against(whichEdge playEdge) int {
	if whichEdge == edgeStart {
		return v.end
	}
	return v.start
}

// inARow counts for which reading those items speak of which one plays right
// after the other.
func consecutiveVotes(items []songspy.HistoryItem) (v edgeVotes) {
	for i := 1; i < len(items); i++ {
		apart := items[i].PlayedAt.Sub(items[i-1].PlayedAt)
		start, end := (apart - items[i-1].Track.Duration()).Abs(), (apart - items[i].Track.Duration()).Abs()
		switch {
		case start <= jitter && end > matchTolerance:
			v.start++
		case end <= jitter && start > matchTolerance:
			v.end++
		}
	}
	return v
}

// What speaks against a reading, by how much.
const (
	costPending       = 1 // an item that may tell of a play that is just over
	costOffEdge       = 2 // a play is told of, but by neither of its edges
	costContradiction = 3 // an item far from the edge that others of this person lie at
	costAdded         = 3 // a play that nobody saw
	costUnmatched     = 4 // a play that was seen nowhere and has no room
)

// learn decides which edge this person's history means: that by which it
// agrees best with what is kept and with what it told before. What history does
// not tell of says nothing: whole sessions never reach it.
func (r *reconciler) inferEdge() {
	if r.isAmbiguousLoop() {
		r.edge = edgeUnknown
		return
	}
	switch start, end := r.cost(edgeStart), r.cost(edgeEnd); {
	case start < end:
		r.edge = edgeStart
	case end < start:
		r.edge = edgeEnd
	default:
		r.edge = edgeUnknown
	}
}

// loops reports whether an answer tells of one track alone, over and over, and
// nothing of this person was told before: it agrees with either reading, but for
// a pause, or a round that nobody saw, and those have either edge lie.
func (r *reconciler) isAmbiguousLoop() bool {
	if r.consecutive != (edgeVotes{}) || slices.ContainsFunc(r.candidates, func(s candidate) bool { return !s.playedAt().IsZero() && s.Play.Source == songspy.SourceLive }) {
		return false
	}
	other := slices.ContainsFunc(r.items, func(i songspy.HistoryItem) bool { return !isSameRecording(i.Track, r.items[0].Track) })
	return !other && slices.ContainsFunc(r.items, func(i songspy.HistoryItem) bool {
		_, ambiguous := r.playedAtEdge(i)
		return ambiguous
	})
}

// cost is what speaks against a reading.
func (r *reconciler) cost(whichEdge playEdge) (sum float64) {
	trial := *r
	trial.candidates, trial.edge = slices.Clone(r.candidates), whichEdge
	sum = float64(costContradiction * r.consecutive.against(whichEdge))
	for _, s := range r.candidates {
		if distance := s.distanceTo(songspy.HistoryItem{PlayedAt: s.playedAt()}, whichEdge); !s.playedAt().IsZero() && distance > matchTolerance {
			sum += costContradiction
		}
	}
	for i, j := range trial.matchAll() {
		item := r.items[i]
		switch pending := trial.isPending(item); {
		case pending && trial.isTooEarly(item):
			sum += costPending
		case pending:
			sum += costAdded
		case j < 0 && item.PlayedAt.Before(r.knownUntil.Add(-matchTolerance)):
			sum += costOffEdge
		case j >= 0:
			sum += float64(r.candidates[j].distanceTo(item, whichEdge)/jitter) / 100 // of two that fit, the better
		}
	}
	out := trial.result()
	sum += float64((costAdded-costOffEdge)*len(out.Added) + (costUnmatched-costOffEdge)*len(out.Unmatched))
	return sum
}

// awaits reports whether an item is left for another answer.
func (r *reconciler) isPending(item songspy.HistoryItem) bool {
	return slices.ContainsFunc(r.pending, func(w songspy.HistoryItem) bool { return w.PlayedAt.Equal(item.PlayedAt) })
}

// awaitsTrack reports whether an item of a track is left for another answer.
func (r *reconciler) isTrackPending(track songspy.Track) bool {
	of := func(i songspy.HistoryItem) bool { return isSameRecording(i.Track, track) }
	return slices.ContainsFunc(r.pending, of) || slices.ContainsFunc(r.deferred, of)
}

// tellable reports whether history would have told of a play by now, if it was
// heard as it is kept.
func (r *reconciler) shouldBeListed(s candidate) bool {
	return s.Play.ListenedMS >= toMillis(listedPlayMin) && r.isCoveredByHistory(s)
}

// asked reports whether history would have told of a play by now, if it was
// heard for long enough.
func (r *reconciler) isCoveredByHistory(s candidate) bool {
	at := s.Play.StartedAt.Add(-s.Track.Duration()) // it may have stood still unseen
	if r.edge == edgeEnd {
		at = s.provenEnd().Add(-matchTolerance)
	}
	return at.After(r.completeSince) && !r.endedRecently(s) && s.isListable()
}

// mayCome reports whether history may have yet to tell of a play that is kept.
func (r *reconciler) mayBeListedLater(s candidate) bool {
	return !s.isNew && s.playedAt().IsZero() && r.endedRecently(s) && s.isListable()
}

// justOver reports whether a play ended so shortly before all is known that
// history may not list it yet.
func (r *reconciler) endedRecently(s candidate) bool {
	return s.Play.EndedAt.Add(historyDelayMax).After(r.knownUntil)
}

// undecided are the items that wait until this person's reading is known: all
// of a track of which one lies between two plays that it may tell of.
func (r *reconciler) ambiguousItems() []bool {
	wait := make([]bool, len(r.items))
	for _, between := range r.items {
		if _, ambiguous := r.playedAtEdge(between); r.edge == edgeUnknown && ambiguous {
			for i, item := range r.items {
				wait[i] = wait[i] || isSameRecording(item.Track, between.Track)
			}
		}
	}
	return wait
}
