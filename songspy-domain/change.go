package songspy

import "time"

// ChangeKind says what a change was about, so that a reader can pass over what
// is not its own.
type ChangeKind string

// The kinds of change.
const (
	ChangeUser    ChangeKind = "person"  // name, picture, audience, erasure
	ChangeLink    ChangeKind = "link"    // linked, relinked, unlinked, state
	ChangePlaying ChangeKind = "playing" // what the person hears
)

// Change is an invalidation: whoever keeps a copy of the person fetches them
// afresh, and absent means gone. Numbers become visible in order.
type Change struct {
	Number int64 `gorm:"primaryKey"`
	UserID UserID
	Kind   ChangeKind
	At     time.Time
}

// TableName is the table of changes.
func (Change) TableName() string { return "changes" }

// OnBoard is one person as the board needs them: who they are, what they hear,
// and the track. Visibility is decided when it is read.
type BoardEntry struct {
	User    User
	Playing NowPlaying
	Track   Track
}

// Listener is one person as the batch needs them: the link, and what is known
// of the player (zero if nothing is).
type PolledUser struct {
	Link    Link
	Playing NowPlaying
	// Habit is what was learnt of the account's history.
	PartialPlays PartialPlayCounts
}
