package songspy

import "time"

// EmbedPurpose says what an embed token is for.
type EmbedPurpose string

// The purposes of embed tokens.
const (
	EmbedImage   EmbedPurpose = "embed"   // an image or its data on another page
	EmbedOverlay EmbedPurpose = "overlay" // the overlay page, for streaming programs
)

// EmbedTokensMax is how many embed tokens a user can have.
const EmbedTokensMax = 20

// EmbedToken lets anyone who has its secret see what a user is listening to. It shows what
// the user's share link (secret address) would show, but only in an embed or only in an
// overlay (Purpose).
type EmbedToken struct {
	UserID UserID `gorm:"primaryKey"`
	// ID is random: a running number would reveal how many tokens all users have.
	ID      PublicID `gorm:"primaryKey"`
	Purpose EmbedPurpose
	// Label is the name that the user gave the token; empty if there is none.
	Label string
	// Hash is the SHA-256 of the secret.
	Hash      []byte
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
}

// TableName returns the name of the table of embed tokens.
func (EmbedToken) TableName() string { return "embed_tokens" }

// Webhook is the address at which a program of the user receives what the user is
// listening to. A user has at most one.
type Webhook struct {
	UserID UserID `gorm:"primaryKey"`
	// ID is random and new each time the user sets the webhook.
	ID PublicID
	// URL may contain a secret, and Key signs the messages. The store encrypts both.
	URL       Secret    `gorm:"-"`
	Key       Secret    `gorm:"-"`
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
	// Sequence is the number of the last message; 0 if none was sent.
	Sequence int64
	// Fingerprint is a keyed hash of the content of the last message. Delivered is true if
	// the receiver accepted that message.
	Fingerprint []byte
	Delivered   bool
	// Attempts counts the attempts to deliver that failed in a row. The next attempt is
	// made at NextAttemptAt or later.
	Attempts      int
	NextAttemptAt time.Time
	// DeliveredAt is when the receiver last accepted a message; nil if it never has.
	DeliveredAt *time.Time
	// FailingSince is when the first of the Attempts failed; nil if the last attempt
	// succeeded. Failure says why the last attempt failed.
	FailingSince *time.Time
	Failure      WebhookFailure
	// OffAt is when the webhook was switched off because it failed for too long, or because
	// of WebhookGone; nil if it is on.
	OffAt *time.Time
}

// TableName returns the name of the table of webhooks.
func (Webhook) TableName() string { return "webhooks" }

// WebhookFailure says why a message could not be delivered. It names no address.
type WebhookFailure string

// The failures of webhooks.
const (
	WebhookTimeout     WebhookFailure = "timeout"     // no answer in time
	WebhookUnknownHost WebhookFailure = "unknownHost" // the host name has no address
	WebhookForbidden   WebhookFailure = "forbidden"   // the address is not on the public internet
	WebhookUnreachable WebhookFailure = "unreachable" // no connection, or a broken one
	WebhookRejected    WebhookFailure = "rejected"    // an answer other than 2xx and 410
	WebhookGone        WebhookFailure = "gone"        // the answer 410: the receiver wants no more messages
)
