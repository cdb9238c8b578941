package listening

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
func Reconcile(kept songspy.Kept, answer Answer, until time.Time) songspy.Reconciled {
	l := newLedger(kept)
	for range passes {
		var r songspy.Reconciled
		r, l.waits = retell(l.kept(), answer, until)
		if l.waiting = r.Waiting; r.Empty() {
			break
		}
		l.enter(r)
	}
	out := l.since(kept)
	out.Learned = l.learned(kept)
	return out
}

// passes is how often an answer is held against what was made of it, at most.
// Two do nearly always.
const passes = 8

// retell holds an answer against what is kept once. waits are the items that are
// left for another answer.
func retell(kept songspy.Kept, answer Answer, until time.Time) (out songspy.Reconciled, waits []songspy.HistoryItem) {
	partial, known := kept.Habit.Partial()
	r := reconciliation{partial: partial && known, since: answer.Since, until: until, pairs: inARow(answer.Items), withheld: answer.Withheld}
	for _, k := range kept.Plays {
		r.slots = append(r.slots, slot{KeptPlay: k})
	}
	slices.SortFunc(r.slots, func(a, b slot) int { return a.Play.StartedAt.Compare(b.Play.StartedAt) })
	r.items = newItems(kept, answer)
	r.learn()
	matched := r.conclude()
	if answer.Full && len(r.items) > 0 && r.items[0].PlayedAt.Equal(answer.Since) && matched[0] < 0 && !r.awaits(r.items[0]) {
		r.forgotten(r.items[0])
	}
	r.mend()
	return r.result(), slices.Concat(r.waits, r.withheld)
}

// newItems returns the items of an answer that were not told before. An answer
// may name the ISRC of a track that another answer leaves out, and the key of the
// item differs then. So an item was told, too, if it was told by its URI alone or
// if a play of its track has an item of the same millisecond.
func newItems(kept songspy.Kept, answer Answer) (items []songspy.HistoryItem) {
	done, plays := map[int64]bool{}, map[int64][]songspy.Track{}
	for _, at := range kept.Told {
		done[at.UnixMicro()] = true
	}
	left := maps.Clone(done) // told items that no play and no item of this answer has
	for _, k := range kept.Plays {
		if k.HeardAt.IsZero() {
			continue
		}
		at := k.HeardAt.UnixMicro()
		done[at] = true
		plays[at/1000] = append(plays[at/1000], k.Track)
		delete(left, at)
	}
	for _, item := range slices.Concat(answer.Items, answer.Withheld) {
		delete(left, item.PlayedAt.UnixMicro())
	}
	for _, item := range answer.Items {
		at := item.PlayedAt.UnixMicro()
		byURI := songspy.PlayedAt(item.PlayedAt, songspy.Track{URI: item.Track.URI}).UnixMicro()
		before := at - at%1000 // as items were kept before their microseconds stood for the track
		ofItem := func(t songspy.Track) bool { return sameTrack(t, item.Track) }
		if !done[at] && !done[before] && !done[byURI] && !slices.ContainsFunc(plays[at/1000], ofItem) {
			items = append(items, item)
		}
		done[at] = true
	}
	return slices.DeleteFunc(items, func(item songspy.HistoryItem) bool { return toldByISRC(item, left) })
}

// toldByISRC reports whether an item that has no ISRC was told when it had one,
// and no play came of it. Its key is not known then, so any told item of its
// millisecond that is left counts, once.
func toldByISRC(item songspy.HistoryItem, left map[int64]bool) bool {
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
func (r *reconciliation) conclude() []int {
	wait := r.undecided()
	matched := r.align()
	var rest []songspy.HistoryItem
	for i, item := range r.items {
		switch {
		case wait[i]:
			matched[i] = -1
			r.waits = append(r.waits, item)
		case matched[i] < 0 && item.PlayedAt.Before(r.until.Add(-aside)):
			rest = append(rest, item)
		}
	}
	r.confirm(matched)
	r.placeAll(rest)
	return matched
}

// Settled is the time before which no later look can find a play begun: what
// history tells of it is either kept or missing.
func Settled(n songspy.NowPlaying) time.Time {
	if n.Open() && n.ProgressMS >= 0 && !n.Provisional {
		return n.StartedAt
	}
	return n.ElsewhereAt
}

type reconciliation struct {
	slots []slot // by start
	items []songspy.HistoryItem
	since time.Time // what ended before is not told
	until time.Time
	pairs votes // of items of which one plays right after the other
	read  reading
	gaps  []songspy.Gap

	partial bool // this history lists partial plays

	withheld []songspy.HistoryItem // what may tell of the open play
	waits    []songspy.HistoryItem // those that are left for another answer
}

// forgotten notes that history begins with an item that nobody knew: what was
// played between the last that is known and that one may be lost.
func (r *reconciliation) forgotten(first songspy.HistoryItem) {
	for _, s := range slices.Backward(r.slots) {
		if s.Play.StartedAt.Before(first.PlayedAt) {
			began, ended := s.Play.EndedAt, first.PlayedAt.Add(-first.Track.Duration())
			if ended.Sub(began) > aside {
				r.gaps = append(r.gaps, songspy.Gap{BeganAt: began, EndedAt: &ended, Reason: songspy.GapUnseen})
			}
			return
		}
	}
}

// confirm marks the matched slots.
func (r *reconciliation) confirm(matched []int) {
	for i, j := range matched {
		if j < 0 {
			continue
		}
		s := &r.slots[j]
		if open := s.Play.Provisional || s.Play.InferredMS > 0; open && s.Play.DeletedAt == nil {
			r.settle(s, r.items[i])
		}
		s.item = r.items[i]
	}
}

// settle uses a history item to decide the unwitnessed tail of a play. Where
// history tells the end, that is the end. Where it tells the start, the play
// was heard, and nobody knows how much of its tail.
func (r *reconciliation) settle(s *slot, item songspy.HistoryItem) {
	if _, off := s.distance(item); r.read == readingEnd && off <= aside {
		end := clamp(item.PlayedAt, s.proven(), s.Play.EndedAt)
		tail := end.Sub(s.proven())
		if most := s.Track.DurationMS; most > 0 { // it may have been paused, and then sounded only at the end
			rest := milliseconds(max(0, most-s.Play.ListenedMS+s.Play.InferredMS))
			tail = min(tail, max(0, rest-s.Play.EndedAt.Sub(end)))
		}
		s.Play.ListenedMS += ms(tail) - s.Play.InferredMS
		s.Play.InferredMS = ms(tail)
		s.Play.EndedAt = end
		s.Play.Provisional = false
	}
}

func (r *reconciliation) result() songspy.Reconciled {
	out := songspy.Reconciled{Gaps: r.gaps, Waiting: len(r.waits)}
	for _, s := range r.slots {
		if r.mayCome(s) {
			out.Waiting++
		}
		switch {
		case s.fresh && !songspy.Counts(s.Play.ListenedMS, s.Track.DurationMS):
			out.Unplaced = append(out.Unplaced, s.item)
		case s.fresh:
			if s.elastic {
				s.Play.InferredMS = s.Play.ListenedMS
			}
			s.Play.Provisional = s.clipped || r.read != readingEnd && !r.followed(s)
			out.Found = append(out.Found, songspy.KeptPlay{Play: s.Play, Track: s.Track, HeardAt: s.item.PlayedAt})
		case s.Play.StartedAt.IsZero():
			out.Unplaced = append(out.Unplaced, s.item)
		case s.takenBack():
			out.Refuted = append(out.Refuted, s.KeptPlay)
		case s.moved || !s.item.PlayedAt.IsZero():
			s.Play.Probable = s.Play.Probable && s.heard().IsZero()
			out.Confirmed = append(out.Confirmed, songspy.KeptPlay{Play: s.Play, Track: s.Track, HeardAt: s.item.PlayedAt})
		}
	}
	return out
}
