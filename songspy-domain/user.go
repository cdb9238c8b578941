package songspy

import (
	"slices"
	"time"
)

// UserID identifies a user. IDs are never reused.
type UserID int64

// Audience is a setting of a user. It says which other people may see what the user
// plays now, or played before.
type Audience string

// The audiences. AudienceLink is wider than AudienceFollowers, because it contains the
// followers too.
const (
	AudienceEveryone  Audience = "everyone"
	AudienceFollowers Audience = "followers"
	AudienceLink      Audience = "link" // followers, and anyone who has the user's share link
	AudienceNobody    Audience = "nobody"
)

// IsValid reports whether a is one of the audiences.
func (a Audience) IsValid() bool {
	return slices.Contains([]Audience{AudienceEveryone, AudienceFollowers, AudienceLink, AudienceNobody}, a)
}

// User is a person who signed up with Google.
//
// Google's name and picture are private until the user chooses to show them:
// NickName is nil until the user sets one, and the picture at PictureURL is public only
// if ShowPicture is set.
type User struct {
	ID          UserID `gorm:"primaryKey"`
	GoogleSub   string
	NickName    *string
	GoogleName  string // from the last Google sign-in; only the user sees it
	PictureURL  string // from the last Google sign-in; empty if Google has none
	ShowPicture bool
	// Audience and SharingPausedUntil are copies of the fields Now and HiddenUntil of
	// the user's present Sharing. The store fills them when it reads a user.
	Audience           Audience   `gorm:"-"`
	SharingPausedUntil *time.Time `gorm:"-"`
	CreatedAt          time.Time  `gorm:"autoCreateTime:false"`
	UpdatedAt          time.Time  `gorm:"autoUpdateTime:false"`
	// PublicID identifies the user outside the service. It is the user's id in the
	// API's contract (openapi.yaml) and, as a Handle (a text), in the addresses of pages.
	PublicID PublicID
	// HiddenByOperator says that the operator hides the user from everyone else.
	HiddenByOperator bool
}

// TableName returns the name of the table of users.
func (User) TableName() string { return "users" }

// PublicPicture returns Google's URL of the picture that others may see, or "" if
// the user shows none. Others may get the pixels of the picture, but never this URL,
// because the URL identifies the Google account.
func (u User) PublicPicture() string {
	if u.ShowPicture {
		return u.PictureURL
	}
	return ""
}

// PublicName returns the nickname that others see, or "" until the user sets
// one.
func (u User) PublicName() string {
	if u.NickName == nil {
		return ""
	}
	return *u.NickName
}

// GoogleProfile is a Google account's profile. Subject is Google's permanent id of
// the account. Name and PictureURL may be empty.
type GoogleProfile struct {
	Subject    string
	Name       string
	PictureURL string
	// Email is the e-mail address. It is empty unless Google says that it is
	// verified. It is not stored in User.
	Email Secret
}

// NickNameMax is the maximum length of a nickname, in grapheme clusters (characters
// as a reader counts them).
const NickNameMax = 30
