package reconcile

import (
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

// Answer is what history said when it was asked.
type History struct {
	Items []songspy.HistoryItem // by time
	// Since is the time after which everything is told, as far as history has it.
	CompleteSince time.Time
	// Withheld are items that are not told yet.
	Deferred []songspy.HistoryItem
	// Full says that history may have forgotten what came before Since.
	Truncated bool
}

// NewAnswer is the answer to the question of what came after a time (zero: all
// that there is).
func NewHistory(items []songspy.HistoryItem, after time.Time) History {
	a := History{Items: slices.Clone(items), CompleteSince: after}
	slices.SortFunc(a.Items, func(a, b songspy.HistoryItem) int { return a.PlayedAt.Compare(b.PlayedAt) })
	if len(items) >= songspy.HistoryItemsMax {
		a.CompleteSince, a.Truncated = a.Items[0].PlayedAt, true
	}
	return a
}

// Tellable withholds of an answer what may tell of the open play: its track,
// or one as long by another URI, since anything else was seen, and for its
// length before that, for a silence may have been false. Its start may have
// been put too late, and nobody knows before it is over which items are its
// own.
func (a History) DeferOpenPlay(n songspy.NowPlaying) History {
	if !n.IsOpen() {
		return a
	}
	length := instant.Milliseconds(n.DurationMS)
	since := n.OtherSeenAt.Add(-max(matchTolerance, length))
	var items []songspy.HistoryItem
	for _, i := range a.Items {
		relinked := (i.Track.Duration() - length).Abs() <= relinkedLengthTolerance
		if (i.Track.URI == n.TrackURI || relinked) && i.PlayedAt.After(since) {
			a.Deferred = append(a.Deferred, i)
		} else {
			items = append(items, i)
		}
	}
	a.Items = items
	return a
}
