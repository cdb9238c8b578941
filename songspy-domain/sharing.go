package songspy

import "time"

// Sharing is one row of a user's sharing settings. It is in force from BeganAt until
// the next row of the user begins; the newest row is in force now. Rows are never
// changed, so who sees a play depends on the settings that were in force when it
// played. Only package visibility makes such decisions.
//
// BeganAt is the time of the change. If the BeganAt of the previous row is not earlier,
// for example because a process with a fast clock wrote that row, BeganAt is one
// microsecond after it, so that the rows stay in the order in which the user made them.
type Sharing struct {
	UserID  UserID    `gorm:"primaryKey"`
	BeganAt time.Time `gorm:"primaryKey"`
	// Now says who sees what the user plays now, History who sees past plays.
	Now     Audience `gorm:"column:now_audience"`
	History Audience `gorm:"column:history_audience"`
	// HiddenUntil is the time until which everything that the user plays and has played
	// is hidden from everyone else; nil if it is not hidden. The value HiddenForever hides
	// it until the user changes the settings, which adds the next row.
	HiddenUntil *time.Time
	// MinSeconds is how long a track must have played before others see it: 0,
	// 30 or 60 seconds.
	MinSeconds int
	// HideLocal, HideEpisodes and HideChapters hide plays of local files, episodes and
	// chapters from others. HideLocal is true unless the user chose otherwise, because
	// titles of local files come from a private disk.
	HideLocal, HideEpisodes, HideChapters bool
	// Findable says that search finds the user by nickname.
	Findable bool
}

// TableName returns the name of the table of sharing periods.
func (Sharing) TableName() string { return "sharing_periods" }

// HiddenForever is the HiddenUntil of a user who is hidden until they change the
// settings.
var HiddenForever = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// beforeSignUp is how long before the sign-up the first sharing settings of a user take
// effect. It is longer than any track that can be playing at the sign-up.
const beforeSignUp = 12 * time.Hour

// NewSharing returns the sharing settings of a user who signs up at the given time: the
// given audience for Now and for History, local files hidden, and not findable. The
// settings take effect beforeSignUp earlier. Otherwise a track that is playing at the
// sign-up would have begun before any settings, and visibility would hide it.
func NewSharing(user UserID, audience Audience, at time.Time) Sharing {
	return Sharing{UserID: user, BeganAt: at.Add(-beforeSignUp), Now: audience, History: audience, HideLocal: true}
}

// HiddenItemsMax is how many artists and tracks a user can hide at the same time.
const HiddenItemsMax = 1000

// HiddenItem is an artist or a track that a user hides from others, and the
// time in which it is hidden. If the user shows it again, EndedAt is set and the row
// stays, so that plays from the time in which it was hidden remain hidden.
type HiddenItem struct {
	UserID UserID `gorm:"primaryKey"`
	// URI is the URI of an artist ("spotify:artist:…") or of a track
	// ("spotify:track:…" and the other kinds of Track.URI).
	URI     string    `gorm:"primaryKey"`
	BeganAt time.Time `gorm:"primaryKey"`
	// EndedAt is when the user showed it again; nil while it is hidden.
	EndedAt *time.Time
	// Name is the name of the artist or the title of the track in the catalogue. An
	// artist's name is compared with tracks whose artists are known by name only.
	Name string
}

// TableName returns the name of the table of hidden items.
func (HiddenItem) TableName() string { return "hidden_items" }

// SharingRule holds the stored rows that decide what others see of one user: the
// rows that are in force now, and those that were in force while the plays to be
// shown were played. It may lack rows that were in force at other times.
type SharingRule struct {
	Owner UserID
	// Periods are sorted by BeganAt, and no two begin at the same time. The last
	// one is in force now. If there are none, only the owner sees the owner's data, and
	// the operator the profile.
	Periods []Sharing
	// Hidden are the artists and tracks that the user hides or hid, in any order.
	Hidden []HiddenItem
	// HiddenByOperator says that the operator hides the user from everyone else.
	HiddenByOperator bool
}

// Present returns the settings that are in force now; the zero value if there
// are none.
func (r SharingRule) Present() Sharing {
	if len(r.Periods) == 0 {
		return Sharing{}
	}
	return r.Periods[len(r.Periods)-1]
}

// ShareLink is a secret address. Any person who has it may see the user if the user's
// audience is AudienceLink. A user has at most one share link. It stops working when the
// user deletes it or creates a new one.
type ShareLink struct {
	UserID UserID `gorm:"primaryKey"`
	// Hash is the SHA-256 of the secret in the link.
	Hash      []byte
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
}

// TableName returns the name of the table of share links.
func (ShareLink) TableName() string { return "share_links" }
