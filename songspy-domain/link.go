package songspy

import (
	"slices"
	"strings"
	"time"
)

// LinkState says whether a user's link to Spotify works and, if not, why.
type LinkState string

// The states of a link.
const (
	// LinkActive means that the user's link to Spotify works, so that Songspy
	// polls what the user plays.
	LinkActive LinkState = "active"
	// LinkSuspect means that Spotify recently rejected the refresh token, or polls
	// with an access token that was just renewed. Songspy tries again for six hours
	// before it takes the rejection as final.
	LinkSuspect LinkState = "suspect"
	// LinkReauthRequired means that only the user can repair the link to
	// Spotify, by linking Spotify again.
	LinkReauthRequired LinkState = "reauth_required"
	// LinkNotRegistered means that the Spotify app's owner has to register the user in
	// the app's dashboard first. Spotify requires this for an app in
	// development mode, and allows five users.
	LinkNotRegistered LinkState = "not_registered"
)

// AuthMethod is how the app authenticates at Spotify's token endpoint.
type AuthMethod string

// The two methods. Each link stores the method by which its tokens were
// obtained: a token that was obtained with PKCE alone cannot be renewed with a
// client secret.
const (
	AuthBasic AuthMethod = "basic" // client ID and secret in the Authorization header
	AuthPKCE  AuthMethod = "pkce"  // client ID in the body, no secret
)

// The OAuth scopes that Songspy needs of Spotify. It requests no others.
const (
	ScopeCurrentlyPlaying = "user-read-currently-playing"
	ScopeRecentlyPlayed   = "user-read-recently-played"
)

// NeededScopes returns the OAuth scopes that a user must grant to link Spotify.
func NeededScopes() []string { return []string{ScopeCurrentlyPlaying, ScopeRecentlyPlayed} }

// MissingScopes returns the needed scopes that granted does not contain.
// granted is space-separated, as Spotify sends it.
func MissingScopes(granted string) []string {
	have := strings.Fields(granted)
	return slices.DeleteFunc(NeededScopes(), func(need string) bool { return slices.Contains(have, need) })
}

// NotRegisteredRetryAfter is how long after a rejection Songspy tries a
// LinkNotRegistered link again: the app's owner may have registered the user
// since.
const NotRegisteredRetryAfter = 24 * time.Hour

// ConsentMonths is how many months a user's consent lasts. Spotify's refresh tokens
// expire six months after the authorization, and a refresh does not extend that time
// (Spotify, June 2026).
const ConsentMonths = 6

// Grant is a response of Spotify's token endpoint: the tokens of one user.
type Grant struct {
	AccessToken Secret
	// RefreshToken is empty if Spotify's answer to a refresh contained none.
	// The old refresh token stays valid then.
	RefreshToken Secret
	// ExpiresAt is when the access token expires, measured by the local clock
	// and not by Spotify's.
	ExpiresAt time.Time
	// Scope lists the granted scopes, space-separated. It is empty if Spotify's
	// answer to a refresh did not repeat it.
	Scope string
	Auth  AuthMethod
}

// Credentials are what a call to Spotify's Web API for a user needs: the access
// token, and the app that it was issued to.
type Credentials struct {
	App   string
	Token Secret
}

// SpotifyAccount is the Spotify account that a token belongs to. Spotify
// introduced AccountID in May 2026 and still sends the older ID. One of the two
// IDs may be empty. Two accounts are the same if either ID is equal in both.
type SpotifyAccount struct {
	AccountID   string
	ID          string
	DisplayName string
}

// Link connects a user to a Spotify account. The token fields hold plaintext:
// the store encrypts them before it writes them to the database.
type Link struct {
	UserID UserID `gorm:"primaryKey"`
	// App names the Spotify app to which Spotify issued the tokens: the client ID of
	// an app of the operator, or UserApp(client ID) for a user-supplied app.
	App          string
	AccountID    *string // SpotifyAccount.AccountID, unique among links; nil if unknown
	LegacyID     *string // SpotifyAccount.ID, unique among links; nil if unknown
	AuthMethod   AuthMethod
	AccessToken  Secret `gorm:"-"`
	RefreshToken Secret `gorm:"-"`
	Scope        string
	// AccessExpiresAt is when the access token expires, measured by the local
	// clock and not by Spotify's.
	AccessExpiresAt time.Time
	// AuthorizedAt is when the user consented at Spotify. The consent ends
	// ConsentMonths later.
	AuthorizedAt time.Time
	State        LinkState
	// StateSince is when the link's State last changed. In an outage of Spotify, and by
	// the retries of a pending grant, it changes without State.
	StateSince time.Time
	// PollsRefusedSince is since when Spotify has rejected polls of this user
	// although the access token was renewed just before; nil if Spotify accepts
	// them. Such a link becomes active again only when a poll succeeds: a
	// successful renewal of the token is not enough.
	PollsRefusedSince *time.Time
	// Generation increases when the user links Spotify again, unlinks it or is
	// erased. A poll that began under an older generation used a connection
	// that no longer exists, so its result must not be written.
	Generation int64
	// Version increases with every change of the tokens or the state. A renewal
	// of the tokens writes only if Version is still the one that it read
	// (compare-and-swap).
	Version   int64
	Shard     int16
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
	UpdatedAt time.Time `gorm:"autoUpdateTime:false"`
}

// HasAccount reports whether it is known to which Spotify account the tokens
// belong. It is unknown until the app's owner has registered the user with
// Spotify (LinkNotRegistered).
func (l Link) HasAccount() bool { return l.AccountID != nil || l.LegacyID != nil }

// IsPendingGrant reports whether the link has tokens but no known Spotify
// account yet, because the app's owner must register the user first.
func (l Link) IsPendingGrant() bool { return l.State == LinkNotRegistered && !l.HasAccount() }

// Grant returns the tokens of the link as a Grant.
func (l Link) Grant() Grant {
	return Grant{AccessToken: l.AccessToken, RefreshToken: l.RefreshToken, ExpiresAt: l.AccessExpiresAt, Scope: l.Scope, Auth: l.AuthMethod}
}

// TableName returns the name of the table of links.
func (Link) TableName() string { return "spotify_links" }

// LinkVersion identifies one version of a user's link to Spotify, without the
// tokens. A process uses it to find out whether the link that it caches is out
// of date.
type LinkVersion struct {
	UserID     UserID
	Generation int64
	Version    int64
}

// ConsentEndsAt returns when the user's consent, and with it the refresh token,
// expires. Renewing the tokens does not extend that time.
func (l Link) ConsentEndsAt() time.Time { return l.AuthorizedAt.AddDate(0, ConsentMonths, 0) }

// RemindAt returns when the reminders to consent again begin: a month before
// the consent ends.
func (l Link) RemindAt() time.Time { return l.AuthorizedAt.AddDate(0, ConsentMonths-1, 0) }

// LinkTask is what the user has to do to keep or repair the link to Spotify.
type LinkTask string

// The tasks.
const (
	TaskNone        LinkTask = "none"         // nothing: the link works, or recovers without the user
	TaskRelinkSoon  LinkTask = "relink_soon"  // link again: the consent ends within a month
	TaskRelink      LinkTask = "relink"       // link again: the user cannot be polled until then
	TaskAskOperator LinkTask = "ask_operator" // ask the app's owner to register the user
)

// Task returns what the user has to do at the given time to keep or repair the
// link to Spotify.
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

// ShardCount is the number of shards that the users are divided into. Each
// replica of the batch polls the users of some shards. The number is fixed,
// because the database stores each link with its shard.
const ShardCount = 64

// ShardOf returns the shard of a user, from 0 to ShardCount-1. It uses other bits of
// the ID's hash than PhaseOf, so that the polls of one shard's users are spread over
// the poll interval.
func ShardOf(id UserID) int16 { return int16(splitMix64(uint64(id)) >> 58) }

// PhaseOf returns a user's offset within a repeating interval: when in each
// interval the call for the user is made. It never changes, and the offsets of all
// users are spread evenly, so that not all calls are made at the same moment.
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

// LinkGroup counts the links to Spotify that are in the same state and whose
// users consented on the same day.
type LinkGroup struct {
	State LinkState
	// ConsentedOn is the start of that day, midnight UTC.
	ConsentedOn time.Time
	Count       int64
}

// ConsentLeft returns how long the consents of the group's users are still
// valid. The result may be up to a day too short, because only the day of the
// consents is known. It is negative after the consents have ended.
func (g LinkGroup) ConsentLeft(now time.Time) time.Duration {
	return Link{AuthorizedAt: g.ConsentedOn}.ConsentEndsAt().Sub(now)
}

// LinkStates returns the states of a link.
func LinkStates() []LinkState {
	return []LinkState{LinkActive, LinkSuspect, LinkReauthRequired, LinkNotRegistered}
}

// IsPolled reports whether Songspy polls users whose link to Spotify is in
// state s.
func (s LinkState) IsPolled() bool { return s == LinkActive || s == LinkSuspect }

// NewLink is a link that is to be stored.
type NewLink struct {
	UserID UserID
	// App names the Spotify app that got the grant.
	App string
	// Seats is how many users the app admits; 0 means no limit.
	Seats   int
	Grant   Grant
	Account SpotifyAccount
	// Move decides what happens if another user is already linked to Account. If it is
	// true, that user is unlinked. If it is false, the new link is rejected.
	Move bool
	// ConsentedAt is when the user consented; zero means now.
	ConsentedAt time.Time
	// IfVersion is the Version that the user's stored link must have; otherwise the new
	// link is rejected. If it is 0, the stored link may have any version or be missing.
	IfVersion int64
}

// AuthorizationCode is the code that Spotify sent back after the user's consent, and
// the parameters of the authorization.
type AuthorizationCode struct {
	Code Secret
	// RedirectURI must be the redirect URI with which the authorization began. Empty
	// means the configured redirect URI.
	RedirectURI string
	// Verifier is the PKCE verifier; empty if the authorization had no challenge.
	Verifier Secret
	// State is the state parameter that came back with the code; empty if the client did
	// not send it.
	State Secret
	// Auth is how the app authenticates. Empty means AuthBasic if the app's secret is
	// configured, otherwise AuthPKCE.
	Auth AuthMethod
}

// Erasure says what was deleted when a user unlinked Spotify or was erased: whether
// there was a link, and how many plays and tracks.
type Erasure struct {
	Link          bool
	Plays, Tracks int64 // Tracks counts rows of user_tracks
}
