package listening

import (
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Answer is what history said when it was asked.
type Answer struct {
	Items []songspy.HistoryItem // by time
	// Since is the time after which everything is told, as far as history has it.
	Since time.Time
	// Withheld are items that are not told yet.
	Withheld []songspy.HistoryItem
	// Full says that history may have forgotten what came before Since.
	Full bool
}

// NewAnswer is the answer to the question of what came after a time (zero: all
// that there is).
func NewAnswer(items []songspy.HistoryItem, after time.Time) Answer {
	a := Answer{Items: slices.Clone(items), Since: after}
	slices.SortFunc(a.Items, func(a, b songspy.HistoryItem) int { return a.PlayedAt.Compare(b.PlayedAt) })
	if len(items) >= songspy.HistoryMost {
		a.Since, a.Full = a.Items[0].PlayedAt, true
	}
	return a
}

// Tellable withholds of an answer what may tell of the open play: its track,
// or one as long by another URI, since anything else was seen, and for its
// length before that, for a silence may have been false. Its start may have
// been put too late, and nobody knows before it is over which items are its
// own.
func (a Answer) Tellable(n songspy.NowPlaying) Answer {
	if !n.Open() {
		return a
	}
	length := milliseconds(n.DurationMS)
	since := n.ElsewhereAt.Add(-max(aside, length))
	var items []songspy.HistoryItem
	for _, i := range a.Items {
		relinked := (i.Track.Duration() - length).Abs() <= relinkedOff
		if (i.Track.URI == n.TrackURI || relinked) && i.PlayedAt.After(since) {
			a.Withheld = append(a.Withheld, i)
		} else {
			items = append(items, i)
		}
	}
	a.Items = items
	return a
}
