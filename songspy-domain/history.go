package songspy

import (
	"cmp"
	"hash/fnv"
	"time"
)

// HistoryMost is how many plays the provider's history holds of one person;
// older ones are lost to it (Spotify, web-api issue 627).
const HistoryItemsMax = 50

// HistoryItem is one line of what the provider says was played. Whether
// PlayedAt is the start or the end of the play the provider does not say, and
// it differs from person to person (spotify/web-api 613, 1083).
//
// PlayedAt is the key of the item, also in the ledger. Two items may have the
// same time, so its microseconds, which the provider does not give, stand for
// the track: see PlayedAt.
type HistoryItem struct {
	Track    Track
	PlayedAt time.Time
}

// PlayedAt returns the key of an item: the provider's time in milliseconds, with
// the track in its microseconds, from 1 to 999. They tell the items of one time
// apart and are too few to name a track. A track keeps them under another URI
// of the same recording.
func HistoryItemKey(at time.Time, t Track) time.Time {
	h := fnv.New32a()
	_, _ = h.Write([]byte(cmp.Or(t.ISRC, t.URI))) // a hash takes all
	return at.UTC().Truncate(time.Millisecond).Add(time.Duration(1+h.Sum32()%999) * time.Microsecond)
}

// HistoryHabit counts what shows whether the history of one account lists
// partial plays: those that were left before the track's end. Reports
// contradict each other (spotify/web-api 954, 1017).
type PartialPlayCounts struct {
	// Listed are proven partial plays that history lists, Unlisted those that it
	// does not list although it lists the plays directly before and after.
	Listed   int
	Unlisted int
}

const (
	// habitKnown is how many plays show an account's habit.
	partialPlaysMin = 3
	// habitMost is how many are counted; then the past fades.
	partialPlaysMax = 60
)

// Partial reports whether history lists partial plays; known is false while
// too few plays have shown it. A few listed ones among many that are not listed
// were tracks that somebody sought forward in.
func (h PartialPlayCounts) ListsPartialPlays() (partial, known bool) {
	return h.Listed > 0 && h.Listed >= 3*h.Unlisted, h.Listed+h.Unlisted >= partialPlaysMin
}

// Plus adds what was learned.
func (h PartialPlayCounts) Add(learned PartialPlayCounts) PartialPlayCounts {
	h.Listed, h.Unlisted = h.Listed+learned.Listed, h.Unlisted+learned.Unlisted
	for h.Listed+h.Unlisted > partialPlaysMax {
		h.Listed, h.Unlisted = h.Listed/2, h.Unlisted/2
	}
	return h
}

// PlayOf is a play with its track.
type PlayWithTrack struct {
	Play  Play
	Track Track
}

// KeptPlay is a play with what history said of it.
type StoredPlay struct {
	Play  Play
	Track Track
	// HeardAt is the time of the history item that tells of this play; zero: none does.
	PlayedAt time.Time
}

// Kept is what is kept of one person around the time that an answer of
// history covers.
type StoredPlays struct {
	// Plays are those that reach into that time, and some before it, which show
	// how history has told of this person; deleted ones are among them.
	Plays []StoredPlay
	// Told are the times of the items that were dealt with before.
	ProcessedAt []time.Time
	// Habit is what was learnt of this account's history before.
	PartialPlays PartialPlayCounts
}

// Reconciled is what an answer of history adds to what is kept.
type Reconciliation struct {
	// Confirmed are kept plays that an item tells of, or, with HeardAt zero,
	// that turn out otherwise: a tail made room for another play, two are one.
	Confirmed []StoredPlay
	// Found are plays that only history knows.
	Added []StoredPlay
	// Refuted are kept plays that turn out too short to count, or to be one with
	// another.
	Removed []StoredPlay
	// Unplaced are items that fit nowhere. They are remembered, so that they
	// are not tried again.
	Unmatched []HistoryItem
	// Gaps are times of which history has forgotten what it once told.
	Gaps []Gap
	// Learned is what this answer adds to the account's habit.
	PartialPlays PartialPlayCounts
	// Waiting is how many items and plays are left for another answer: items
	// that may tell of what is told by another that is still to come, and plays
	// that are over for so short a time that theirs may still come.
	Pending int
}

// Empty reports whether there is nothing to write down. What waits is not written.
func (r Reconciliation) IsEmpty() bool {
	return len(r.Confirmed)+len(r.Added)+len(r.Removed)+len(r.Unmatched)+len(r.Gaps) == 0
}
