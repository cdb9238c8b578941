package songspy

import "time"

// UserID names a person for ever; ids are never given twice.
type UserID int64

// Audience is who may see what a person is listening to.
type Audience string

// The audiences.
const (
	AudienceEveryone  Audience = "everyone"
	AudienceFollowers Audience = "followers"
	AudienceLink      Audience = "link" // whoever holds a link that the person gave out
	AudienceNobody    Audience = "nobody"
)

// Valid reports whether a is one of the audiences.
func (a Audience) IsValid() bool {
	switch a {
	case AudienceEveryone, AudienceFollowers, AudienceLink, AudienceNobody:
		return true
	}
	return false
}

// User is a person who signed up with Google.
//
// Google's name and picture are the person's own until they choose to show
// them: NickName is nil until chosen and PictureURL is public only under ShowPicture.
type User struct {
	ID          UserID `gorm:"primaryKey"`
	GoogleSub   string
	NickName    *string
	GoogleName  string // as Google last told; shown to the person alone
	PictureURL  string // as Google last told; empty if Google has none
	ShowPicture bool
	Audience    Audience
	// SharingPausedUntil hides the person from everyone until then; nil: not paused.
	SharingPausedUntil *time.Time
	CreatedAt          time.Time `gorm:"autoCreateTime:false"`
	UpdatedAt          time.Time `gorm:"autoUpdateTime:false"`
}

// TableName is the table of users.
func (User) TableName() string { return "users" }

// SharesWithEveryone reports whether the public board may show the person at the time.
func (u User) SharesWithEveryone(at time.Time) bool {
	return u.Audience == AudienceEveryone && (u.SharingPausedUntil == nil || !at.Before(*u.SharingPausedUntil))
}

// PublicPicture is the picture that others may see, or empty.
func (u User) PublicPicture() string {
	if u.ShowPicture {
		return u.PictureURL
	}
	return ""
}

// PublicName is the name that others see: the nickname, or empty before one is chosen.
func (u User) PublicName() string {
	if u.NickName == nil {
		return ""
	}
	return *u.NickName
}

// GoogleProfile is what Google says of a person: the subject that names them
// for ever, and a name, picture and address that may be empty.
type GoogleProfile struct {
	Subject    string
	Name       string
	PictureURL string
	// Email is empty unless Google says it is verified. It is no part of a User.
	Email Secret
}

// NickNameMax is the longest nickname, in graphemes as a reader counts them.
const NickNameMax = 30
