package songspy

import (
	"strings"
	"time"
)

// LinkState is how a Spotify link fares.
type LinkState string

// The states of a link.
const (
	// LinkActive: asked regularly.
	LinkActive LinkState = "active"
	// LinkSuspect: the refresh token was refused lately; tried again before it is believed.
	LinkSuspect LinkState = "suspect"
	// LinkReauthRequired: only the person can mend it, by linking again.
	LinkReauthRequired LinkState = "reauth_required"
	// LinkNotRegistered: the app's owner has to enter the person in the app's
	// dashboard first (an app in development mode admits five people).
	LinkNotRegistered LinkState = "not_registered"
)

// AuthMethod is how the app proves itself at Spotify's token endpoint.
type AuthMethod string

// The methods. A link remembers its own: a token obtained with a verifier
// alone cannot be renewed with a secret.
const (
	AuthBasic AuthMethod = "basic" // client id and secret in the Authorization header
	AuthPKCE  AuthMethod = "pkce"  // client id in the body, no secret
)

// The scopes that the service needs, and no others.
const (
	ScopeCurrentlyPlaying = "user-read-currently-playing"
	ScopeRecentlyPlayed   = "user-read-recently-played"
)

// NeededScopes lists what a link must grant.
func NeededScopes() []string { return []string{ScopeCurrentlyPlaying, ScopeRecentlyPlayed} }

// MissingScopes lists the needed scopes that granted, space-separated as
// Spotify sends it, does not hold.
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

// NotRegisteredFor is how long it is believed that the app does not know a user.
// Then the user is tried again.
const NotRegisteredRetryAfter = 24 * time.Hour

// ConsentMonths is how long a person's consent lives: Spotify's refresh tokens
// die six months after authorization, and refreshing does not extend that
// (Spotify, June 2026).
const ConsentMonths = 6

// Grant is what Spotify's token endpoint gives: tokens for one person.
type Grant struct {
	AccessToken Secret
	// RefreshToken is empty when a refresh returned none: the old one stays in use.
	RefreshToken Secret
	// ExpiresAt is when the access token dies, by our clock.
	ExpiresAt time.Time
	// Scope is what was granted, space-separated; empty when a refresh did not say.
	Scope string
	Auth  AuthMethod
}

// Access is what a call on a person's behalf needs: their access token, and the
// app that it was given to.
type Credentials struct {
	App   string
	Token Secret
}

// Account is who a Spotify token belongs to. AccountID came in May 2026; the
// older ID goes on being sent. A match on either is the same account; one of
// them may be empty.
type SpotifyAccount struct {
	AccountID   string
	ID          string
	DisplayName string
}

// Link ties a person to a Spotify account. The tokens are sealed before they
// reach a table: the columns hold ciphertext, these fields never do.
type Link struct {
	UserID UserID `gorm:"primaryKey"`
	// App names the Spotify app whose client id obtained the tokens; see OwnApp.
	App          string
	AccountID    *string // unique where known
	LegacyID     *string // unique where known
	AuthMethod   AuthMethod
	AccessToken  Secret `gorm:"-"`
	RefreshToken Secret `gorm:"-"`
	Scope        string
	// AccessExpiresAt is when the access token dies, by our clock.
	AccessExpiresAt time.Time
	// AuthorizedAt is when the person consented; consent ends ConsentMonths later.
	AuthorizedAt time.Time
	State        LinkState
	// StateSince is when the state was entered.
	StateSince time.Time
	// PollsRefusedSince is since when Spotify has refused polls with tokens that it
	// renewed just before; nil: it does not. Such a link becomes active again by a
	// poll that is answered, never by a renewal.
	PollsRefusedSince *time.Time
	// Generation is raised by relink, unlink and erasure; what was learnt
	// under an older generation must not be written any more.
	Generation int64
	// Version is raised by every change of the tokens or the state; a renewal
	// compares and swaps on it.
	Version   int64
	Shard     int16
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
	UpdatedAt time.Time `gorm:"autoUpdateTime:false"`
}

// AccountKnown reports whether it is known whose account the tokens are for. It
// is not while the link waits, not registered, for the app's owner.
func (l Link) HasAccount() bool { return l.AccountID != nil || l.LegacyID != nil }

// IsKeptGrant reports whether the link is a grant that waits for the app's owner
// to enter the user: it has tokens, but no account yet.
func (l Link) IsPendingGrant() bool { return l.State == LinkNotRegistered && !l.HasAccount() }

// Grant returns the tokens of the link as the grant that gave them.
func (l Link) Grant() Grant {
	return Grant{AccessToken: l.AccessToken, RefreshToken: l.RefreshToken, ExpiresAt: l.AccessExpiresAt, Scope: l.Scope, Auth: l.AuthMethod}
}

// TableName is the table of links.
func (Link) TableName() string { return "spotify_links" }

// LinkMark tells, without its tokens, whether what is known of a link is still
// up to date.
type LinkVersion struct {
	UserID     UserID
	Generation int64
	Version    int64
}

// ConsentEndsAt is when the refresh token dies whatever is done.
func (l Link) ConsentEndsAt() time.Time { return l.AuthorizedAt.AddDate(0, ConsentMonths, 0) }

// RemindFrom is from when the person is asked to consent again: a month before
// the end.
func (l Link) RemindAt() time.Time { return l.AuthorizedAt.AddDate(0, ConsentMonths-1, 0) }

// LinkTask is what a link wants of its person.
type LinkTask string

// The tasks.
const (
	TaskNone        LinkTask = "none"         // all is well, or mends itself
	TaskRelinkSoon  LinkTask = "relink_soon"  // the consent ends within a month
	TaskRelink      LinkTask = "relink"       // nothing can be seen until the person links again
	TaskAskOperator LinkTask = "ask_operator" // the app's owner has to enter the person first
)

// Task is what the link wants of its person now.
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

// Shards is how many shares the listeners are divided into. It is fixed: a
// link's shard is stored with it.
const ShardCount = 64

// ShardOf is the shard of a person. It is taken from the same mixing as the
// phase, but from other bits, so that one shard's people are spread in time.
func ShardOf(id UserID) int16 { return int16(splitMix64(uint64(id)) >> 58) }

// PhaseOf is the person's fixed place in a repeating interval: calls are
// spread over it evenly and stay so.
func PhaseOf(id UserID, interval time.Duration) time.Duration {
	if interval <= 0 {
		return 0
	}
	const bits = 1 << 32
	frac := splitMix64(uint64(id)) & (bits - 1)
	return time.Duration(float64(interval) * (float64(frac) / bits))
}

// mix is the finalizer of SplitMix64: neighbouring ids land far apart.
func splitMix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}

// LinkGroup is how many links are in a state whose people consented on the
// same day.
type LinkGroup struct {
	State LinkState
	// Consented is the midnight (UTC) that began the day.
	ConsentedOn time.Time
	Count       int64
}

// ConsentLeft is how long the group's consent still lasts, to within a day and
// never more than it does; it is negative once it is over.
func (g LinkGroup) ConsentLeft(now time.Time) time.Duration {
	return Link{AuthorizedAt: g.ConsentedOn}.ConsentEndsAt().Sub(now)
}

// LinkStates lists the states of a link.
func LinkStates() []LinkState {
	return []LinkState{LinkActive, LinkSuspect, LinkReauthRequired, LinkNotRegistered}
}

// Asked reports whether a link in that state is asked what its person hears.
func (s LinkState) IsPolled() bool { return s == LinkActive || s == LinkSuspect }
