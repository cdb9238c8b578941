package songspy

import (
	"cmp"
	"hash/fnv"
	"time"
)

// HistoryItemsMax is how many plays Spotify's history holds of one user. Older
// ones cannot be fetched (Spotify, web-api issue 627).
const HistoryItemsMax = 50

const (
	// HistoryPlayMin is the shortest play that history lists.
	HistoryPlayMin = 30 * time.Second
	// HistoryDelayMax is how long after its end a play appears in history at the
	// latest. Delays of 10 to 120 s were observed.
	HistoryDelayMax = 130 * time.Second
)

// HistoryItem is one item of Spotify's recently played tracks. Spotify does not
// say whether PlayedAt is the start or the end of the play, and it differs
// between users (spotify/web-api 613, 1083).
//
// PlayedAt is also the key of the item in the table history_items. Two items
// may have the same time, so the microseconds, which Spotify does not send,
// stand for the track: see HistoryItemKey.
type HistoryItem struct {
	Track    Track
	PlayedAt time.Time
}

// HistoryItemKey returns the key of an item: Spotify's time in milliseconds,
// with a hash of the track from 1 to 999 in its microseconds. The hash
// separates items of the same time and is too short to identify a track. It
// stays the same if a recording appears under another URI.
func HistoryItemKey(at time.Time, t Track) time.Time {
	h := fnv.New32a()
	_, _ = h.Write([]byte(cmp.Or(t.ISRC, t.URI))) // a hash never returns an error
	return at.UTC().Truncate(time.Millisecond).Add(time.Duration(1+h.Sum32()%999) * time.Microsecond)
}

// PartialPlayCounts counts the evidence for whether the history of one account
// lists partial plays: plays that were left before the track's end. Reports
// contradict each other (spotify/web-api 954, 1017).
type PartialPlayCounts struct {
	// Listed counts proven partial plays that history lists. Unlisted counts
	// missing ones, if history lists the plays directly before and after.
	Listed   int
	Unlisted int
}

const (
	// partialPlaysMin is the number of counted plays from which
	// ListsPartialPlays knows the answer.
	partialPlaysMin = 3
	// partialPlaysMax is the number of plays that are counted. Beyond it both
	// counts are halved, so that old plays weigh less.
	partialPlaysMax = 60
)

// ListsPartialPlays reports whether history lists partial plays. known is false
// until there are enough plays. A few listed plays among many unlisted ones
// count as tracks in which the user sought forward.
func (h PartialPlayCounts) ListsPartialPlays() (partial, known bool) {
	return h.Listed > 0 && h.Listed >= 3*h.Unlisted, h.Listed+h.Unlisted >= partialPlaysMin
}

// Add returns the sum of the counts, reduced to at most partialPlaysMax plays.
func (h PartialPlayCounts) Add(learned PartialPlayCounts) PartialPlayCounts {
	h.Listed, h.Unlisted = h.Listed+learned.Listed, h.Unlisted+learned.Unlisted
	for h.Listed+h.Unlisted > partialPlaysMax {
		h.Listed, h.Unlisted = h.Listed/2, h.Unlisted/2
	}
	return h
}

// PlayWithTrack is a play with its track.
type PlayWithTrack struct {
	Play  Play
	Track Track
}

// StoredPlay is a stored play with the time of its history item.
type StoredPlay struct {
	Play  Play
	Track Track
	// PlayedAt is the time of the history item that matches this play; zero if
	// none does.
	PlayedAt time.Time
}

// StoredPlays is what the store holds of one user around the time that a
// response of history covers.
type StoredPlays struct {
	// Plays are the plays that overlap that time, and some earlier ones, which
	// show how history reports this user's plays. Deleted plays are included.
	Plays []StoredPlay
	// ProcessedAt are the times of the items that were processed before.
	ProcessedAt []time.Time
	// PartialPlays says whether the history of this account lists partial
	// plays.
	PartialPlays PartialPlayCounts
}

// Reconciliation is what a response of history changes in the stored plays.
type Reconciliation struct {
	// Confirmed are stored plays that an item matches. If PlayedAt is zero, no
	// item matches and the play changes for another reason: its inferred end
	// made room for another play, or two plays are merged.
	Confirmed []StoredPlay
	// Added are plays that only history reports.
	Added []StoredPlay
	// Removed are stored plays that turn out too short to count, or to be the
	// same as another play.
	Removed []StoredPlay
	// Unmatched are items that match no play. They are stored, so that they are
	// not tried again.
	Unmatched []HistoryItem
	// Gaps are times that history no longer covers.
	Gaps []Gap
	// PartialPlays are the counts that this response adds for the account.
	PartialPlays PartialPlayCounts
	// Pending counts the items and plays that are left for a later response:
	// items that may belong to a play whose own item is still to come, and
	// plays that ended so recently that their items may still come.
	Pending int
}

// IsEmpty reports whether there is nothing to write. Pending items are not
// written.
func (r Reconciliation) IsEmpty() bool {
	return len(r.Confirmed)+len(r.Added)+len(r.Removed)+len(r.Unmatched)+len(r.Gaps) == 0
}
