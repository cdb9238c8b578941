package reconcile

import (
	"cmp"
	"slices"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

const (
	// matchTolerance is how far a history item may lie from the start or the end of
	// the play that it belongs to.
	matchTolerance = 15 * time.Second
	// jitter is how far two times of one event differ because of the network.
	jitter = 3 * time.Second
)

// relinkedOff is how far the lengths of one recording differ under two URIs.
const relinkedLengthTolerance = 2 * time.Second

// slot is a play on the person's time line.
type candidate struct {
	songspy.StoredPlay
	item       songspy.HistoryItem // what it was matched with now
	isNew      bool                // only history knows it
	changed    bool                // it turned out otherwise than it is kept
	clipped    bool                // fresh, and its hole was too small for it
	endUnknown bool                // fresh, and only its start was told
	removed    bool                // counted only by its inferred tail, which is no more, or is one with another
}

// proven is how far the play is proven to reach; what lies between that and
// its end is elastic.
func (s candidate) provenEnd() time.Time {
	if s.endUnknown {
		return s.Play.StartedAt
	}
	if s.Play.EndedAt.Sub(s.playedAt()).Abs() <= matchTolerance {
		return s.Play.EndedAt // history tells it
	}
	if s.Play.InferredMS > 0 {
		return s.Play.EndedAt.Add(-instant.Milliseconds(s.Play.InferredMS))
	}
	if !s.Play.Provisional {
		return s.Play.EndedAt
	}
	return instant.Earlier(s.Play.EndedAt, s.Play.StartedAt.Add(instant.Milliseconds(s.Play.ListenedMS)))
}

// takenBack reports whether a play is none after all: nothing tells of it, or
// nothing is left of what only history knew. What its person deleted stays.
func (s candidate) isRemoved() bool {
	counted := songspy.IsCounted(s.Play.ListenedMS, s.Track.DurationMS)
	none := s.removed && s.playedAt().IsZero() || s.Play.Source == songspy.SourceHistory && s.changed && !counted
	return none && !s.isNew && s.Play.DeletedAt == nil
}

// witnessed is how much of a play was seen to sound, in milliseconds.
func (s candidate) observedMS() int64 { return s.Play.ListenedMS - s.Play.InferredMS }

// listed reports whether a play was seen and is of what history lists.
func (s candidate) isListable() bool {
	return s.Play.Source == songspy.SourceLive && !songspy.IsNeverListed(s.Track.URI)
}

// heard is the time of the item that tells of the play; zero: none does.
func (s candidate) playedAt() time.Time { return instant.Later(s.PlayedAt, s.item.PlayedAt) }

// untold reports whether the play is kept, history has not told of it yet, and
// the item may.
func (s candidate) accepts(item songspy.HistoryItem) bool {
	return !s.isNew && s.Play.EndedAt.After(s.Play.StartedAt) && s.playedAt().IsZero() && isSameRecording(s.Track, item.Track)
}

// makeRoom ends the play by then, if it was thought to reach further.
func (s *candidate) endBefore(at time.Time) {
	if !s.Play.EndedAt.After(at) {
		return
	}
	s.dropTail(s.Play.EndedAt.Sub(at))
	s.Play.EndedAt, s.changed = at, true
	if s.isNew {
		s.Play.ListenedMS = at.Sub(s.Play.StartedAt).Milliseconds()
		if s.Play.Source == songspy.SourceLive {
			s.Play.InferredMS = s.Play.ListenedMS // what was seen of it may have been the rest
		}
	}
}

// doubt takes back so much of the inferred tail.
func (s *candidate) dropTail(tail time.Duration) {
	less := min(tail.Milliseconds(), s.Play.InferredMS)
	counted := songspy.IsCounted(s.Play.ListenedMS, s.Track.DurationMS)
	s.Play.ListenedMS -= less
	s.removed = s.removed || counted && !songspy.IsCounted(s.Play.ListenedMS, s.Track.DurationMS)
	s.Play.InferredMS -= less
	s.Play.Provisional = s.Play.Provisional || less > 0
}

// distance is how far an item lies from either edge of a play.
func (s candidate) edgeDistances(item songspy.HistoryItem) (start, end time.Duration) {
	start = item.PlayedAt.Sub(s.Play.StartedAt).Abs()
	switch at := item.PlayedAt; {
	case at.Before(s.provenEnd()):
		end = s.provenEnd().Sub(at)
	case at.After(s.Play.EndedAt):
		end = at.Sub(s.Play.EndedAt)
	}
	return start, end
}

// vote says which edge of the play an item tells of: 1 its start, -1 its end, 0
// if the play is too short to tell.
func (s candidate) edgeVote(item songspy.HistoryItem) int {
	if s.Play.EndedAt.Sub(s.Play.StartedAt) <= 2*matchTolerance {
		return 0
	}
	start, end := s.edgeDistances(item)
	return cmp.Compare(end, start)
}

// says is which edge an item tells, by the plays that it may tell of. It is
// torn if it lies at the end of one and at the start of another, as in a loop.
func (r *reconciler) playedAtEdge(item songspy.HistoryItem) (vote int, ambiguous bool) {
	for _, s := range r.candidates {
		start, end := s.edgeDistances(item)
		if !s.playedAt().IsZero() || !isSameRecording(s.Track, item.Track) || min(start, end) > matchTolerance {
			continue
		}
		v := s.edgeVote(item)
		if v*vote < 0 {
			return 0, true
		}
		vote = cmp.Compare(vote+v, 0)
	}
	return vote, false
}

// align pairs items with slots: as many as possible, in order, and among equal
// numbers those that lie nearest. For each item it gives the slot, or -1.
func (r *reconciler) alignItems() []int {
	type cell struct {
		pairs    int
		distance time.Duration
		step     byte // 'p'aired, 'i'tem left out, 's'lot left out
	}
	n, m := len(r.items), len(r.candidates)
	table := make([][]cell, n+1)
	for i := range table {
		table[i] = make([]cell, m+1)
		for j := range table[i] {
			var best cell
			better := func(c cell) {
				if best.step == 0 || c.pairs > best.pairs || c.pairs == best.pairs && c.distance < best.distance {
					best = c
				}
			}
			if i > 0 {
				better(cell{table[i-1][j].pairs, table[i-1][j].distance, 'i'})
			}
			if j > 0 {
				better(cell{table[i][j-1].pairs, table[i][j-1].distance, 's'})
			}
			if i > 0 && j > 0 {
				if distance, ok := r.matchDistance(i-1, j-1); ok {
					better(cell{table[i-1][j-1].pairs + 1, table[i-1][j-1].distance + distance, 'p'})
				}
			}
			table[i][j] = best
		}
	}
	matched := make([]int, n)
	for i := range matched {
		matched[i] = -1
	}
	for i, j := n, m; i > 0 || j > 0; {
		switch table[i][j].step {
		case 'p':
			i, j = i-1, j-1
			matched[i] = j
		case 'i':
			i--
		default:
			j--
		}
	}
	return matched
}

// fits reports whether an item can tell of a slot, and how far it lies off.
func (r *reconciler) matchDistance(i, j int) (time.Duration, bool) {
	s := r.candidates[j]
	if !s.playedAt().IsZero() || !isSameRecording(s.Track, r.items[i].Track) {
		return 0, false
	}
	distance := s.distanceTo(r.items[i], r.edge)
	return distance, distance <= matchTolerance
}

// off is how far an item lies from the edge of a play that a reading means.
func (s candidate) distanceTo(item songspy.HistoryItem, whichEdge playEdge) time.Duration {
	switch start, end := s.edgeDistances(item); whichEdge {
	case edgeStart:
		return start
	case edgeEnd:
		if item.PlayedAt.Before(s.Play.StartedAt.Add(songspy.HistoryPlayMin - matchTolerance)) {
			return end + matchTolerance // it would be too short to be listed
		}
		return end
	default:
		return min(start, end)
	}
}

// sameTrack reports whether two tracks are the same recording: Spotify relinks
// tracks, so that history may name it by another uri.
func isSameRecording(a, b songspy.Track) bool {
	if a.URI == b.URI {
		return true
	}
	if a.ISRC != "" && b.ISRC != "" {
		return strings.EqualFold(a.ISRC, b.ISRC)
	}
	return a.Title != "" && strings.EqualFold(a.Title, b.Title) && strings.EqualFold(a.Artists, b.Artists) &&
		(a.Duration()-b.Duration()).Abs() <= relinkedLengthTolerance
}

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
	return s.Play.ListenedMS >= songspy.HistoryPlayMin.Milliseconds() && r.isCoveredByHistory(s)
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
	return s.Play.EndedAt.Add(songspy.HistoryDelayMax).After(r.knownUntil)
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
