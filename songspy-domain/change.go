package songspy

import "time"

// ChangeKind says what part of a user's data changed, so that a reader of the
// change feed can skip changes that do not matter to it.
type ChangeKind string

// The kinds of change.
const (
	ChangeUser    ChangeKind = "user"    // name, picture, audience, erasure
	ChangeLink    ChangeKind = "link"    // linked, linked again, unlinked, state
	ChangePlaying ChangeKind = "playing" // the state of the player
	// ChangeRelation is a new follow, an approval or the end of a follow, or a block.
	// The change feed gets one change for each of the two users.
	ChangeRelation ChangeKind = "relation"
	ChangeSession  ChangeKind = "session" // a sign-in session has ended before its expiry
)

// Change is one row of the change feed. It says that a user's data has changed, so that
// every process that caches the user reads the user from the database again. If the
// user does not exist any more, the process drops the user from its cache. Transactions
// commit changes in the order of their numbers, so a reader that continues after the last
// number that it has read misses no change.
type Change struct {
	Number int64 `gorm:"primaryKey"`
	UserID UserID
	Kind   ChangeKind
	At     time.Time
}

// TableName returns the name of the table of changes.
func (Change) TableName() string { return "changes" }

// BoardEntry is what the board (the live list of listening users) needs to know
// about one user: the user, the player state and the track. The board decides for
// each viewer whether to show the user.
type BoardEntry struct {
	User    User
	Playing NowPlaying
	Track   Track
	// Rule holds the user's sharing settings and hidden artists and tracks:
	// those that were in force at any moment of the current play, and those in
	// force now.
	Rule SharingRule
}

// PolledUser is what the batch needs to poll one user: the link, and the last
// known state of the player (the zero value if there is none).
type PolledUser struct {
	Link    Link
	Playing NowPlaying
	// PartialPlays counts the evidence for whether the user's history lists
	// partial plays, which ended before their track did.
	PartialPlays PartialPlayCounts
}
