package songspy

import "time"

// GapReason says why plays could not be recorded.
type GapReason string

// The reasons. A private session looks like an idle player and leaves no gap.
const (
	// GapLinkBroken means that the link to Spotify did not work.
	GapLinkBroken GapReason = "link_broken"
	// GapAppBlocked means that Spotify rejected the calls of the whole app.
	GapAppBlocked GapReason = "app_blocked"
	// GapProviderDown means that Spotify did not respond.
	GapProviderDown GapReason = "provider_down"
	// GapBatchDown means that the batch was not running.
	GapBatchDown GapReason = "batch_down"
	// GapUnseen means that Spotify returned nothing usable, or no longer lists
	// what it once returned.
	GapUnseen GapReason = "unseen"
)

// Gap is a time in which a user was not polled, so that plays may be missing.
// Plays that Spotify's history reports later are added to the plays. History
// never reports episodes, chapters and local files.
type Gap struct {
	UserID  UserID `gorm:"primaryKey"`
	BeganAt time.Time
	// EndedAt is nil while the gap lasts.
	EndedAt *time.Time
	Reason  GapReason
}

// TableName returns the name of the table of gaps.
func (Gap) TableName() string { return "gaps" }
