package songspy

import (
	"strings"
	"time"
)

// LinkState is the state of a user's link to Spotify.
type LinkState string

// The states of a link.
const (
	// LinkActive means that the link works: its user is polled.
	LinkActive LinkState = "active"
	// LinkSuspect means that Spotify rejected the refresh token recently. The
	// renewal is repeated before the rejection counts.
	LinkSuspect LinkState = "suspect"
	// LinkReauthRequired means that only the user can repair the link, by
	// linking again.
	LinkReauthRequired LinkState = "reauth_required"
	// LinkNotRegistered means that the app's owner has to register the user in
	// the app's dashboard first. An app in development mode admits five users.
	LinkNotRegistered LinkState = "not_registered"
)

// AuthMethod is how the app authenticates at Spotify's token endpoint.
type AuthMethod string

// The methods. A link stores its method: a token that was obtained with PKCE
// alone cannot be renewed with a client secret.
const (
	AuthBasic AuthMethod = "basic" // client ID and secret in the Authorization header
	AuthPKCE  AuthMethod = "pkce"  // client ID in the body, no secret
)

// The OAuth scopes that the service needs. It requests no others.
const (
	ScopeCurrentlyPlaying = "user-read-currently-playing"
	ScopeRecentlyPlayed   = "user-read-recently-played"
)

// NeededScopes returns the scopes that a link must grant.
func NeededScopes() []string { return []string{ScopeCurrentlyPlaying, ScopeRecentlyPlayed} }

// MissingScopes returns the needed scopes that granted does not contain.
// granted is space-separated, as Spotify sends it.
func MissingScopes(granted string) []string {
	have := strings.Fields(granted)
	var missing []string
	for _, need := range NeededScopes() {
		found := false
		for _, h := range have {
			found = found || h == need
		}
		if !found {
			missing = append(missing, need)
		}
	}
	return missing
}

// NotRegisteredRetryAfter is how long a user stays LinkNotRegistered before the
// link is tried again.
const NotRegisteredRetryAfter = 24 * time.Hour

// ConsentMonths is how long a user's consent lasts. Spotify's refresh tokens
// expire six months after the authorization, and a refresh does not extend that
// (Spotify, June 2026).
const ConsentMonths = 6

// Grant is a response of Spotify's token endpoint: the tokens of one user.
type Grant struct {
	AccessToken Secret
	// RefreshToken is empty if a refresh returned none. The old one stays valid
	// then.
	RefreshToken Secret
	// ExpiresAt is when the access token expires, by the local clock.
	ExpiresAt time.Time
	// Scope lists the granted scopes, space-separated. It is empty if a refresh
	// did not return it.
	Scope string
	Auth  AuthMethod
}

// Credentials are what a call for a user needs: the access token, and the app
// that it was issued to.
type Credentials struct {
	App   string
	Token Secret
}

// SpotifyAccount is the Spotify account that a token belongs to. Spotify
// introduced AccountID in May 2026 and still sends the older ID. Two accounts
// are the same if either matches. One of the two may be empty.
type SpotifyAccount struct {
	AccountID   string
	ID          string
	DisplayName string
}

// Link connects a user to a Spotify account. The store encrypts the tokens
// before it writes them, so these fields hold plaintext and the columns hold
// ciphertext.
type Link struct {
	UserID UserID `gorm:"primaryKey"`
	// App names the Spotify app that obtained the tokens. See UserApp.
	App          string
	AccountID    *string // unique if known
	LegacyID     *string // unique if known
	AuthMethod   AuthMethod
	AccessToken  Secret `gorm:"-"`
	RefreshToken Secret `gorm:"-"`
	Scope        string
	// AccessExpiresAt is when the access token expires, by the local clock.
	AccessExpiresAt time.Time
	// AuthorizedAt is when the user consented. The consent ends ConsentMonths
	// later.
	AuthorizedAt time.Time
	State        LinkState
	// StateSince is when the link entered its state.
	StateSince time.Time
	// PollsRefusedSince is since when Spotify has rejected polls although their
	// token was renewed just before; nil if it does not. Such a link becomes
	// active again when a poll succeeds. A successful renewal is not enough.
	PollsRefusedSince *time.Time
	// Generation increases when the user links again, unlinks or is erased.
	// Results that were obtained under an older generation must not be written.
	Generation int64
	// Version increases with every change of the tokens or the state. A renewal
	// uses it for compare-and-swap.
	Version   int64
	Shard     int16
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
	UpdatedAt time.Time `gorm:"autoUpdateTime:false"`
}

// HasAccount reports whether the Spotify account of the tokens is known. It is
// unknown while the link is LinkNotRegistered and waits for the app's owner.
func (l Link) HasAccount() bool { return l.AccountID != nil || l.LegacyID != nil }

// IsPendingGrant reports whether the link is a grant that waits for the app's
// owner to register the user: it has tokens, but no account yet.
func (l Link) IsPendingGrant() bool { return l.State == LinkNotRegistered && !l.HasAccount() }

// Grant returns the tokens of the link as a Grant.
func (l Link) Grant() Grant {
	return Grant{AccessToken: l.AccessToken, RefreshToken: l.RefreshToken, ExpiresAt: l.AccessExpiresAt, Scope: l.Scope, Auth: l.AuthMethod}
}

// TableName returns the name of the table of links.
func (Link) TableName() string { return "spotify_links" }

// LinkVersion identifies one version of a link without its tokens. A cached
// link is out of date if its version differs.
type LinkVersion struct {
	UserID     UserID
	Generation int64
	Version    int64
}

// ConsentEndsAt returns when the refresh token expires. No renewal extends that
// time.
func (l Link) ConsentEndsAt() time.Time { return l.AuthorizedAt.AddDate(0, ConsentMonths, 0) }

// RemindAt returns when the reminders to consent again begin: a month before
// the consent ends.
func (l Link) RemindAt() time.Time { return l.AuthorizedAt.AddDate(0, ConsentMonths-1, 0) }

// LinkTask is what the user has to do about the link.
type LinkTask string

// The tasks.
const (
	TaskNone        LinkTask = "none"         // nothing: the link works, or recovers without the user
	TaskRelinkSoon  LinkTask = "relink_soon"  // link again: the consent ends within a month
	TaskRelink      LinkTask = "relink"       // link again: the user cannot be polled until then
	TaskAskOperator LinkTask = "ask_operator" // ask the app's owner to register the user
)

// Task returns what the user has to do about the link now.
func (l Link) Task(now time.Time) LinkTask {
	switch {
	case l.State == LinkReauthRequired, !now.Before(l.ConsentEndsAt()):
		return TaskRelink
	case l.State == LinkNotRegistered:
		return TaskAskOperator
	case !now.Before(l.RemindAt()):
		return TaskRelinkSoon
	default:
		return TaskNone
	}
}

// ShardCount is the number of shards that the users are divided into. It is
// fixed, because a link's shard is stored with it.
const ShardCount = 64

// ShardOf returns the shard of a user. It uses the same hash as PhaseOf, but
// other bits, so that the users of one shard are spread over the interval.
func ShardOf(id UserID) int16 { return int16(splitMix64(uint64(id)) >> 58) }

// PhaseOf returns the user's fixed offset within a repeating interval. The
// offsets of all users spread their calls evenly over the interval.
func PhaseOf(id UserID, interval time.Duration) time.Duration {
	if interval <= 0 {
		return 0
	}
	const bits = 1 << 32
	frac := splitMix64(uint64(id)) & (bits - 1)
	return time.Duration(float64(interval) * (float64(frac) / bits))
}

// splitMix64 is the finalizer of SplitMix64. It maps consecutive IDs to distant
// values.
func splitMix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}

// LinkGroup counts the links that are in one state and whose users consented on
// the same day.
type LinkGroup struct {
	State LinkState
	// ConsentedOn is the start of that day, midnight UTC.
	ConsentedOn time.Time
	Count       int64
}

// ConsentLeft returns how long the consent of the group lasts at least. The
// value is up to a day too low, never too high, and negative after the end.
func (g LinkGroup) ConsentLeft(now time.Time) time.Duration {
	return Link{AuthorizedAt: g.ConsentedOn}.ConsentEndsAt().Sub(now)
}

// LinkStates returns the states of a link.
func LinkStates() []LinkState {
	return []LinkState{LinkActive, LinkSuspect, LinkReauthRequired, LinkNotRegistered}
}

// IsPolled reports whether users whose link is in that state are polled.
func (s LinkState) IsPolled() bool { return s == LinkActive || s == LinkSuspect }
