package songspy

import "time"

// Sharing holds the sharing settings of a user from BeganAt until the next row
// of the user. The newest row is the present. Rows are never changed, so that a
// play is judged by the settings that were in force when it played. Package
// visibility alone decides by them.
//
// BeganAt of a new row is the time of the change, or a microsecond after the
// newest row if a clock that ran ahead wrote that one. So rows are in the order
// in which the user made them.
type Sharing struct {
	UserID  UserID    `gorm:"primaryKey"`
	BeganAt time.Time `gorm:"primaryKey"`
	// Now says who sees what the user plays now, History who sees past plays.
	Now     Audience `gorm:"column:now_audience"`
	History Audience `gorm:"column:history_audience"`
	// HiddenUntil hides what the user plays and has played from everyone until
	// that time; nil if it is not hidden. HiddenForever means until the user
	// switches it off, which is the next row.
	HiddenUntil *time.Time
	// MinSeconds is how long a track must have played before others see it: 0,
	// 30 or 60 seconds.
	MinSeconds int
	// These kinds are hidden from others. HideLocal is true unless the user
	// chose otherwise: titles of local files come from a private disk.
	HideLocal, HideEpisodes, HideChapters bool
	// Findable says that search finds the user by nickname.
	Findable bool
}

// TableName returns the name of the table of sharing periods.
func (Sharing) TableName() string { return "sharing_periods" }

// HiddenForever is the HiddenUntil of a user who is hidden until they switch it
// off.
var HiddenForever = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// beforeSignUp is how long before the sign-up the first settings of a user apply.
// It is longer than anything that can play at the sign-up.
const beforeSignUp = 12 * time.Hour

// NewSharing returns the settings of a user who signs up at the given time: this
// audience for now and for history, local files hidden, and not findable. They
// apply from beforeSignUp on, because a track that plays at the sign-up follows
// them: visibility hides a track that began before the first settings.
func NewSharing(user UserID, audience Audience, at time.Time) Sharing {
	return Sharing{UserID: user, BeganAt: at.Add(-beforeSignUp), Now: audience, History: audience, HideLocal: true}
}

// HiddenItem is an artist or a track that a user hides from others. Rows that
// have ended stay: a play from the time when it was hidden stays hidden.
type HiddenItem struct {
	UserID UserID `gorm:"primaryKey"`
	// URI is that of an artist ("spotify:artist:…") or of a track
	// ("spotify:track:…" and the other kinds of Track.URI).
	URI     string    `gorm:"primaryKey"`
	BeganAt time.Time `gorm:"primaryKey"`
	// EndedAt is when the user showed it again; nil while it is hidden.
	EndedAt *time.Time
	// Name is the name of the artist or the title of the track, as the catalogue
	// has it. A track without the identity of its artists is compared by it.
	Name string
}

// TableName returns the name of the table of hidden items.
func (HiddenItem) TableName() string { return "hidden_items" }

// SharingRule is all that is stored about what one user shows to others. It
// needs only the rows that matter for what is to be shown: Periods and Hidden
// that were in force at any moment of the plays in question, and those in force
// now.
type SharingRule struct {
	Owner UserID
	// Periods are in the order of BeganAt, without two of the same time. The
	// last one is the present. Without any, only the owner sees the owner.
	Periods []Sharing
	// Hidden are in any order.
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

// ShareLink lets any person who has its secret see a user with AudienceLink. A
// user has at most one. A new one, or its deletion, revokes it.
type ShareLink struct {
	UserID UserID `gorm:"primaryKey"`
	// Hash is the SHA-256 of the secret in the link.
	Hash      []byte
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
}

// TableName returns the name of the table of share links.
func (ShareLink) TableName() string { return "share_links" }
