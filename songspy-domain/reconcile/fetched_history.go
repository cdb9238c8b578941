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
	// CompleteSince is the time from which Spotify's answer lists all plays
	// that history holds.
	CompleteSince time.Time
	// Deferred are history items that are processed later, because they may
	// belong to the play that is still open (unfinished).
	Deferred []songspy.HistoryItem
	// Truncated says that Spotify may have dropped plays before CompleteSince,
	// because its history holds fifty plays only.
	Truncated bool
}

// NewHistory returns the History of an answer of Spotify with the given items.
// after is the time from which items were requested; it is zero if all items were
// requested.
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
// its items are assigned after it has ended.
//
// An item may belong to the open play if it has its track, or a track of the
// same length under another URI, and was played after a poll last showed
// another track. Items up to the track's length earlier are moved too, because
// that poll may have shown wrongly that nothing played.
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
