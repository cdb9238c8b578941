package auth

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/sanitize"
)

// replayWindow is how long a refresh token that was used may be used again and
// give the same successor: two tabs, or an answer lost on its way.
const replayWindow = 10 * time.Second

const (
	// usedWithin is how exactly the last use of a session is known: writing it on
	// every request would cost a write for each read.
	lastUseInterval = 10 * time.Minute
	// labelMax is the longest label of a session, in runes.
	labelLengthMax = 120
	// sessionsShown is how many sessions a user is shown at most.
	sessionsListedMax = 100
)

// errUnauthorized says no more than that the token is not one of ours.
var errUnauthorized = &songspy.Error{Code: songspy.CodeUnauthorized, Reason: "UNAUTHORIZED", Message: "A valid token is needed; sign in."}

// Google tells whom an access token belongs to, after making sure that it was
// issued to us.
type Google interface {
	Profile(ctx context.Context, access songspy.Secret) (songspy.GoogleProfile, error)
}

// People finds and creates people by Google's subject.
type Users interface {
	// SignInOnTerms holds newcomers to the terms, and nobody else. A refused
	// one leaves nothing behind; an invite that admits nobody is
	// songspy.ErrInviteInvalid.
	SignInOnTerms(ctx context.Context, profile songspy.GoogleProfile, audience songspy.Audience, terms songspy.SignUpPolicy) (user songspy.User, linked bool, err error)
}

// Addresses keeps where people are told by mail.
type Addresses interface {
	// KeepAddress forgets the former one; an empty one is none.
	SaveAddress(ctx context.Context, id songspy.UserID, address songspy.Secret) error
}

// Sessions keeps the sessions.
type Sessions interface {
	// CreateSession gives the session an id, and its family if that is 0.
	CreateSession(ctx context.Context, s songspy.Session) (songspy.Session, error)
	// Session is not_found also when its person is gone.
	Session(ctx context.Context, id int64) (songspy.Session, error)
	SessionByRefresh(ctx context.Context, hash []byte) (songspy.Session, error)
	// RotateSession is a conflict if the session was rotated or revoked
	// already, and not_found if it is gone.
	RotateSession(ctx context.Context, id int64, successor songspy.Session) (songspy.Session, error)
	RevokeFamily(ctx context.Context, family int64) error
	// Sessions returns the newest session of each living family, the last used first.
	Sessions(ctx context.Context, user songspy.UserID, at time.Time, limit int) ([]songspy.Session, error)
	// TouchSession notes that the session was used.
	TouchSession(ctx context.Context, id int64, at time.Time) error
	// RevokeSessions revokes the user's sessions of the family, or all if it is
	// 0; not_found if there is none to revoke.
	RevokeSessions(ctx context.Context, user songspy.UserID, family int64) error
}

// Options are what a Service is made of.
type Options struct {
	Google   Google
	Users    Users
	Sessions Sessions
	// Addresses is nil on an instance that sends no mail: no address is kept.
	Addresses Addresses
	// Keys sign and verify the JWTs; the first signs.
	Keys []Key
	// Issuer is the JWTs' issuer: this instance's public URL.
	Issuer string
	// TokenLife is a JWT's life; SessionLife a session's, counted from its last
	// refresh; SessionMaxLife the same, counted from its sign-in.
	TokenLife, SessionLife, SessionMaxLife time.Duration
	// Audience is who sees a newcomer's songs.
	Audience songspy.Audience
	// SignUp is who may become one.
	SignUp SignUp
	Now    func() time.Time
	Log    *slog.Logger
}

// Service signs people in and tells who speaks.
type Service struct {
	opts       Options
	signer     *signer
	successors successors
}

// New makes a Service; it fails on keys that are none, and without a policy.
func New(o Options) (*Service, error) {
	switch o.SignUp.Policy {
	case PolicyOpen, PolicyInvite, PolicyAllowlist:
	default:
		return nil, fmt.Errorf("identity: %q is no policy for signing up", o.SignUp.Policy)
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

// Tokens are what a client keeps.
type Tokens struct {
	Access    songspy.Secret // the JWT
	Refresh   songspy.Secret
	ExpiresIn time.Duration // of Access
}

// Policy is who may sign up.
func (s *Service) Policy() Policy { return s.opts.SignUp.Policy }

// SignIn signs up or signs in the person whom Google's access token belongs
// to, and says whether they have linked Spotify. Nothing is stored unless
// Google vouches for the token and a newcomer may sign up; invite is the code
// that they show, if any. INVITE_REQUIRED, INVITE_INVALID and SIGN_UP_CLOSED
// say why one may not. label is what signs in, as it names itself.
func (s *Service) SignIn(ctx context.Context, access, invite songspy.Secret, label string) (songspy.User, bool, Tokens, error) {
	profile, err := s.opts.Google.Profile(ctx, access)
	if err != nil {
		return songspy.User{}, false, Tokens{}, err
	}
	user, linked, err := s.opts.Users.SignInOnTerms(ctx, profile, s.opts.Audience, s.opts.SignUp.Terms(profile, invite))
	if err != nil {
		return songspy.User{}, false, Tokens{}, err
	}
	if s.opts.Addresses != nil {
		if err := s.opts.Addresses.SaveAddress(ctx, user.ID, profile.Email); err != nil {
			return songspy.User{}, false, Tokens{}, err
		}
	}
	now, refresh := s.opts.Now(), newRefreshToken()
	first := s.newSession(songspy.Session{UserID: user.ID, SignedInAt: now, Label: sanitize.Text(label, labelLengthMax)}, refresh, now)
	session, err := s.opts.Sessions.CreateSession(ctx, first)
	if err != nil {
		return songspy.User{}, false, Tokens{}, err
	}
	tokens, err := s.issueTokens(session, refresh, now)
	return user, linked, tokens, err
}

// Caller is who speaks, through which session.
type Caller struct {
	UserID        songspy.UserID
	sessionFamily int64
}

// Authenticate tells who speaks. The session is asked for each time, so that
// logging out, revocation and erasure work at once: UNAUTHORIZED, TOKEN_EXPIRED
// or SESSION_ENDED say what is wrong.
func (s *Service) Authenticate(ctx context.Context, token songspy.Secret) (Caller, error) {
	id, sessionID, err := s.signer.verify(token)
	if err != nil {
		return Caller{}, err
	}
	session, err := s.opts.Sessions.Session(ctx, sessionID)
	switch {
	case songspy.CodeOf(err) == songspy.CodeNotFound, err == nil && (session.UserID != id || !s.isAlive(session)):
		return Caller{}, &songspy.Error{Code: songspy.CodeUnauthorized, Reason: "SESSION_ENDED", Message: "The session has ended; sign in again."}
	case err != nil:
		return Caller{}, err
	}
	if now := s.opts.Now(); now.Sub(session.LastUsedAt) >= lastUseInterval {
		if err := s.opts.Sessions.TouchSession(ctx, session.ID, now); err != nil {
			// The request itself needs nothing of this.
			s.opts.Log.WarnContext(ctx, "the last use of a session could not be written", slog.Any("error", err))
		}
	}
	return Caller{UserID: id, sessionFamily: session.Family}, nil
}

// alive reports whether the session may speak for its user: it is not revoked,
// and neither of its lifetimes is over.
func (s *Service) isAlive(session songspy.Session) bool {
	now := s.opts.Now()
	return session.IsActive(now) && now.Before(session.SignedInAt.Add(s.opts.SessionMaxLife))
}

// Session is one sign-in that still lives, as its user sees it.
type Session struct {
	// ID names it for EndSession.
	ID                             int64
	Label                          string
	SignedInAt, LastUsedAt, EndsAt time.Time
	// Current: the caller speaks through it.
	Current bool
}

// Sessions returns the caller's living sessions, the last used first.
func (s *Service) Sessions(ctx context.Context, c Caller) ([]Session, error) {
	stored, err := s.opts.Sessions.Sessions(ctx, c.UserID, s.opts.Now(), sessionsListedMax)
	if err != nil {
		return nil, err
	}
	sessions := make([]Session, 0, len(stored))
	for _, k := range stored {
		if s.isAlive(k) {
			sessions = append(sessions, Session{
				ID: k.Family, Label: k.Label, SignedInAt: k.SignedInAt, LastUsedAt: k.LastUsedAt,
				EndsAt: s.sessionEnd(k.SignedInAt, k.ExpiresAt), Current: k.Family == c.sessionFamily,
			})
		}
	}
	return sessions, nil
}

// EndSession ends one of the caller's sessions; CodeNotFound if it is none of
// theirs, or has ended.
func (s *Service) EndSession(ctx context.Context, c Caller, id int64) error {
	return s.opts.Sessions.RevokeSessions(ctx, c.UserID, id)
}

// EndSessions ends all of the caller's sessions, the one they speak through too.
func (s *Service) EndSessions(ctx context.Context, c Caller) error {
	err := s.opts.Sessions.RevokeSessions(ctx, c.UserID, 0)
	if songspy.CodeOf(err) == songspy.CodeNotFound {
		return nil // another request was faster
	}
	return err
}

// Logout ends the caller's session and all that came from the same sign-in.
func (s *Service) Logout(ctx context.Context, c Caller) error {
	return s.opts.Sessions.RevokeFamily(ctx, c.sessionFamily)
}

// Refresh exchanges a refresh token for a new pair. The same token presented
// again within the replay window gives the same successor; later it is taken
// for stolen and ends the whole family.
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
			return s.issueTokens(next, refresh, now)
		}
		if code := songspy.CodeOf(err); code != songspy.CodeConflict && code != songspy.CodeNotFound {
			return Tokens{}, err
		}
		// Another tab was faster, and this is a replay; or the session has ended.
		if session, err = s.sessionOfRefreshToken(ctx, presented); err != nil {
			return Tokens{}, err
		}
	}
	if session.RotatedAt != nil && now.Sub(*session.RotatedAt).Abs() <= replayWindow {
		return s.replay(ctx, presented, now)
	}
	if err := s.opts.Sessions.RevokeFamily(ctx, session.Family); err != nil {
		return Tokens{}, err
	}
	s.opts.Log.WarnContext(ctx, "a used refresh token came again: its session is ended",
		slog.Int64("user", int64(session.UserID)), slog.Int64("family", session.Family))
	return Tokens{}, &songspy.Error{Code: songspy.CodeUnauthorized, Reason: "REFRESH_TOKEN_REUSED", Message: "The refresh token was used before; sign in again."}
}

// replay gives the successor that the presented token already has.
func (s *Service) replay(ctx context.Context, presented songspy.Secret, now time.Time) (Tokens, error) {
	for _, refresh := range s.successors.all(presented) {
		next, err := s.sessionOfRefreshToken(ctx, refresh)
		if err == nil {
			return s.issueTokens(next, refresh, now)
		}
		if songspy.CodeOf(err) != songspy.CodeUnauthorized {
			return Tokens{}, err
		}
	}
	return Tokens{}, errRefreshInvalid
}

var errRefreshInvalid = &songspy.Error{Code: songspy.CodeUnauthorized, Reason: "REFRESH_TOKEN_INVALID", Message: "The refresh token is not valid; sign in again."}

// presentedSession is the living session of a refresh token.
func (s *Service) sessionOfRefreshToken(ctx context.Context, token songspy.Secret) (songspy.Session, error) {
	session, err := s.opts.Sessions.SessionByRefresh(ctx, hashRefreshToken(token))
	if songspy.CodeOf(err) == songspy.CodeNotFound || err == nil && !s.isAlive(session) {
		return songspy.Session{}, errRefreshInvalid
	}
	return session, err
}

// session returns the session that follows of, with its own refresh token.
func (s *Service) newSession(of songspy.Session, refresh songspy.Secret, now time.Time) songspy.Session {
	return songspy.Session{
		UserID: of.UserID, Family: of.Family, Label: of.Label, RefreshHash: hashRefreshToken(refresh),
		CreatedAt: now, SignedInAt: of.SignedInAt, LastUsedAt: now,
		ExpiresAt: s.sessionEnd(of.SignedInAt, now.Add(s.opts.SessionLife)),
	}
}

// endOf returns the end of a session: expiry, or its absolute lifetime's if that is earlier.
func (s *Service) sessionEnd(signedIn, expiry time.Time) time.Time {
	if last := signedIn.Add(s.opts.SessionMaxLife); last.Before(expiry) {
		return last
	}
	return expiry
}

// tokens returns what the client keeps; the JWT does not outlive its session.
func (s *Service) issueTokens(session songspy.Session, refresh songspy.Secret, now time.Time) (Tokens, error) {
	life := min(s.opts.TokenLife, session.ExpiresAt.Sub(now))
	access, err := s.signer.sign(session, now, life)
	return Tokens{Access: access, Refresh: refresh, ExpiresIn: life}, err
}
