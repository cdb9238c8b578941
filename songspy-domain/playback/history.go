package playback

import (
	"maps"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Reconcile holds an answer of history against what is kept around it. until
// bounds what history may fill (see Settled); what it tells of later times is
// left for another answer.
//
// Items are matched in order and one to one, by the start or by the end of a
// play. An answer seen twice changes nothing: what is made of it is held
// against it again until nothing more comes of it.
func Reconcile(stored songspy.StoredPlays, history History, until time.Time) songspy.Reconciliation {
	l := newWorkingSet(stored)
	for range passesMax {
		var r songspy.Reconciliation
		r, l.pending = reconcileOnce(l.storedPlays(), history, until)
		if l.pendingCount = r.Pending; r.IsEmpty() {
			break
		}
		l.apply(r)
	}
	out := l.changesSince(stored)
	out.PartialPlays = l.newPartialPlays(stored)
	return out
}

// passes is how often an answer is held against what was made of it, at most.
// Two do nearly always.
const passesMax = 8

// retell holds an answer against what is kept once. waits are the items that are
// left for another answer.
func reconcileOnce(stored songspy.StoredPlays, history History, until time.Time) (out songspy.Reconciliation, pending []songspy.HistoryItem) {
	partial, known := stored.PartialPlays.ListsPartialPlays()
	r := reconciler{listsPartial: partial && known, completeSince: history.CompleteSince, knownUntil: until, consecutive: consecutiveVotes(history.Items), deferred: history.Deferred}
	for _, k := range stored.Plays {
		r.candidates = append(r.candidates, candidate{StoredPlay: k})
	}
	slices.SortFunc(r.candidates, func(a, b candidate) int { return a.Play.StartedAt.Compare(b.Play.StartedAt) })
	r.items = unprocessedItems(stored, history)
	r.inferEdge()
	matched := r.matchAll()
	if history.Truncated && len(r.items) > 0 && r.items[0].PlayedAt.Equal(history.CompleteSince) && matched[0] < 0 && !r.isPending(r.items[0]) {
		r.addForgottenGap(r.items[0])
	}
	r.mergePlays()
	return r.result(), slices.Concat(r.pending, r.deferred)
}

// newItems returns the items of an answer that were not told before. An answer
// may name the ISRC of a track that another answer leaves out, and the key of the
// item differs then. So an item was told, too, if it was told by its URI alone or
// if a play of its track has an item of the same millisecond.
func unprocessedItems(stored songspy.StoredPlays, history History) (items []songspy.HistoryItem) {
	done, plays := map[int64]bool{}, map[int64][]songspy.Track{}
	for _, at := range stored.ProcessedAt {
		done[at.UnixMicro()] = true
	}
	left := maps.Clone(done) // told items that no play and no item of this answer has
	for _, k := range stored.Plays {
		if k.PlayedAt.IsZero() {
			continue
		}
		at := k.PlayedAt.UnixMicro()
		done[at] = true
		plays[at/1000] = append(plays[at/1000], k.Track)
		delete(left, at)
	}
	for _, item := range slices.Concat(history.Items, history.Deferred) {
		delete(left, item.PlayedAt.UnixMicro())
	}
	for _, item := range history.Items {
		at := item.PlayedAt.UnixMicro()
		byURI := songspy.HistoryItemKey(item.PlayedAt, songspy.Track{URI: item.Track.URI}).UnixMicro()
		before := at - at%1000 // as items were kept before their microseconds stood for the track
		ofItem := func(t songspy.Track) bool { return isSameRecording(t, item.Track) }
		if !done[at] && !done[before] && !done[byURI] && !slices.ContainsFunc(plays[at/1000], ofItem) {
			items = append(items, item)
		}
		done[at] = true
	}
	return slices.DeleteFunc(items, func(item songspy.HistoryItem) bool { return processedByISRC(item, left) })
}

// toldByISRC reports whether an item that has no ISRC was told when it had one,
// and no play came of it. Its key is not known then, so any told item of its
// millisecond that is left counts, once.
func processedByISRC(item songspy.HistoryItem, left map[int64]bool) bool {
	if item.Track.ISRC != "" {
		return false
	}
	first := item.PlayedAt.Truncate(time.Millisecond).UnixMicro()
	for at := first + 1; at < first+1000; at++ {
		if left[at] {
			delete(left, at)
			return true
		}
	}
	return false
}

// conclude deals with every item that can be, by the reading that is known now,
// and gives the slots that items were matched with.
func (r *reconciler) matchAll() []int {
	wait := r.ambiguousItems()
	matched := r.alignItems()
	var rest []songspy.HistoryItem
	for i, item := range r.items {
		switch {
		case wait[i]:
			matched[i] = -1
			r.pending = append(r.pending, item)
		case matched[i] < 0 && item.PlayedAt.Before(r.knownUntil.Add(-matchTolerance)):
			rest = append(rest, item)
		}
	}
	r.confirmPlays(matched)
	r.placeItems(rest)
	return matched
}

// Settled is the time before which no later look can find a play begun: what
// history tells of it is either kept or missing.
func SettledUntil(n songspy.NowPlaying) time.Time {
	if n.IsOpen() && n.ProgressMS >= 0 && !n.Provisional {
		return n.StartedAt
	}
	return n.OtherSeenAt
}

type reconciler struct {
	candidates    []candidate // by start
	items         []songspy.HistoryItem
	completeSince time.Time // what ended before is not told
	knownUntil    time.Time
	consecutive   edgeVotes // of items of which one plays right after the other
	edge          playEdge
	gaps          []songspy.Gap

	listsPartial bool // this history lists partial plays

	deferred []songspy.HistoryItem // what may tell of the open play
	pending  []songspy.HistoryItem // those that are left for another answer
}

// forgotten notes that history begins with an item that nobody knew: what was
// played between the last that is known and that one may be lost.
func (r *reconciler) addForgottenGap(first songspy.HistoryItem) {
	for _, s := range slices.Backward(r.candidates) {
		if s.Play.StartedAt.Before(first.PlayedAt) {
			began, ended := s.Play.EndedAt, first.PlayedAt.Add(-first.Track.Duration())
			if ended.Sub(began) > matchTolerance {
				r.gaps = append(r.gaps, songspy.Gap{BeganAt: began, EndedAt: &ended, Reason: songspy.GapUnseen})
			}
			return
		}
	}
}

// confirm marks the matched slots.
func (r *reconciler) confirmPlays(matched []int) {
	for i, j := range matched {
		if j < 0 {
			continue
		}
		s := &r.candidates[j]
		if open := s.Play.Provisional || s.Play.InferredMS > 0; open && s.Play.DeletedAt == nil {
			r.settleTail(s, r.items[i])
		}
		s.item = r.items[i]
	}
}

// settle uses a history item to decide the unwitnessed tail of a play. Where
// history tells the end, that is the end. Where it tells the start, the play
// was heard, and nobody knows how much of its tail.
func (r *reconciler) settleTail(s *candidate, item songspy.HistoryItem) {
	if _, distance := s.edgeDistances(item); r.edge == edgeEnd && distance <= matchTolerance {
		end := clamp(item.PlayedAt, s.provenEnd(), s.Play.EndedAt)
		tail := end.Sub(s.provenEnd())
		if most := s.Track.DurationMS; most > 0 { // it may have been paused, and then sounded only at the end
			rest := fromMillis(max(0, most-s.Play.ListenedMS+s.Play.InferredMS))
			tail = min(tail, max(0, rest-s.Play.EndedAt.Sub(end)))
		}
		s.Play.ListenedMS += toMillis(tail) - s.Play.InferredMS
		s.Play.InferredMS = toMillis(tail)
		s.Play.EndedAt = end
		s.Play.Provisional = false
	}
}

func (r *reconciler) result() songspy.Reconciliation {
	out := songspy.Reconciliation{Gaps: r.gaps, Pending: len(r.pending)}
	for _, s := range r.candidates {
		if r.mayBeListedLater(s) {
			out.Pending++
		}
		switch {
		case s.isNew && !songspy.IsCounted(s.Play.ListenedMS, s.Track.DurationMS):
			out.Unmatched = append(out.Unmatched, s.item)
		case s.isNew:
			if s.endUnknown {
				s.Play.InferredMS = s.Play.ListenedMS
			}
			s.Play.Provisional = s.clipped || r.edge != edgeEnd && !r.isFollowed(s)
			out.Added = append(out.Added, songspy.StoredPlay{Play: s.Play, Track: s.Track, PlayedAt: s.item.PlayedAt})
		case s.Play.StartedAt.IsZero():
			out.Unmatched = append(out.Unmatched, s.item)
		case s.isRemoved():
			out.Removed = append(out.Removed, s.StoredPlay)
		case s.changed || !s.item.PlayedAt.IsZero():
			s.Play.Probable = s.Play.Probable && s.playedAt().IsZero()
			out.Confirmed = append(out.Confirmed, songspy.StoredPlay{Play: s.Play, Track: s.Track, PlayedAt: s.item.PlayedAt})
		}
	}
	return out
}
