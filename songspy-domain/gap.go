package songspy

import "time"

// GapReason is why something could not be known.
type GapReason string

// The reasons. A private session looks like silence and leaves no gap.
const (
	// GapLinkBroken: the link to Spotify did not work.
	GapLinkBroken GapReason = "link_broken"
	// GapDoorClosed: Spotify refused the whole app.
	GapAppBlocked GapReason = "door_closed"
	// GapProviderDown: Spotify did not answer.
	GapProviderDown GapReason = "provider_down"
	// GapBatchDown: this service was not running.
	GapBatchDown GapReason = "batch_down"
	// GapUnseen: Spotify showed nothing usable, or had forgotten what it showed.
	GapUnseen GapReason = "unseen"
)

// Gap is a time of which it is not known what a person heard: nobody could
// look. What history told of it later is among the plays; episodes,
// chapters and local files it never tells.
type Gap struct {
	UserID  UserID `gorm:"primaryKey"`
	BeganAt time.Time
	// EndedAt is nil while the gap goes on.
	EndedAt *time.Time
	Reason  GapReason
}

// TableName is the table of gaps.
func (Gap) TableName() string { return "gaps" }
