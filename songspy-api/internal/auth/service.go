package auth

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/sanitize"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"

	"github.com/songspy/songspy/songspy-api/internal/attempt"
	"github.com/songspy/songspy/songspy-api/internal/viewercache"
)

// replayWindow is how long a used refresh token still returns its successor: two tabs may
// refresh at the same time, or an answer may get lost and the client asks again.
const replayWindow = 10 * time.Second

const (
	// lastUseInterval is the precision with which a session's last use is stored. Writing it on
	// every request would turn each reading request into a write.
	lastUseInterval = 10 * time.Minute
	// labelLengthMax is the longest label of a session, in runes.
	labelLengthMax = 120
	// sessionsListedMax is how many sessions are listed at most.
	sessionsListedMax = 100
)

// errUnauthorized is returned for a token that is no valid JWT of this instance. It does
// not say what is wrong with the token.
var errUnauthorized = &songspy.Error{Code: songspy.CodeUnauthorized, Reason: "UNAUTHORIZED", Message: "The token is not valid; sign in."}

// Google finds the user of a Google access token.
type Google interface {
	// Profile returns the profile of the token's user. It returns an error if the token
	// was not issued to one of this instance's OAuth clients.
	Profile(ctx context.Context, access songspy.Secret) (songspy.GoogleProfile, error)
}

// Users finds and creates users by their Google subject.
type Users interface {
	// SignInOrUp returns the user with the profile's subject. If there is none, it
	// creates a user with the audience, unless the condition rejects that. It returns
	// songspy.ErrInviteInvalid for an invite that does not admit the user. The result
	// linked reports whether the user has linked Spotify.
	SignInOrUp(ctx context.Context, profile songspy.GoogleProfile, audience songspy.Audience, condition songspy.SignUpCondition) (user songspy.User, linked bool, err error)
	// User returns CodeNotFound if there is no such user.
	User(ctx context.Context, id songspy.UserID) (songspy.User, error)
}

// Addresses stores the addresses to which notifications are sent.
type Addresses interface {
	// SaveAddress replaces the address; an empty address deletes it.
	SaveAddress(ctx context.Context, id songspy.UserID, address songspy.Secret) error
}

// Sessions stores the sessions.
type Sessions interface {
	// CreateSession stores the session with a new id, and with a new family (the sessions of
	// one sign-in) if it has none.
	CreateSession(ctx context.Context, s songspy.Session) (songspy.Session, error)
	// Session returns the session with the id. It returns CodeNotFound if there is none, and
	// also if its user no longer exists.
	Session(ctx context.Context, id int64) (songspy.Session, error)
	// SessionBySecret returns the session of a refresh token or a cookie by its hash.
	SessionBySecret(ctx context.Context, hash []byte) (songspy.Session, error)
	// RotateSession marks the session with the id as rotated, and stores its successor. It
	// returns CodeConflict if the session was rotated or revoked already, and CodeNotFound
	// if it no longer exists.
	RotateSession(ctx context.Context, id int64, successor songspy.Session) (songspy.Session, error)
	// RevokeFamily revokes all sessions of the family. If at least one of them was not revoked
	// yet, the audit log records that, with the argument by as the actor.
	RevokeFamily(ctx context.Context, family int64, by songspy.AuditActor) error
	// Sessions returns the newest session of each active family, the last used first.
	Sessions(ctx context.Context, user songspy.UserID, at time.Time, limit int) ([]songspy.Session, error)
	// TouchSession stores when the session was last used.
	TouchSession(ctx context.Context, id int64, at time.Time) error
	// RevokeSessions revokes the user's sessions of the family, or all if family is
	// 0. It returns CodeNotFound if there is none to revoke.
	RevokeSessions(ctx context.Context, user songspy.UserID, family int64) error
}

// Options configures a Service.
type Options struct {
	Google   Google
	Users    Users
	Sessions Sessions
	// OpenID is nil if signing in by redirect is off. Attempts stores the authorization
	// attempts of redirects.
	OpenID   OpenID
	Attempts attempt.Store
	// Addresses is nil on an instance that sends no mail; no address is stored then.
	Addresses Addresses
	// Keys verify the JWTs; the first signs them.
	Keys []Key
	// Issuer is the issuer (iss) of the JWTs: this instance's public URL.
	Issuer string
	// TokenLife is how long a JWT is valid. SessionLife is how long a bearer session lasts
	// after its last refresh, and a browser session after its last use. SessionMaxLife is how
	// long any session lasts at most after its sign-in.
	TokenLife, SessionLife, SessionMaxLife time.Duration
	// Audience is the audience of new users that SignIn signs up; see songspy.Audience.
	// FinishSignIn does not use it.
	Audience songspy.Audience
	// SignUp decides who may sign up.
	SignUp SignUp
	// Operators may use the routes of operators.
	Operators Operators
	// Viewers keeps sessions in memory. If it is nil, each request reads its session from
	// Sessions.
	Viewers *viewercache.Cache
	Now     func() time.Time
	Log     *slog.Logger
}

// Service signs users in and authenticates requests.
type Service struct {
	opts       Options
	signer     *signer
	successors successors
}

// New returns a Service. It returns an error if there is no key, if a key is not an
// Ed25519 seed, or if the sign-up policy is unknown.
func New(o Options) (*Service, error) {
	switch o.SignUp.Policy {
	case PolicyOpen, PolicyInvite, PolicyAllowlist:
	default:
		return nil, fmt.Errorf("auth: %q is not a sign-up policy", o.SignUp.Policy)
	}
	signer, err := newSigner(o.Keys, o.Issuer, o.Now)
	if err != nil {
		return nil, err
	}
	successors, err := newSuccessors(o.Keys)
	if err != nil {
		return nil, err
	}
	return &Service{o, signer, successors}, nil
}

// Tokens are the tokens that a client stores.
type Tokens struct {
	Access    songspy.Secret // the JWT
	Refresh   songspy.Secret
	ExpiresIn time.Duration // how long Access is valid
}

// Policy returns the sign-up policy.
func (s *Service) Policy() Policy { return s.opts.SignUp.Policy }

// SignIn signs up or signs in the user of a Google access token. It reports whether the user
// has linked Spotify. Nothing is stored if Google rejects the token, or if a new user may not
// sign up; the reason is then INVITE_REQUIRED, INVITE_INVALID or SIGN_UP_CLOSED. The parameter
// invite is the invite code that the user sent, or empty. The parameter label is the client's
// User-Agent, which the list of sessions shows.
func (s *Service) SignIn(ctx context.Context, access, invite songspy.Secret, label string) (songspy.User, bool, Tokens, error) {
	profile, err := s.opts.Google.Profile(ctx, access)
	if err != nil {
		return songspy.User{}, false, Tokens{}, err
	}
	user, linked, err := s.findOrSignUp(ctx, profile, s.opts.Audience, invite)
	if err != nil {
		return songspy.User{}, false, Tokens{}, err
	}
	now, refresh := s.opts.Now(), attempt.NewSecret()
	first := s.newSession(songspy.Session{UserID: user.ID, OperatorHash: s.opts.Operators.hashOf(profile.Email), SignedInAt: now, Label: sanitize.Text(label, labelLengthMax)}, refresh, now)
	session, err := s.opts.Sessions.CreateSession(ctx, first)
	if err != nil {
		return songspy.User{}, false, Tokens{}, err
	}
	tokens, err := s.issueTokens(session, user.PublicID, refresh, now)
	return user, linked, tokens, err
}

// findOrSignUp finds the user of the profile, or signs a new user up with the
// audience if the sign-up policy allows it. If the instance sends mail, it stores the
// address for notifications.
func (s *Service) findOrSignUp(ctx context.Context, profile songspy.GoogleProfile, audience songspy.Audience, invite songspy.Secret) (user songspy.User, linked bool, err error) {
	user, linked, err = s.opts.Users.SignInOrUp(ctx, profile, audience, s.opts.SignUp.Condition(profile, invite))
	if err == nil && s.opts.Addresses != nil {
		err = s.opts.Addresses.SaveAddress(ctx, user.ID, profile.Email)
	}
	return user, linked, err
}

// Caller is the user and session of a request.
type Caller struct {
	UserID        songspy.UserID
	session       int64
	sessionFamily int64
	cookie        songspy.Secret // empty if the request has a JWT
	operator      bool
}

// Authenticate returns the caller that a JWT names. It checks the session each time. So
// logging out, revocation and erasure work at once in this process, and within
// viewercache.Staleness in others. The reason of a rejection is UNAUTHORIZED, TOKEN_EXPIRED or
// SESSION_ENDED.
func (s *Service) Authenticate(ctx context.Context, token songspy.Secret) (Caller, error) {
	sessionID, err := s.signer.verify(token)
	if err != nil {
		return Caller{}, err
	}
	session, err := s.sessionByID(ctx, sessionID)
	return s.callerOf(ctx, session, err)
}

// sessionByID returns the session with the id. It takes the session from Options.Viewers if a
// current copy is there, and otherwise reads it from the store.
func (s *Service) sessionByID(ctx context.Context, id int64) (songspy.Session, error) {
	return s.opts.Viewers.Session(viewercache.SessionKey{ID: id}, s.isAliveAndTouched,
		func() (songspy.Session, error) { return s.opts.Sessions.Session(ctx, id) })
}

// isAliveAndTouched reports whether a request may use the session from memory: it is alive, and
// its last use was written less than lastUseInterval ago. Otherwise the row in the database
// decides, because another process may have written a later use of the session, which prolongs
// it.
func (s *Service) isAliveAndTouched(session songspy.Session) bool {
	return s.isAlive(session) && s.opts.Now().Sub(session.LastUsedAt) < lastUseInterval
}

var errSessionEnded = &songspy.Error{Code: songspy.CodeUnauthorized, Reason: "SESSION_ENDED", Message: "The session has ended; sign in again."}

// callerOf returns the caller of a session and, at most every lastUseInterval, writes that the
// session was used. The arguments session and err are the results of reading the session.
func (s *Service) callerOf(ctx context.Context, session songspy.Session, err error) (Caller, error) {
	switch {
	case songspy.CodeOf(err) == songspy.CodeNotFound, err == nil && !s.isAlive(session):
		return Caller{}, errSessionEnded
	case err != nil:
		return Caller{}, err
	}
	if now := s.opts.Now(); now.Sub(session.LastUsedAt) >= lastUseInterval {
		if err := s.opts.Sessions.TouchSession(ctx, session.ID, now); err != nil {
			// The request goes on: it does not need the stored time.
			s.opts.Log.WarnContext(ctx, "the last use of a session could not be written", slog.Any(logkey.Error, err))
		}
	}
	return Caller{UserID: session.UserID, session: session.ID, sessionFamily: session.Family, operator: s.opts.Operators.has(session.OperatorHash)}, nil
}

// SessionEnd returns when the caller's session ends if it is not used again. The reason
// of an error is SESSION_ENDED if it has ended already.
func (s *Service) SessionEnd(ctx context.Context, c Caller) (time.Time, error) {
	session, err := s.sessionByID(ctx, c.session)
	if songspy.CodeOf(err) == songspy.CodeNotFound || err == nil && !s.isAlive(session) {
		err = errSessionEnded
	}
	return s.endOf(session), err
}

// isAlive reports whether the session is not revoked and has not reached the end that
// endOf returns.
func (s *Service) isAlive(session songspy.Session) bool {
	return session.RevokedAt == nil && s.opts.Now().Before(s.endOf(session))
}

// endOf returns when a session ends if it is not used again. A bearer session is
// prolonged by refreshes, which write its expiry, and a browser session by its use.
func (s *Service) endOf(session songspy.Session) time.Time {
	if session.Kind == songspy.SessionCookie {
		return s.sessionEnd(session.SignedInAt, session.LastUsedAt.Add(s.opts.SessionLife))
	}
	return s.sessionEnd(session.SignedInAt, session.ExpiresAt)
}

// Session is an active sign-in, as its user sees it.
type Session struct {
	// ID is the argument of EndSession. It is the family of the stored session.
	ID                             int64
	Kind                           songspy.SessionKind
	Label                          string
	SignedInAt, LastUsedAt, EndsAt time.Time
	// Current reports whether the request uses this session.
	Current bool
}

// Sessions returns the caller's active sessions, the last used first.
func (s *Service) Sessions(ctx context.Context, c Caller) ([]Session, error) {
	stored, err := s.opts.Sessions.Sessions(ctx, c.UserID, s.opts.Now(), sessionsListedMax)
	if err != nil {
		return nil, err
	}
	sessions := make([]Session, 0, len(stored))
	for _, k := range stored {
		if s.isAlive(k) {
			sessions = append(sessions, Session{
				ID: k.Family, Kind: k.Kind, Label: k.Label, SignedInAt: k.SignedInAt, LastUsedAt: k.LastUsedAt,
				EndsAt: s.endOf(k), Current: k.Family == c.sessionFamily,
			})
		}
	}
	return sessions, nil
}

// EndSession ends one of the caller's sessions. It returns CodeNotFound if the
// session belongs to another user, or is revoked already.
func (s *Service) EndSession(ctx context.Context, c Caller, id int64) error {
	return s.opts.Sessions.RevokeSessions(ctx, c.UserID, id)
}

// EndSessions ends all sessions of the caller, including the one of the request.
func (s *Service) EndSessions(ctx context.Context, c Caller) error {
	err := s.opts.Sessions.RevokeSessions(ctx, c.UserID, 0)
	if songspy.CodeOf(err) == songspy.CodeNotFound {
		return nil // another request has ended them
	}
	return err
}

// Logout ends the caller's session, and all sessions of the same sign-in.
func (s *Service) Logout(ctx context.Context, c Caller) error {
	return s.opts.Sessions.RevokeFamily(ctx, c.sessionFamily, songspy.ActorSelf)
}

// Refresh exchanges a refresh token for a new pair of tokens. A used token returns
// the same successor within replayWindow. After that it counts as stolen, and
// Refresh ends the whole family.
func (s *Service) Refresh(ctx context.Context, presented songspy.Secret) (Tokens, error) {
	session, err := s.sessionOfRefreshToken(ctx, presented)
	if err != nil {
		return Tokens{}, err
	}
	now := s.opts.Now()
	if session.RotatedAt == nil {
		refresh := s.successors.next(presented)
		next, err := s.opts.Sessions.RotateSession(ctx, session.ID, s.newSession(session, refresh, now))
		if err == nil {
			return s.reissueTokens(ctx, next, refresh, now)
		}
		if code := songspy.CodeOf(err); code != songspy.CodeConflict && code != songspy.CodeNotFound {
			return Tokens{}, err
		}
		// Another tab has refreshed first, or the session has ended.
		if session, err = s.sessionOfRefreshToken(ctx, presented); err != nil {
			return Tokens{}, err
		}
	}
	if session.RotatedAt != nil && now.Sub(*session.RotatedAt).Abs() <= replayWindow {
		return s.replay(ctx, presented, now)
	}
	if err := s.opts.Sessions.RevokeFamily(ctx, session.Family, songspy.ActorSystem); err != nil {
		return Tokens{}, err
	}
	s.opts.Log.WarnContext(ctx, "a refresh token was used twice: its session has been ended",
		slog.Int64(logkey.UserID, int64(session.UserID)), slog.Int64("session_family", session.Family))
	return Tokens{}, &songspy.Error{Code: songspy.CodeUnauthorized, Reason: "REFRESH_TOKEN_REUSED", Message: "The refresh token was used before; sign in again."}
}

// replay answers a repeated refresh: it returns the same refresh token as the first refresh,
// with a new JWT.
func (s *Service) replay(ctx context.Context, presented songspy.Secret, now time.Time) (Tokens, error) {
	for _, refresh := range s.successors.all(presented) {
		next, err := s.sessionOfRefreshToken(ctx, refresh)
		if err == nil {
			return s.reissueTokens(ctx, next, refresh, now)
		}
		if songspy.CodeOf(err) != songspy.CodeUnauthorized {
			return Tokens{}, err
		}
	}
	return Tokens{}, errRefreshInvalid
}

var errRefreshInvalid = &songspy.Error{Code: songspy.CodeUnauthorized, Reason: "REFRESH_TOKEN_INVALID", Message: "The refresh token is not valid; sign in again."}

// sessionOfRefreshToken returns the active session of a refresh token.
func (s *Service) sessionOfRefreshToken(ctx context.Context, token songspy.Secret) (songspy.Session, error) {
	session, err := s.opts.Sessions.SessionBySecret(ctx, attempt.Hash(token))
	if songspy.CodeOf(err) == songspy.CodeNotFound || err == nil && (session.Kind == songspy.SessionCookie || !s.isAlive(session)) {
		return songspy.Session{}, errRefreshInvalid
	}
	return session, err
}

// newSession returns the next session of a sign-in, with the given refresh token. The argument
// of is the session before it. For the first session of a sign-in, it holds only what all
// sessions of the sign-in have in common.
func (s *Service) newSession(of songspy.Session, refresh songspy.Secret, now time.Time) songspy.Session {
	return songspy.Session{
		UserID: of.UserID, Family: of.Family, Kind: songspy.SessionBearer, OperatorHash: of.OperatorHash, Label: of.Label, SecretHash: attempt.Hash(refresh),
		CreatedAt: now, SignedInAt: of.SignedInAt, LastUsedAt: now,
		ExpiresAt: s.sessionEnd(of.SignedInAt, now.Add(s.opts.SessionLife)),
	}
}

// sessionEnd returns when a session ends: at expiry, or SessionMaxLife after the
// sign-in if that is earlier.
func (s *Service) sessionEnd(signedIn, expiry time.Time) time.Time {
	if last := signedIn.Add(s.opts.SessionMaxLife); last.Before(expiry) {
		return last
	}
	return expiry
}

// reissueTokens reads the user of the session, and returns a new JWT together with the given
// refresh token.
func (s *Service) reissueTokens(ctx context.Context, session songspy.Session, refresh songspy.Secret, now time.Time) (Tokens, error) {
	user, err := s.opts.Users.User(ctx, session.UserID)
	if err != nil {
		return Tokens{}, err
	}
	return s.issueTokens(session, user.PublicID, refresh, now)
}

// issueTokens returns the tokens of a user's session. The JWT does not outlive the session.
func (s *Service) issueTokens(session songspy.Session, user songspy.PublicID, refresh songspy.Secret, now time.Time) (Tokens, error) {
	life := min(s.opts.TokenLife, session.ExpiresAt.Sub(now))
	access, err := s.signer.sign(session.ID, user, now, life)
	return Tokens{Access: access, Refresh: refresh, ExpiresIn: life}, err
}
