package listening

import (
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// leftBy is how much earlier than a track's end a play must be over to be a
// partial one: players fade tracks into each other.
const leftBy = 20 * time.Second

// partialPlay reports whether a play is proven to have sounded for long enough
// to be listed, and was over well before the track's end.
func partialPlay(k songspy.KeptPlay) bool {
	p := k.Play
	length := k.Track.Duration()
	return p.Source == songspy.SourceLive && !untellable(k.Track.URI) && length > 0 &&
		p.ListenedMS-p.InferredMS >= ms(countable+jitter) && p.EndedAt.Sub(p.StartedAt) < length-leftBy
}

// learned is what the partial plays among those that are kept show of the
// account's history, beyond what they had shown before: each is counted when
// history first lists it, or first lists the plays on both sides of it.
func (l *ledger) learned(kept songspy.Kept) (h songspy.HistoryHabit) {
	before, after := sortByStart(kept.Plays), sortByStart(l.plays)
	waits := func(track songspy.Track) bool {
		return slices.ContainsFunc(l.waits, func(i songspy.HistoryItem) bool { return sameTrack(i.Track, track) })
	}
	for j, k := range after {
		if !partialPlay(k) {
			continue
		}
		switch {
		case listedPlay(after, j):
			if i := index(before, k.Play.ID); i >= 0 && !listedPlay(before, i) {
				h.Listed++
			}
		case listedOnBothSides(after, j) && !waits(k.Track):
			if i := index(before, k.Play.ID); i >= 0 && !listedOnBothSides(before, i) {
				h.Unlisted++
			}
		}
	}
	return h
}

func listedPlay(plays []songspy.KeptPlay, j int) bool {
	return j >= 0 && j < len(plays) && !plays[j].HeardAt.IsZero()
}

// listedOnBothSides reports whether history lists the plays of the same session
// that come directly before and after a play. Plays are sorted by start.
func listedOnBothSides(plays []songspy.KeptPlay, j int) bool {
	if !listedPlay(plays, j-1) || !listedPlay(plays, j+1) {
		return false
	}
	p := plays[j].Play
	return p.StartedAt.Sub(plays[j-1].Play.EndedAt) <= session && plays[j+1].Play.StartedAt.Sub(p.EndedAt) <= session
}

// sortByStart sorts plays by their starts.
func sortByStart(plays []songspy.KeptPlay) []songspy.KeptPlay {
	plays = slices.Clone(plays)
	slices.SortStableFunc(plays, func(a, b songspy.KeptPlay) int { return a.Play.StartedAt.Compare(b.Play.StartedAt) })
	return plays
}
