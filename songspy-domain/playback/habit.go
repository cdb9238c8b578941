package playback

import (
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// leftBy is how much earlier than a track's end a play must be over to be a
// partial one: players fade tracks into each other.
const partialPlayMargin = 20 * time.Second

// partialPlay reports whether a play is proven to have sounded for long enough
// to be listed, and was over well before the track's end.
func isPartialPlay(k songspy.StoredPlay) bool {
	p := k.Play
	length := k.Track.Duration()
	return p.Source == songspy.SourceLive && !isNeverListed(k.Track.URI) && length > 0 &&
		p.ListenedMS-p.InferredMS >= toMillis(listedPlayMin+jitter) && p.EndedAt.Sub(p.StartedAt) < length-partialPlayMargin
}

// learned is what the partial plays among those that are kept show of the
// account's history, beyond what they had shown before: each is counted when
// history first lists it, or first lists the plays on both sides of it.
func (l *workingSet) newPartialPlays(stored songspy.StoredPlays) (h songspy.PartialPlayCounts) {
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

// listedOnBothSides reports whether history lists the plays of the same session
// that come directly before and after a play. Plays are sorted by start.
func hasListedNeighbours(plays []songspy.StoredPlay, j int) bool {
	if !isListedPlay(plays, j-1) || !isListedPlay(plays, j+1) {
		return false
	}
	p := plays[j].Play
	return p.StartedAt.Sub(plays[j-1].Play.EndedAt) <= sessionGapMax && plays[j+1].Play.StartedAt.Sub(p.EndedAt) <= sessionGapMax
}

// sortByStart sorts plays by their starts.
func sortedByStart(plays []songspy.StoredPlay) []songspy.StoredPlay {
	plays = slices.Clone(plays)
	slices.SortStableFunc(plays, func(a, b songspy.StoredPlay) int { return a.Play.StartedAt.Compare(b.Play.StartedAt) })
	return plays
}
