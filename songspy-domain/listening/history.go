package listening

import (
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Reconcile holds an answer of history against what is kept around it. until
// bounds what history may fill (see Settled); what it tells of later times is
// left for another answer.
//
// Items are matched in order and one to one, by the start or by the end of a
// play. An item that was told before is passed over, so an answer seen twice
// changes nothing.
func Reconcile(kept songspy.Kept, items []songspy.HistoryItem, until time.Time) songspy.Reconciled {
	items = slices.SortedFunc(slices.Values(items), func(a, b songspy.HistoryItem) int { return a.PlayedAt.Compare(b.PlayedAt) })
	r := reconciliation{until: until}
	if len(items) > 0 {
		r.since, r.pairs = items[0].PlayedAt, inARow(items)
	}
	done := map[int64]bool{}
	for _, at := range kept.Told {
		done[at.UnixMicro()] = true
	}
	for _, k := range kept.Plays {
		r.slots = append(r.slots, slot{KeptPlay: k})
		done[k.HeardAt.UnixMicro()] = true
	}
	slices.SortFunc(r.slots, func(a, b slot) int { return a.Play.StartedAt.Compare(b.Play.StartedAt) })
	forgetful := len(items) >= songspy.HistoryMost && !done[items[0].PlayedAt.UnixMicro()]
	for _, item := range items {
		if at := item.PlayedAt.UnixMicro(); !done[at] {
			done[at] = true
			r.items = append(r.items, item)
		}
	}
	for left := len(r.items) + 1; len(r.items) < left; { // what was dealt with may tell how to deal with the rest
		left = len(r.items)
		r.learn()
		matched := r.conclude()
		if forgetful && matched[0] < 0 {
			r.forgotten(r.items[0])
		}
		forgetful = false
		r.items = r.undealt()
	}
	r.unsaid()
	return r.result()
}

// undealt are the items that nothing was made of yet.
func (r *reconciliation) undealt() []songspy.HistoryItem {
	return slices.DeleteFunc(slices.Clone(r.items), func(i songspy.HistoryItem) bool {
		return slices.ContainsFunc(r.slots, func(s slot) bool { return s.item.PlayedAt.Equal(i.PlayedAt) })
	})
}

// conclude deals with every item that can be, by the reading that is known now,
// and gives the slots that items were matched with.
func (r *reconciliation) conclude() []int {
	wait := r.undecided()
	matched := r.align()
	r.waiting = 0
	var rest []songspy.HistoryItem
	for i, item := range r.items {
		switch {
		case wait[i]:
			matched[i] = -1
			r.waiting++
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

// Tellable leaves out of an answer of history what may tell of the open play:
// its track, or one as long by another URI, since anything else was seen, and
// for its length before that, for a silence may have been false. Its start may
// have been put too late, and nobody knows before it is over which items are
// its own.
func Tellable(n songspy.NowPlaying, items []songspy.HistoryItem) []songspy.HistoryItem {
	if !n.Open() {
		return items
	}
	length := milliseconds(n.DurationMS)
	since := n.ElsewhereAt.Add(-max(aside, length))
	return slices.DeleteFunc(slices.Clone(items), func(i songspy.HistoryItem) bool {
		relinked := (i.Track.Duration() - length).Abs() <= relinkedOff
		return (i.Track.URI == n.TrackURI || relinked) && i.PlayedAt.After(since)
	})
}

type reconciliation struct {
	slots []slot // by start
	items []songspy.HistoryItem
	since time.Time // the first item's
	until time.Time
	pairs votes // of items of which one plays right after the other
	read  reading
	gaps  []songspy.Gap

	waiting int // items that are left for another answer
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
		s.Play.InferredMS = 0
		s.Play.EndedAt = end
		s.Play.Provisional = false
	}
}

func (r *reconciliation) result() songspy.Reconciled {
	out := songspy.Reconciled{Gaps: r.gaps, Waiting: r.waiting}
	for _, s := range r.slots {
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
		case s.refuted && s.item.PlayedAt.IsZero() && s.HeardAt.IsZero() && s.Play.DeletedAt == nil:
			out.Refuted = append(out.Refuted, s.KeptPlay)
		case s.moved || !s.item.PlayedAt.IsZero():
			out.Confirmed = append(out.Confirmed, songspy.KeptPlay{Play: s.Play, Track: s.Track, HeardAt: s.item.PlayedAt})
		}
	}
	slices.SortFunc(out.Found, func(a, b songspy.KeptPlay) int { return a.Play.StartedAt.Compare(b.Play.StartedAt) })
	return out
}
