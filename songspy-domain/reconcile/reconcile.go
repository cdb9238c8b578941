// Package reconcile corrects stored plays with Spotify's history. It holds pure
// functions: time is an argument, and there is no I/O.
//
// Reconcile takes the stored plays of one user and one answer of recently-played.
// It infers whether PlayedAt is the start or the end of a play (match.go), matches
// items with plays (match.go), adds or splits plays where unmatched items fit
// (place.go), and merges two plays where history lists one (merge.go). If it stays
// unclear whether there was one play or two, one counts. See docs/reconcile.md.
package reconcile

import (
	"maps"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

// Reconcile compares one answer of Spotify's history with the stored plays of
// the same time and returns the changes to store. It adds plays only for items that
// are more than matchTolerance before the time until. Later polls may still store the
// plays of later items (see playback.SettledUntil), so those items wait for the next
// answer.
//
// Items and plays are matched in order and one to one, by the start or by the
// end of a play. Reconcile repeats the comparison on its own result until
// nothing changes, so that the same answer a second time changes nothing.
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
	out.PartialPlays = l.newPartialPlayEvidence(stored)
	return out
}

// passesMax is how often Reconcile repeats the comparison with one answer, at
// most. Two passes are almost always enough.
const passesMax = 8

// reconcileOnce compares an answer of Spotify's history with the stored plays
// once, and returns the changes. The result pending holds the items of the answer
// that must wait for the next answer.
func reconcileOnce(stored songspy.StoredPlays, history History, until time.Time) (out songspy.Reconciliation, pending []songspy.HistoryItem) {
	partial, known := stored.PartialPlays.ListsPartialPlays()
	r := reconciler{listsPartial: partial && known, listsWhole: !partial && known, completeSince: history.CompleteSince, knownUntil: until, consecutive: consecutiveVotes(history.Items), deferred: history.Deferred}
	for _, k := range stored.Plays {
		r.candidates = append(r.candidates, candidate{StoredPlay: k})
	}
	slices.SortFunc(r.candidates, func(a, b candidate) int { return a.Play.StartedAt.Compare(b.Play.StartedAt) })
	r.items = unprocessedItems(stored, history)
	r.inferEdge()
	matched := r.matchAll()
	if history.Truncated && len(r.items) > 0 && r.items[0].PlayedAt.Equal(history.CompleteSince) && matched[0] < 0 && !r.isPending(r.items[0]) {
		r.addForgottenGap(r.items[0], r.candidates[:len(stored.Plays)])
	}
	r.mergePlays()
	return r.result(), r.waitingItems()
}

// unprocessedItems returns the items of the answer that were not processed with
// an earlier answer. An item is recognized by its PlayedAt, which is its key: the
// microseconds of it are a hash of the track's ISRC, or of its URI if Spotify left
// out the ISRC (see songspy.HistoryItemKey). An ISRC may be missing in one answer
// and not in another. So an item also counts as processed if its key with the hash
// of the URI was processed, or if a play of its track has an item of the same
// millisecond.
func unprocessedItems(stored songspy.StoredPlays, history History) (items []songspy.HistoryItem) {
	done, plays := map[int64]bool{}, map[int64][]songspy.Track{}
	for _, at := range stored.ProcessedAt {
		done[at.UnixMicro()] = true
	}
	left := maps.Clone(done) // in the end, the processed keys that neither a play nor an item of this answer has
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
		before := at - at%1000 // the key without a hash, as earlier releases stored it
		ofItem := func(t songspy.Track) bool { return isSameRecording(t, item.Track) }
		if !done[at] && !done[before] && !done[byURI] && !slices.ContainsFunc(plays[at/1000], ofItem) {
			items = append(items, item)
		}
		done[at] = true
	}
	return slices.DeleteFunc(items, func(item songspy.HistoryItem) bool { return processedByISRC(item, left) })
}

// processedByISRC reports whether a history item that now has no ISRC was
// processed earlier with an ISRC and matched no play. The map left holds the
// processed keys that neither a play nor an item of this answer has. The earlier key
// of the item cannot be computed without the ISRC. So any key in the map of the same
// millisecond counts as its key, and is removed from the map.
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

// matchAll matches the history items of r.items with plays, and assigns those that
// match none to other plays or to new ones. It assumes that PlayedAt is the edge
// r.edge (start, end or unknown). Items that cannot be judged yet go to r.pending or
// r.later. For each item it returns the index of the matched candidate (play), or −1.
func (r *reconciler) matchAll() []int {
	wait := r.ambiguousItems()
	matched := r.alignItems()
	var rest []songspy.HistoryItem
	for i, item := range r.items {
		switch {
		case wait[i]:
			matched[i] = -1
			r.pending = append(r.pending, item)
		case matched[i] >= 0:
		case item.PlayedAt.Before(r.knownUntil.Add(-matchTolerance)):
			rest = append(rest, item)
		default:
			r.later = append(r.later, item)
		}
	}
	r.confirmPlays(matched)
	r.placeItems(rest)
	return matched
}

// reconciler holds the state of one comparison of an answer with the stored plays.
type reconciler struct {
	candidates    []candidate           // sorted by start; new plays are appended
	items         []songspy.HistoryItem // the items that were not processed with an earlier answer
	completeSince time.Time             // the answer may lack items from before this time
	knownUntil    time.Time             // later polls may still store plays that began after this time
	consecutive   edgeVotes             // the evidence of items whose plays followed each other without a break
	edge          playEdge              // the edge of the play that PlayedAt is assumed to be
	gaps          []songspy.Gap

	listsPartial bool // this history lists partial plays
	listsWhole   bool // this history lists whole plays only

	deferred []songspy.HistoryItem // items that may belong to the open (unfinished) play
	pending  []songspy.HistoryItem // items for which no play can be chosen before another answer
	later    []songspy.HistoryItem // unmatched items whose play later polls may still store
}

// addForgottenGap records a gap before the first history item of a truncated answer,
// because Spotify may have dropped the plays before it. The gap begins at the end of
// the last stored play that began before the item. It ends one track length before the
// item, because PlayedAt may be the end of the item's play. If no earlier play is stored,
// or if the gap would be at most matchTolerance long, none is recorded. The argument
// stored holds the candidates that are stored plays, sorted by start. New plays and
// unmatched items are not among them: they come from the answer itself.
func (r *reconciler) addForgottenGap(first songspy.HistoryItem, stored []candidate) {
	for _, s := range slices.Backward(stored) {
		if s.Play.StartedAt.Before(first.PlayedAt) {
			began, ended := s.Play.EndedAt, first.PlayedAt.Add(-first.Track.Duration())
			if ended.Sub(began) > matchTolerance {
				r.gaps = append(r.gaps, songspy.Gap{BeganAt: began, EndedAt: &ended, Reason: songspy.GapUnseen})
			}
			return
		}
	}
}

// confirmPlays gives each matched play its history item. matched[i] is the index
// of the candidate that item i matches, or −1.
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
		r.correctStart(s)
	}
}

// correctStart moves the start of a play to a later time if history shows that the play began
// more than matchTolerance later than polls say. If PlayedAt is the start of plays, the play's
// own item shows that. If PlayedAt is the end, an item of another track within the play shows
// it. In both cases Spotify answered a poll with the wrong track or progress, so the stored play
// contains time of another play. The listening time that polls observed must still fit between
// the new start and the end. It may exceed that time by matchTolerance, because polls may have
// counted a few seconds too much.
func (r *reconciler) correctStart(s *candidate) {
	if s.isNew || s.Play.Source != songspy.SourceLive || s.Play.DeletedAt != nil || s.playedAt().IsZero() {
		return
	}
	latest, began := s.Play.EndedAt.Add(matchTolerance-instant.Milliseconds(s.observedMS())), time.Time{}
	switch r.edge {
	case edgeStart:
		began = s.playedAt()
	case edgeEnd:
		began = r.lastItemBetween(s.Play.StartedAt, instant.Earlier(latest, s.playedAt()), s.Track)
	}
	if began.Sub(s.Play.StartedAt) <= matchTolerance || began.After(latest) || !began.Before(s.Play.EndedAt) {
		return
	}
	s.Play.StartedAt, s.changed = began, true
	less := max(0, s.Play.ListenedMS-s.Play.EndedAt.Sub(began).Milliseconds())
	s.Play.ListenedMS, s.Play.InferredMS = s.Play.ListenedMS-less, max(0, s.Play.InferredMS-less)
}

// settleTail decides how much of the unproven time at a play's end was played. If
// PlayedAt is the end of plays, and the item lies near the end of this play, the play
// ends at the item, but neither before its proven end nor after its stored end.
// Otherwise the time stays unproven.
func (r *reconciler) settleTail(s *candidate, item songspy.HistoryItem) {
	if _, distance := s.edgeDistances(item); r.edge == edgeEnd && distance <= matchTolerance {
		end := instant.Clamp(item.PlayedAt, s.provenEnd(), s.Play.EndedAt)
		tail := end.Sub(s.provenEnd())
		if most := s.Track.DurationMS; most > 0 { // after a pause, at most the remaining part of the track was played
			rest := instant.Milliseconds(max(0, most-s.Play.ListenedMS+s.Play.InferredMS))
			tail = min(tail, max(0, rest-s.Play.EndedAt.Sub(end)))
		}
		s.Play.ListenedMS += tail.Milliseconds() - s.Play.InferredMS
		s.Play.InferredMS = tail.Milliseconds()
		s.Play.EndedAt = end
		s.Play.Provisional = false
	}
}

// result returns the changes that this comparison has made to the candidates. The
// Pending of the result counts the items and the plays about which a later answer may
// decide.
func (r *reconciler) result() songspy.Reconciliation {
	out := songspy.Reconciliation{Gaps: r.gaps, Pending: len(r.pending) + len(r.later)}
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

// workingSet holds a user's stored plays in memory while the changes of an
// answer of history are applied to them.
type workingSet struct {
	plays        []songspy.StoredPlay // new plays have negative ids until the store gives them others
	lastNewID    songspy.PlayID       // the last id given to a new play
	processedAt  []time.Time
	gaps         []songspy.Gap
	pendingCount int
	pending      []songspy.HistoryItem
	partialPlays songspy.PartialPlayCounts
}

func newWorkingSet(k songspy.StoredPlays) *workingSet {
	return &workingSet{plays: slices.Clone(k.Plays), processedAt: slices.Clone(k.ProcessedAt), partialPlays: k.PartialPlays}
}

func (l *workingSet) storedPlays() songspy.StoredPlays {
	return songspy.StoredPlays{Plays: l.plays, ProcessedAt: l.processedAt, PartialPlays: l.partialPlays}
}

// apply applies the changes of one comparison to the working set.
func (l *workingSet) apply(r songspy.Reconciliation) {
	l.plays = slices.DeleteFunc(l.plays, func(k songspy.StoredPlay) bool { return playIndex(r.Removed, k.Play.ID) >= 0 })
	for _, c := range r.Confirmed {
		l.markProcessed(c.PlayedAt)
		i := playIndex(l.plays, c.Play.ID)
		l.plays[i].Play = c.Play
		if !c.PlayedAt.IsZero() {
			l.plays[i].PlayedAt = c.PlayedAt
		}
	}
	for _, f := range r.Added {
		l.markProcessed(f.PlayedAt)
		l.lastNewID--
		f.Play.ID = l.lastNewID
		l.plays = append(l.plays, f)
	}
	for _, u := range r.Unmatched {
		l.markProcessed(u.PlayedAt)
	}
	l.gaps = append(l.gaps, r.Gaps...)
}

// markProcessed marks the history item whose PlayedAt is the time at as processed. If a
// play has the item, the play loses it, because the item may now belong to another play.
func (l *workingSet) markProcessed(at time.Time) {
	if at.IsZero() {
		return
	}
	for i := range l.plays {
		if l.plays[i].PlayedAt.Equal(at) {
			l.plays[i].PlayedAt = time.Time{}
		}
	}
	if !slices.ContainsFunc(l.processedAt, at.Equal) {
		l.processedAt = append(l.processedAt, at)
	}
}

func playIndex(plays []songspy.StoredPlay, id songspy.PlayID) int {
	return slices.IndexFunc(plays, func(k songspy.StoredPlay) bool { return k.Play.ID == id })
}

// changesSince returns the changes that turn the stored plays k into the plays of the
// working set, so that the store can write them.
func (l *workingSet) changesSince(k songspy.StoredPlays) songspy.Reconciliation {
	r := songspy.Reconciliation{Gaps: l.gaps, Pending: l.pendingCount}
	playedAt := map[int64]bool{}
	for _, at := range k.ProcessedAt {
		playedAt[at.UnixMicro()] = true
	}
	for _, p := range l.plays {
		playedAt[p.PlayedAt.UnixMicro()] = true
		if p.Play.ID < 0 {
			p.Play.ID = 0
			r.Added = append(r.Added, p)
			continue
		}
		before := k.Plays[playIndex(k.Plays, p.Play.ID)]
		if reported := !p.PlayedAt.Equal(before.PlayedAt); reported || p.Play != before.Play {
			if !reported {
				p.PlayedAt = time.Time{}
			}
			r.Confirmed = append(r.Confirmed, p)
		}
	}
	for _, p := range k.Plays {
		if playIndex(l.plays, p.Play.ID) < 0 {
			p.PlayedAt = time.Time{}
			r.Removed = append(r.Removed, p)
		}
	}
	for _, at := range l.processedAt {
		if !playedAt[at.UnixMicro()] {
			r.Unmatched = append(r.Unmatched, songspy.HistoryItem{PlayedAt: at})
		}
	}
	slices.SortFunc(r.Added, func(a, b songspy.StoredPlay) int { return a.Play.StartedAt.Compare(b.Play.StartedAt) })
	return r
}

// partialPlayMargin is how much shorter than its track a play must be, at least, to
// count as a partial play. A longer play may be whole, because players fade tracks
// into each other.
const partialPlayMargin = 20 * time.Second

// isPartialPlay reports whether polls prove that a play was partial: it was long enough
// to be listed by history, and it ended well before its track did.
func isPartialPlay(k songspy.StoredPlay) bool {
	p := k.Play
	return p.Source == songspy.SourceLive && !songspy.IsNeverListed(k.Track.URI) &&
		p.ListenedMS-p.InferredMS >= (songspy.HistoryPlayMin+jitter).Milliseconds() && isLeftEarly(k)
}

// isLeftEarly reports whether a play ended well before its track did: it lasted less
// than the track's length minus partialPlayMargin.
func isLeftEarly(k songspy.StoredPlay) bool {
	length := k.Track.Duration()
	return length > 0 && k.Play.EndedAt.Sub(k.Play.StartedAt) < length-partialPlayMargin
}

// newPartialPlayEvidence counts what this answer newly shows about whether the user's
// history lists partial plays, that is, plays that ended before their track did. The
// argument stored holds the plays before this answer. A partial play counts as listed if this
// answer is the first to list it. It counts as unlisted if this answer is the first
// after which the plays directly before and after it are listed, but not the play
// itself. It does not count as unlisted while an item of its track is pending.
func (l *workingSet) newPartialPlayEvidence(stored songspy.StoredPlays) (h songspy.PartialPlayCounts) {
	before, after := sortedByStart(stored.Plays), sortedByStart(l.plays)
	pending := func(track songspy.Track) bool {
		return slices.ContainsFunc(l.pending, func(i songspy.HistoryItem) bool { return isSameRecording(i.Track, track) })
	}
	for j, k := range after {
		if !isPartialPlay(k) {
			continue
		}
		switch {
		case isListedPlay(after, j):
			if i := playIndex(before, k.Play.ID); i >= 0 && !isListedPlay(before, i) {
				h.Listed++
			}
		case hasListedNeighbours(after, j) && !pending(k.Track):
			if i := playIndex(before, k.Play.ID); i >= 0 && !hasListedNeighbours(before, i) {
				h.Unlisted++
			}
		}
	}
	return h
}

func isListedPlay(plays []songspy.StoredPlay, j int) bool {
	return j >= 0 && j < len(plays) && !plays[j].PlayedAt.IsZero()
}

// hasListedNeighbours reports whether Spotify's history lists the plays
// directly before and after play j in the same listening session. plays are
// sorted by start.
func hasListedNeighbours(plays []songspy.StoredPlay, j int) bool {
	if !isListedPlay(plays, j-1) || !isListedPlay(plays, j+1) {
		return false
	}
	p := plays[j].Play
	return p.StartedAt.Sub(plays[j-1].Play.EndedAt) <= sessionGapMax && plays[j+1].Play.StartedAt.Sub(p.EndedAt) <= sessionGapMax
}

// sortedByStart returns a copy of the plays, sorted by start.
func sortedByStart(plays []songspy.StoredPlay) []songspy.StoredPlay {
	plays = slices.Clone(plays)
	slices.SortStableFunc(plays, func(a, b songspy.StoredPlay) int { return a.Play.StartedAt.Compare(b.Play.StartedAt) })
	return plays
}
