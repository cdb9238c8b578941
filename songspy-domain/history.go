package songspy

import (
	"cmp"
	"hash/fnv"
	"time"
)

// HistoryItemsMax is how many plays Spotify's history (recently-played) holds
// of one user. Older plays cannot be fetched (Spotify, web-api issue 627).
const HistoryItemsMax = 50

const (
	// HistoryPlayMin is the shortest play that Spotify's history lists.
	HistoryPlayMin = 30 * time.Second
	// HistoryDelayMax is the longest time from the end of a play until
	// Spotify's history lists it. Delays of 10 to 120 s were observed.
	HistoryDelayMax = 130 * time.Second
)

// HistoryItem is one item of Spotify's recently played tracks. PlayedAt is the start
// of the play for some users and its end for others; Spotify does not say which
// (spotify/web-api 613, 1083).
//
// PlayedAt is also the key of the item in the table history_items. Spotify sends
// whole milliseconds, so two items of a user may have the same time. To keep them
// apart, PlayedAt also contains microseconds that HistoryItemKey computes from the track.
type HistoryItem struct {
	Track    Track
	PlayedAt time.Time
}

// HistoryItemKey returns the key of a history item: Spotify's time in milliseconds,
// plus 1 to 999 microseconds, which are a hash of the track. The hash keeps
// two items of the same time apart, but is too short to identify a track. If the
// track has an ISRC, the hash is made from that and not from the URI. So it stays
// the same if Spotify lists the recording under another URI.
func HistoryItemKey(at time.Time, t Track) time.Time {
	h := fnv.New32a()
	_, _ = h.Write([]byte(cmp.Or(t.ISRC, t.URI))) // a hash never returns an error
	return at.UTC().Truncate(time.Millisecond).Add(time.Duration(1+h.Sum32()%999) * time.Microsecond)
}

// PartialPlayCounts counts the evidence for whether the history of one user
// lists partial plays: plays that ended before their track did. Spotify does
// not document whether it does, and reports of developers contradict each other
// (spotify/web-api 954, 1017).
type PartialPlayCounts struct {
	// Listed counts partial plays that polls prove and history lists. Unlisted counts
	// partial plays that polls prove and history does not list, although it lists the
	// plays directly before and after them.
	Listed   int
	Unlisted int
}

const (
	// partialPlaysMin is how many partial plays must be counted before
	// ListsPartialPlays gives an answer.
	partialPlaysMin = 3
	// partialPlaysMax is the largest number of partial plays that stay counted.
	// Beyond it both counts are halved, so that old plays weigh less than
	// recent ones.
	partialPlaysMax = 60
)

// ListsPartialPlays reports whether history lists partial plays. partial is true only
// if Listed is at least three times Unlisted, because some plays that Listed counts may
// have been whole: if the user sought forward, a whole play is shorter than its track.
// known is false while fewer than partialPlaysMin plays are counted.
func (h PartialPlayCounts) ListsPartialPlays() (partial, known bool) {
	return h.Listed > 0 && h.Listed >= 3*h.Unlisted, h.Listed+h.Unlisted >= partialPlaysMin
}

// Add returns the sum of the counts h and learned. If the sum counts more than
// partialPlaysMax plays, Add halves both counts until it no longer does.
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

// StoredPlay is a play in the database with the time of the history item that
// belongs to it.
type StoredPlay struct {
	Play  Play
	Track Track
	// PlayedAt is the time of the history item that matches this play; zero if
	// none does.
	PlayedAt time.Time
}

// StoredPlays is what the database holds of one user for the time that one
// response of Spotify's history covers.
type StoredPlays struct {
	// Plays are the plays that overlap that time, and some earlier ones, which
	// show how history reports this user's plays. Deleted plays are included.
	Plays []StoredPlay
	// ProcessedAt are the times of the history items that earlier responses
	// contained and that were processed then.
	ProcessedAt []time.Time
	// PartialPlays counts the evidence for whether the user's history lists
	// partial plays, which ended before their track did.
	PartialPlays PartialPlayCounts
}

// Reconciliation is the changes to a user's stored plays that follow from one
// response of Spotify's history.
type Reconciliation struct {
	// Confirmed are stored plays that a history item matches. Plays with a zero
	// PlayedAt match no item and change for another reason: for example, their
	// inferred tail (Play.InferredMS) was removed, or two plays were merged.
	Confirmed []StoredPlay
	// Added are plays that only history reports.
	Added []StoredPlay
	// Removed are stored plays that turn out too short to count, or to be the
	// same as another play.
	Removed []StoredPlay
	// Unmatched are history items that match no play. They are stored as processed,
	// so that a later response does not process them again.
	Unmatched []HistoryItem
	// Gaps are times whose plays Spotify may have dropped from the history before
	// they were fetched.
	Gaps []Gap
	// PartialPlays are the counts that this response adds.
	PartialPlays PartialPlayCounts
	// Pending counts the history items and plays about which only a later response
	// can decide. An item is pending while it is uncertain to which play it belongs. A
	// play is pending if it ended so recently that its history item may still appear.
	Pending int
}

// IsEmpty reports whether there is nothing to write to the database. Pending
// items and plays are never written, so they do not count. PartialPlays can only be
// nonzero if plays change, too, so it need not be checked.
func (r Reconciliation) IsEmpty() bool {
	return len(r.Confirmed)+len(r.Added)+len(r.Removed)+len(r.Unmatched)+len(r.Gaps) == 0
}
