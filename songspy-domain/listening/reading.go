package listening

import (
	"slices"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// reading is which edge of a play the provider's time tells for this person.
type reading int

const (
	readingUnknown reading = iota
	readingStart
	readingEnd
)

// votes is how much speaks for either reading.
type votes struct{ start, end int }

// against is how much speaks for the other reading.
func (v votes) against(read reading) int {
	if read == readingStart {
		return v.end
	}
	return v.start
}

// inARow counts for which reading those items speak of which one plays right
// after the other.
func inARow(items []songspy.HistoryItem) (v votes) {
	for i := 1; i < len(items); i++ {
		apart := items[i].PlayedAt.Sub(items[i-1].PlayedAt)
		start, end := (apart - items[i-1].Track.Duration()).Abs(), (apart - items[i].Track.Duration()).Abs()
		switch {
		case start <= jitter && end > aside:
			v.start++
		case end <= jitter && start > aside:
			v.end++
		}
	}
	return v
}

// What speaks against a reading, by how much.
const (
	costWaits         = 1 // an item that may tell of a play that is just over
	costLoose         = 2 // a play is told of, but by neither of its edges
	costContradiction = 3 // an item far from the edge that others of this person lie at
	costFound         = 3 // a play that nobody saw
	costUnplaced      = 4 // a play that was seen nowhere and has no room
)

// learn decides which edge this person's history means: that by which it
// agrees best with what is kept and with what it told before. What history does
// not tell of says nothing: whole sessions never reach it.
func (r *reconciliation) learn() {
	if r.loops() {
		r.read = readingUnknown
		return
	}
	switch start, end := r.cost(readingStart), r.cost(readingEnd); {
	case start < end:
		r.read = readingStart
	case end < start:
		r.read = readingEnd
	default:
		r.read = readingUnknown
	}
}

// loops reports whether an answer tells of one track alone, over and over, and
// nothing of this person was told before: it agrees with either reading, but for
// a pause, or a round that nobody saw, and those have either edge lie.
func (r *reconciliation) loops() bool {
	if r.pairs != (votes{}) || slices.ContainsFunc(r.slots, func(s slot) bool { return !s.heard().IsZero() && s.Play.Source == songspy.SourceLive }) {
		return false
	}
	other := slices.ContainsFunc(r.items, func(i songspy.HistoryItem) bool { return !sameTrack(i.Track, r.items[0].Track) })
	return !other && slices.ContainsFunc(r.items, func(i songspy.HistoryItem) bool {
		_, torn := r.says(i)
		return torn
	})
}

// cost is what speaks against a reading.
func (r *reconciliation) cost(read reading) (sum float64) {
	try := *r
	try.slots, try.read = slices.Clone(r.slots), read
	sum = float64(costContradiction * r.pairs.against(read))
	for _, s := range r.slots {
		if off := s.off(songspy.HistoryItem{PlayedAt: s.heard()}, read); !s.heard().IsZero() && off > aside {
			sum += costContradiction
		}
	}
	for i, j := range try.conclude() {
		item := r.items[i]
		switch waits := try.awaits(item); {
		case waits && try.early(item):
			sum += costWaits
		case waits:
			sum += costFound
		case j < 0 && item.PlayedAt.Before(r.until.Add(-aside)):
			sum += costLoose
		case j >= 0:
			sum += float64(r.slots[j].off(item, read)/jitter) / 100 // of two that fit, the better
		}
	}
	out := try.result()
	sum += float64((costFound-costLoose)*len(out.Found) + (costUnplaced-costLoose)*len(out.Unplaced))
	return sum
}

// awaits reports whether an item is left for another answer.
func (r *reconciliation) awaits(item songspy.HistoryItem) bool {
	return slices.ContainsFunc(r.waits, func(w songspy.HistoryItem) bool { return w.PlayedAt.Equal(item.PlayedAt) })
}

// awaitsTrack reports whether an item of a track is left for another answer.
func (r *reconciliation) awaitsTrack(track songspy.Track) bool {
	of := func(i songspy.HistoryItem) bool { return sameTrack(i.Track, track) }
	return slices.ContainsFunc(r.waits, of) || slices.ContainsFunc(r.withheld, of)
}

// tellable reports whether history would have told of a play by now, if it was
// heard as it is kept.
func (r *reconciliation) tellable(s slot) bool {
	return s.Play.ListenedMS >= ms(countable) && r.asked(s)
}

// asked reports whether history would have told of a play by now, if it was
// heard for long enough.
func (r *reconciliation) asked(s slot) bool {
	at := s.Play.StartedAt.Add(-s.Track.Duration()) // it may have stood still unseen
	if r.read == readingEnd {
		at = s.proven().Add(-aside)
	}
	return at.After(r.since) && !r.justOver(s) && s.listed()
}

// mayCome reports whether history may have yet to tell of a play that is kept.
func (r *reconciliation) mayCome(s slot) bool {
	return !s.fresh && s.heard().IsZero() && r.justOver(s) && s.listed()
}

// justOver reports whether a play ended so shortly before all is known that
// history may not list it yet.
func (r *reconciliation) justOver(s slot) bool { return s.Play.EndedAt.Add(arrives).After(r.until) }

// undecided are the items that wait until this person's reading is known: all
// of a track of which one lies between two plays that it may tell of.
func (r *reconciliation) undecided() []bool {
	wait := make([]bool, len(r.items))
	for _, between := range r.items {
		if _, torn := r.says(between); r.read == readingUnknown && torn {
			for i, item := range r.items {
				wait[i] = wait[i] || sameTrack(item.Track, between.Track)
			}
		}
	}
	return wait
}
