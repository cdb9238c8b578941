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
	// matchTolerance is how far the PlayedAt of a history item may be, at most, from the
	// start or the end of the play with which alignItems matches it.
	matchTolerance = 15 * time.Second
	// jitter is by how much two sources may differ about the time of one event,
	// because of the network.
	jitter = 3 * time.Second
)

// relinkedLengthTolerance is by how much the lengths of one recording under two
// URIs may differ.
const relinkedLengthTolerance = 2 * time.Second

// candidate is a play that a history item may belong to. A candidate without a
// start is no play: it holds an item that belongs to no play (see addUnmatched).
type candidate struct {
	songspy.StoredPlay
	item       songspy.HistoryItem // the item that this answer matched with it
	isNew      bool                // the play is not stored yet: it was added for an item, or split from a stored play
	changed    bool                // the play differs from the stored one
	clipped    bool                // the play is new, and either split from another or shorter than its track, because too little time was free
	endUnknown bool                // the play is new, and only its start is known
	removed    bool                // the play no longer counts, or was merged into another play
}

// provenEnd returns the time up to which polls or history prove the play. The
// time from there to the stored end of the play is assumed and may be removed.
func (s candidate) provenEnd() time.Time {
	if s.endUnknown {
		return s.Play.StartedAt
	}
	if s.Play.EndedAt.Sub(s.playedAt()).Abs() <= matchTolerance {
		return s.Play.EndedAt // history confirms the end
	}
	if s.Play.InferredMS > 0 {
		return s.Play.EndedAt.Add(-instant.Milliseconds(s.Play.InferredMS))
	}
	if !s.Play.Provisional {
		return s.Play.EndedAt
	}
	return instant.Earlier(s.Play.EndedAt, s.Play.StartedAt.Add(instant.Milliseconds(s.Play.ListenedMS)))
}

// isRemoved reports whether a stored play must be deleted from the database. There
// are two cases: the play is marked as removed and no history item belongs to it, or
// only history reported the play and the changes made it too short to count. A play
// that its user deleted is never removed, so that no item can bring it back.
func (s candidate) isRemoved() bool {
	counted := songspy.IsCounted(s.Play.ListenedMS, s.Track.DurationMS)
	none := s.removed && s.playedAt().IsZero() || s.Play.Source == songspy.SourceHistory && s.changed && !counted
	return none && !s.isNew && s.Play.DeletedAt == nil
}

// observedMS returns how many milliseconds of the play's listening time polls
// have proven.
func (s candidate) observedMS() int64 { return s.Play.ListenedMS - s.Play.InferredMS }

// isListable reports whether Spotify's history could list the play: polls saw
// it, and its track is not an episode, a chapter or a local file.
func (s candidate) isListable() bool {
	return s.Play.Source == songspy.SourceLive && !songspy.IsNeverListed(s.Track.URI)
}

// playedAt returns the time of the history item that belongs to the play, or
// the zero time if there is none.
func (s candidate) playedAt() time.Time { return instant.Later(s.PlayedAt, s.item.PlayedAt) }

// accepts reports whether a history item may belong to this stored play: the play has
// no item yet, its track is the item's, and it was not emptied by joinPlays.
func (s candidate) accepts(item songspy.HistoryItem) bool {
	return !s.isNew && s.Play.EndedAt.After(s.Play.StartedAt) && s.playedAt().IsZero() && isSameRecording(s.Track, item.Track)
}

// endBefore shortens the play so that it ends at the given time or earlier.
func (s *candidate) endBefore(at time.Time) {
	if !s.Play.EndedAt.After(at) {
		return
	}
	s.dropTail(s.Play.EndedAt.Sub(at))
	s.Play.EndedAt, s.changed = at, true
	if s.isNew {
		s.Play.ListenedMS = at.Sub(s.Play.StartedAt).Milliseconds()
		if s.Play.Source == songspy.SourceLive {
			s.Play.InferredMS = s.Play.ListenedMS // the time that polls observed may be in the removed part, so none is proven any more
		}
	}
}

// dropTail reduces the listening time of the play by the given tail, but at most by
// InferredMS, the time that no poll observed. It does not change EndedAt. If the play
// becomes too short to count, dropTail marks it as removed.
func (s *candidate) dropTail(tail time.Duration) {
	less := min((tail + time.Millisecond - 1).Milliseconds(), s.Play.InferredMS) // rounded up, so that the listening time fits the shortened play
	counted := songspy.IsCounted(s.Play.ListenedMS, s.Track.DurationMS)
	s.Play.ListenedMS -= less
	s.removed = s.removed || counted && !songspy.IsCounted(s.Play.ListenedMS, s.Track.DurationMS)
	s.Play.InferredMS -= less
	s.Play.Provisional = s.Play.Provisional || less > 0
}

// edgeDistances returns how far the time of a history item is from the start
// and from the end of a play. The distance from the end is zero for any time
// between the proven end and the stored end.
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

// edgeVote returns 1 if the time of a history item is nearer to the start of the
// play, and −1 if it is nearer to the end. It returns 0 if both are equally near, or
// if the play is at most twice matchTolerance long, because then the item may fit both.
func (s candidate) edgeVote(item songspy.HistoryItem) int {
	if s.Play.EndedAt.Sub(s.Play.StartedAt) <= 2*matchTolerance {
		return 0
	}
	start, end := s.edgeDistances(item)
	return cmp.Compare(end, start)
}

// playedAtEdge infers whether the PlayedAt of a history item is the start or the end
// of a play. It compares the item with the plays of its track within matchTolerance
// that have no item yet. vote is 1 for the start, −1 for the end and 0 if that is
// unknown. ambiguous is true if PlayedAt is at the end of one play and at the start of
// another, as when a track is repeated.
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

// alignItems matches history items with plays, in the order of time and one to one.
// It is an alignment by dynamic programming: it finds as many matches as possible, and
// among alignments with equally many it takes the one with the smallest sum of
// distances. For each item it returns the index of the play, or −1 if none matches.
func (r *reconciler) alignItems() []int {
	type cell struct {
		pairs    int
		distance time.Duration
		step     byte // the last step to this cell: 'p' pairs an item with a play, 'i' skips an item, 's' skips a play
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

// matchDistance returns how far the time of history item i is from the edge r.edge of
// play j, and whether the two match: the play has no item yet, the recording is the
// same, and the distance is at most matchTolerance.
func (r *reconciler) matchDistance(i, j int) (time.Duration, bool) {
	s := r.candidates[j]
	if !s.playedAt().IsZero() || !isSameRecording(s.Track, r.items[i].Track) {
		return 0, false
	}
	distance := s.distanceTo(r.items[i], r.edge)
	return distance, distance <= matchTolerance
}

// distanceTo returns how far the time of a history item is from the given edge
// (start or end) of a play, or from the nearer one if the edge is unknown.
func (s candidate) distanceTo(item songspy.HistoryItem, whichEdge playEdge) time.Duration {
	switch start, end := s.edgeDistances(item); whichEdge {
	case edgeStart:
		return start
	case edgeEnd:
		if item.PlayedAt.Before(s.Play.StartedAt.Add(songspy.HistoryPlayMin - matchTolerance)) {
			return end + matchTolerance // no match: a play that ended at the item would be too short to be listed
		}
		return end
	default:
		return min(start, end)
	}
}

// isSameRecording reports whether two tracks are one recording. Spotify relinks
// tracks, so history may list a recording under another URI than the player shows.
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

// playEdge is what PlayedAt means for one user: the start or the end of a play.
type playEdge int

const (
	edgeUnknown playEdge = iota
	edgeStart
	edgeEnd
)

// edgeVotes counts the pieces of evidence that PlayedAt is the start of a play
// (start), and that it is the end of a play (end).
type edgeVotes struct{ start, end int }

// against returns how many votes contradict the given edge, that is, are for
// the other one.
func (v edgeVotes) against(whichEdge playEdge) int {
	if whichEdge == edgeStart {
		return v.end
	}
	return v.start
}

// consecutiveVotes counts the evidence of consecutive history items whose plays
// followed each other without a break. If PlayedAt is the start of a play, the times
// of two such items differ by the length of the first track. If it is the end, they
// differ by the length of the second. A pair that fits both lengths has no vote.
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

// The costs of facts that contradict the assumption that PlayedAt is a certain
// edge (start or end): see cost.
const (
	costPending       = 1 // an item that may belong to a play that has just ended
	costOffEdge       = 2 // an item that belongs to a stored play, but does not lie at the assumed edge of it
	costContradiction = 3 // an item of an earlier answer that does not lie at the assumed edge of its play, or two consecutive items whose times contradict the edge
	costAdded         = 3 // an item for which a new play is needed, because no poll saw one
	costUnmatched     = 4 // an item that belongs to no stored play, and no time is free for a new one
)

// inferEdge decides whether PlayedAt is the start or the end of a play: it sets r.edge
// to the edge with the smaller cost, that is, the one that fits the stored plays and
// the earlier history items better. If the costs are equal, or if the answer is an
// ambiguous loop, the edge stays unknown. Plays without an item do not count as
// evidence, because some listening sessions never appear in Spotify's history.
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

// isAmbiguousLoop reports whether this answer cannot show if PlayedAt is a start or an
// end: all its new items are of one repeated track, the times between consecutive items do
// not show it, and no earlier answer gave an item to a play that polls saw. At least one
// item then fits the end of one play and the start of the next, and a pause or a missed
// repetition could make the wrong edge fit better.
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

// cost returns how strongly the items and plays contradict the assumption that
// PlayedAt is the given edge: the sum of the costs above. It matches the items on a
// copy of the reconciler, so r stays unchanged.
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
			sum += float64(r.candidates[j].distanceTo(item, whichEdge)/jitter) / 100 // if both edges fit, the one with the smaller distances wins
		}
	}
	out := trial.result()
	sum += float64((costAdded-costOffEdge)*len(out.Added) + (costUnmatched-costOffEdge)*len(out.Unmatched))
	return sum
}

// isPending reports whether a history item is in r.pending, that is, waits for a later
// answer of Spotify.
func (r *reconciler) isPending(item songspy.HistoryItem) bool {
	return slices.ContainsFunc(r.pending, func(w songspy.HistoryItem) bool { return w.PlayedAt.Equal(item.PlayedAt) })
}

// isTrackPending reports whether any history item of the track waits for a later
// answer of Spotify.
func (r *reconciler) isTrackPending(track songspy.Track) bool {
	return slices.ContainsFunc(r.waitingItems(), func(i songspy.HistoryItem) bool { return isSameRecording(i.Track, track) })
}

// waitingItems returns all items that wait for another answer.
func (r *reconciler) waitingItems() []songspy.HistoryItem {
	return slices.Concat(r.pending, r.deferred, r.later)
}

// shouldBeListed reports whether Spotify's history would list a play by now if
// it was really played as long as stored.
func (r *reconciler) shouldBeListed(s candidate) bool {
	return s.Play.ListenedMS >= songspy.HistoryPlayMin.Milliseconds() && r.isCoveredByHistory(s)
}

// isCoveredByHistory reports whether the fetched history would list a play if the
// play was long enough: the answer covers the time of the play, the play did not end
// too recently, and history can list plays of its kind (isListable).
func (r *reconciler) isCoveredByHistory(s candidate) bool {
	at := s.Play.StartedAt.Add(-s.Track.Duration()) // the play may have begun before its stored start, if it was paused before its first poll
	if r.edge == edgeEnd {
		at = s.provenEnd().Add(-matchTolerance)
	}
	return at.After(r.completeSince) && !r.endedRecently(s) && s.isListable()
}

// mayBeListedLater reports whether Spotify's history may still add a stored
// play that it does not list yet.
func (r *reconciler) mayBeListedLater(s candidate) bool {
	return !s.isNew && s.playedAt().IsZero() && r.endedRecently(s) && s.isListable()
}

// endedRecently reports whether a play ended so recently that history may not
// list it yet.
func (r *reconciler) endedRecently(s candidate) bool {
	return s.Play.EndedAt.Add(songspy.HistoryDelayMax).After(r.knownUntil)
}

// ambiguousItems reports for each history item of r.items whether it must wait for an
// answer that shows whether PlayedAt is a start or an end. If that is unknown, and one
// item of a track lies at the end of one play and at the start of another, all items of
// the track must wait.
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
