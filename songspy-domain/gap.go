package songspy

import "time"

// GapReason says why plays could not be recorded.
type GapReason string

// The reasons for a gap in a user's recorded plays. A private session at Spotify
// causes no gap: Spotify then reports that the player plays nothing, and Songspy
// cannot tell the difference.
const (
	// GapLinkBroken means that Songspy could not use the user's connection to
	// Spotify, for example because its token had expired.
	GapLinkBroken GapReason = "link_broken"
	// GapAppBlocked means that the calls of the whole Spotify app were blocked, for
	// all its users: Spotify rejected them, or the quota of calls was used up.
	GapAppBlocked GapReason = "app_blocked"
	// GapProviderDown means that Spotify did not respond.
	GapProviderDown GapReason = "provider_down"
	// GapBatchDown means that the batch, which polls Spotify, was not running.
	GapBatchDown GapReason = "batch_down"
	// GapUnseen means that Spotify's answers contained nothing usable, or that
	// Spotify's history has already dropped plays of that time.
	GapUnseen GapReason = "unseen"
)

// Gap is a time in which a user's plays could not be recorded, so that some may be
// missing. Plays of that time that Spotify's history reports later are added.
// History never reports episodes, chapters and local files.
type Gap struct {
	UserID  UserID `gorm:"primaryKey"`
	BeganAt time.Time
	// EndedAt is nil while the gap lasts.
	EndedAt *time.Time
	Reason  GapReason
}

// TableName returns the name of the table of gaps.
func (Gap) TableName() string { return "gaps" }
