package songspy

import "time"

// ChangeKind says what a change concerns, so that readers can skip changes that
// do not matter to them.
type ChangeKind string

// The kinds of change.
const (
	ChangeUser    ChangeKind = "user"    // name, picture, audience, erasure
	ChangeLink    ChangeKind = "link"    // linked, linked again, unlinked, state
	ChangePlaying ChangeKind = "playing" // the state of the player
	// ChangeRelation is a follow, an approval, an end of a follow, or a block. Both
	// users get a change.
	ChangeRelation ChangeKind = "relation"
	ChangeSession  ChangeKind = "session" // a session ended before its time
)

// Change invalidates what is cached of a user. A reader that caches the user
// has to read the user again; if the user is absent then, the user is gone.
// Numbers become visible in ascending order.
type Change struct {
	Number int64 `gorm:"primaryKey"`
	UserID UserID
	Kind   ChangeKind
	At     time.Time
}

// TableName returns the name of the table of changes.
func (Change) TableName() string { return "changes" }

// BoardEntry is what the board needs to know about one user: the user, the
// player state and the track. The board decides for each reader whether to show
// it.
type BoardEntry struct {
	User    User
	Playing NowPlaying
	Track   Track
	// Rule holds the sharing periods and hidden items that were in force at any
	// moment of the open play, and those in force now.
	Rule SharingRule
}

// PolledUser is what the batch needs to poll one user: the link, and the last
// known state of the player (the zero value if there is none).
type PolledUser struct {
	Link    Link
	Playing NowPlaying
	// PartialPlays says whether the history of this account lists partial
	// plays.
	PartialPlays PartialPlayCounts
}
