package reconcile

import (
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

// History is one answer of recently-played.
type History struct {
	Items []songspy.HistoryItem // by time
	// CompleteSince is the time from which the answer lists everything that
	// history holds.
	CompleteSince time.Time
	// Deferred are items that must wait, because they may belong to the open
	// play.
	Deferred []songspy.HistoryItem
	// Truncated reports that history may have forgotten what came before
	// CompleteSince.
	Truncated bool
}

// NewHistory builds the answer to a request for items after a time; the zero
// time requests all.
func NewHistory(items []songspy.HistoryItem, after time.Time) History {
	a := History{Items: slices.Clone(items), CompleteSince: after}
	slices.SortFunc(a.Items, func(a, b songspy.HistoryItem) int { return a.PlayedAt.Compare(b.PlayedAt) })
	if len(items) >= songspy.HistoryItemsMax {
		a.CompleteSince, a.Truncated = a.Items[0].PlayedAt, true
	}
	return a
}

// DeferOpenPlay moves items that may belong to the open play to Deferred: its
// start may still change, so its items can be assigned only after it ends.
// These are items of its track, or of a track of the same length under another
// URI, since another track was last seen. Items up to the track's length before
// that are moved too, because the observation of something else may be a false
// idle answer.
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
