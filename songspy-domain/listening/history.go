package listening

import (
	"cmp"
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
	done := map[int64]bool{}
	for _, at := range kept.Told {
		done[at.UnixMicro()] = true
	}
	for _, k := range kept.Plays {
		r.slots = append(r.slots, slot{KeptPlay: k})
		done[k.HeardAt.UnixMicro()] = true
	}
	slices.SortFunc(r.slots, func(a, b slot) int { return a.Play.StartedAt.Compare(b.Play.StartedAt) })
	r.votes = r.habit(items)
	forgetful := len(items) >= songspy.HistoryMost && !done[items[0].PlayedAt.UnixMicro()]
	for _, item := range items {
		if at := item.PlayedAt.UnixMicro(); !done[at] {
			done[at] = true
			r.items = append(r.items, item)
		}
	}
	r.learn(r.align())
	matched := r.align() // by the edge that is known now
	r.confirm(matched)
	if forgetful && matched[0] < 0 {
		r.forgotten(r.items[0])
	}
	for i, item := range r.items {
		if matched[i] < 0 && item.PlayedAt.Before(until.Add(-aside)) {
			r.place(item)
		}
	}
	return r.result()
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
// its track since anything else was seen. Its start may have been put too late,
// and nobody knows before it is over which items are its own.
func Tellable(n songspy.NowPlaying, items []songspy.HistoryItem) []songspy.HistoryItem {
	if !n.Open() {
		return items
	}
	return slices.DeleteFunc(slices.Clone(items), func(i songspy.HistoryItem) bool {
		return i.Track.URI == n.TrackURI && i.PlayedAt.After(n.ElsewhereAt)
	})
}

// reading is which edge of a play the provider's time tells for this person.
type reading int

const (
	readingUnknown reading = iota
	readingStart
	readingEnd
)

type reconciliation struct {
	slots []slot // by start
	items []songspy.HistoryItem
	until time.Time
	votes int // for start, less those for end
	read  reading
	gaps  []songspy.Gap
}

// habit counts for which reading earlier matches speak, and items of which
// one plays right after the other.
func (r *reconciliation) habit(items []songspy.HistoryItem) (votes int) {
	for _, s := range r.slots {
		if !s.HeardAt.IsZero() && s.Play.Source == songspy.SourceLive {
			votes += s.vote(songspy.HistoryItem{PlayedAt: s.HeardAt})
		}
	}
	for i := 1; i < len(items); i++ {
		apart := items[i].PlayedAt.Sub(items[i-1].PlayedAt)
		start, end := (apart - items[i-1].Track.Duration()).Abs(), (apart - items[i].Track.Duration()).Abs()
		if min(start, end) <= jitter && max(start, end) > aside {
			votes += cmp.Compare(end, start)
		}
	}
	return votes
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

// learn decides which edge this person's history means, by those items and
// plays that tell start and end apart.
func (r *reconciliation) learn(matched []int) {
	votes := r.votes
	for i, j := range matched {
		if j >= 0 {
			votes += r.slots[j].vote(r.items[i])
		}
	}
	switch {
	case votes > 0:
		r.read = readingStart
	case votes < 0:
		r.read = readingEnd
	}
}

// confirm marks the matched slots.
func (r *reconciliation) confirm(matched []int) {
	for i, j := range matched {
		if j >= 0 {
			r.slots[j].item = r.items[i]
		}
	}
	for j := range r.slots {
		s := &r.slots[j]
		if open := s.Play.Provisional || s.Play.InferredMS > 0; open && !s.item.PlayedAt.IsZero() && s.Play.DeletedAt == nil {
			r.settle(s)
		}
	}
}

// settle uses a history item to decide the unwitnessed tail of a play. Where
// history tells the end, that is the end. Where it tells the start, the play
// was heard, and nobody knows how much of its tail.
func (r *reconciliation) settle(s *slot) {
	if _, off := s.distance(s.item); r.read == readingEnd && off <= aside {
		end := clamp(s.item.PlayedAt, s.proven(), s.Play.EndedAt)
		s.Play.ListenedMS += ms(end.Sub(s.proven())) - s.Play.InferredMS
		s.Play.InferredMS = 0
		if most := s.Track.DurationMS; most > 0 {
			s.Play.ListenedMS = min(s.Play.ListenedMS, most) // it may have been paused
		}
		s.Play.EndedAt = end
		s.Play.Provisional = false
	}
}

func (r *reconciliation) result() songspy.Reconciled {
	out := songspy.Reconciled{Gaps: r.gaps}
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
