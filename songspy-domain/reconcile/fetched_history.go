package reconcile

import (
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

// History is one answer of recently-played.
type History struct {
	Items []songspy.HistoryItem // sorted by time, oldest first
	// CompleteSince is the time since which the answer is complete: it has all items of
	// the user's history that are later.
	CompleteSince time.Time
	// Deferred are items of the answer that may belong to the play that is still open
	// (unfinished). They are not processed with this answer: see DeferOpenPlay.
	Deferred []songspy.HistoryItem
	// Truncated says that the answer has 50 items, all that Spotify's history can hold.
	// So Spotify may have dropped plays before CompleteSince.
	Truncated bool
}

// NewHistory returns the History of an answer of Spotify with the given items.
// The parameter after is the time after which items were requested. It is the zero
// time if all items were requested.
func NewHistory(items []songspy.HistoryItem, after time.Time) History {
	a := History{Items: slices.Clone(items), CompleteSince: after}
	slices.SortFunc(a.Items, func(a, b songspy.HistoryItem) int { return a.PlayedAt.Compare(b.PlayedAt) })
	if len(items) >= songspy.HistoryItemsMax {
		a.CompleteSince, a.Truncated = a.Items[0].PlayedAt, true
	}
	return a
}

// DeferOpenPlay moves the history items that may belong to the open
// (unfinished) play to Deferred. The start of that play may still change, so
// these items are assigned to plays only when an answer is reconciled after the
// play has ended.
//
// An item may belong to the open play if its track is that of the play, or has nearly
// the same length under another URI, and if its PlayedAt is after the last poll that
// showed anything else (OtherSeenAt). Items up to the track's length (at least
// matchTolerance) before that poll are deferred too, because the poll may have shown
// wrongly that nothing played.
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
