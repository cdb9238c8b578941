package identity

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// replayWindow is how long a refresh token that was used may be used again and
// give the same successor: two tabs, or an answer lost on its way.
const replayWindow = 10 * time.Second

// errUnauthorized says no more than that the token is not one of ours.
var errUnauthorized = &songspy.Error{Code: songspy.CodeUnauthorized, Reason: "UNAUTHORIZED", Message: "A valid token is needed; sign in."}

// Google tells whom an access token belongs to, after making sure that it was
// issued to us.
type Google interface {
	Profile(ctx context.Context, access songspy.Secret) (songspy.GoogleProfile, error)
}

// People finds and creates people by Google's subject.
type People interface {
	// SignInOnTerms holds newcomers to the terms, and nobody else. A refused
	// one leaves nothing behind; an invite that admits nobody is
	// songspy.ErrInviteInvalid.
	SignInOnTerms(ctx context.Context, profile songspy.GoogleProfile, audience songspy.Audience, terms songspy.Terms) (user songspy.User, linked bool, err error)
}

// Addresses keeps where people are told by mail.
type Addresses interface {
	// KeepAddress forgets the former one; an empty one is none.
	KeepAddress(ctx context.Context, id songspy.UserID, address songspy.Secret) error
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
}

// Options are what a Service is made of.
type Options struct {
	Google   Google
	People   People
	Sessions Sessions
	// Addresses is nil on an instance that sends no mail: no address is kept.
	Addresses Addresses
	// Keys sign and verify the JWTs; the first signs.
	Keys []Key
	// Issuer is the JWTs' issuer: this instance's public URL.
	Issuer string
	// TokenLife is a JWT's life; SessionLife a session's, counted from its last refresh.
	TokenLife, SessionLife time.Duration
	// Audience is who sees a newcomer's songs.
	Audience songspy.Audience
	// SignUp is who may become one.
	SignUp SignUp
	Now    func() time.Time
	Log    *slog.Logger
}

// Service signs people in and tells who speaks.
type Service struct {
	o          Options
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
func (s *Service) Policy() Policy { return s.o.SignUp.Policy }

// SignIn signs up or signs in the person whom Google's access token belongs
// to, and says whether they have linked Spotify. Nothing is stored unless
// Google vouches for the token and a newcomer may sign up; invite is the code
// that they show, if any. INVITE_REQUIRED, INVITE_INVALID and SIGN_UP_CLOSED
// say why one may not.
func (s *Service) SignIn(ctx context.Context, access, invite songspy.Secret) (songspy.User, bool, Tokens, error) {
	profile, err := s.o.Google.Profile(ctx, access)
	if err != nil {
		return songspy.User{}, false, Tokens{}, err
	}
	user, linked, err := s.o.People.SignInOnTerms(ctx, profile, s.o.Audience, s.o.SignUp.Terms(profile, invite))
	if err != nil {
		return songspy.User{}, false, Tokens{}, err
	}
	if s.o.Addresses != nil {
		if err := s.o.Addresses.KeepAddress(ctx, user.ID, profile.Email); err != nil {
			return songspy.User{}, false, Tokens{}, err
		}
	}
	now, refresh := s.o.Now(), freshRefreshToken()
	session, err := s.o.Sessions.CreateSession(ctx, s.session(user.ID, 0, refresh, now))
	if err != nil {
		return songspy.User{}, false, Tokens{}, err
	}
	tokens, err := s.tokens(session, refresh, now)
	return user, linked, tokens, err
}

// Caller is who speaks, through which session.
type Caller struct {
	UserID songspy.UserID
	family int64
}

// Authenticate tells who speaks. The session is asked for each time, so that
// logging out, revocation and erasure work at once: UNAUTHORIZED, TOKEN_EXPIRED
// or SESSION_ENDED say what is wrong.
func (s *Service) Authenticate(ctx context.Context, token songspy.Secret) (Caller, error) {
	id, sessionID, err := s.signer.verify(token)
	if err != nil {
		return Caller{}, err
	}
	session, err := s.o.Sessions.Session(ctx, sessionID)
	switch {
	case songspy.CodeOf(err) == songspy.CodeNotFound, err == nil && (session.UserID != id || !session.Alive(s.o.Now())):
		return Caller{}, &songspy.Error{Code: songspy.CodeUnauthorized, Reason: "SESSION_ENDED", Message: "The session has ended; sign in again."}
	case err != nil:
		return Caller{}, err
	}
	return Caller{UserID: id, family: session.Family}, nil
}

// Logout ends the caller's session and all that came from the same sign-in.
func (s *Service) Logout(ctx context.Context, c Caller) error {
	return s.o.Sessions.RevokeFamily(ctx, c.family)
}

// Refresh exchanges a refresh token for a new pair. The same token presented
// again within the replay window gives the same successor; later it is taken
// for stolen and ends the whole family.
func (s *Service) Refresh(ctx context.Context, presented songspy.Secret) (Tokens, error) {
	session, err := s.presentedSession(ctx, presented)
	if err != nil {
		return Tokens{}, err
	}
	now := s.o.Now()
	if session.RotatedAt == nil {
		refresh := s.successors.next(presented)
		next, err := s.o.Sessions.RotateSession(ctx, session.ID, s.session(session.UserID, session.Family, refresh, now))
		if err == nil {
			return s.tokens(next, refresh, now)
		}
		if code := songspy.CodeOf(err); code != songspy.CodeConflict && code != songspy.CodeNotFound {
			return Tokens{}, err
		}
		// Another tab was faster, and this is a replay; or the session has ended.
		if session, err = s.presentedSession(ctx, presented); err != nil {
			return Tokens{}, err
		}
	}
	if session.RotatedAt != nil && now.Sub(*session.RotatedAt).Abs() <= replayWindow {
		return s.replay(ctx, presented, now)
	}
	if err := s.o.Sessions.RevokeFamily(ctx, session.Family); err != nil {
		return Tokens{}, err
	}
	s.o.Log.WarnContext(ctx, "a used refresh token came again: its session is ended",
		slog.Int64("user", int64(session.UserID)), slog.Int64("family", session.Family))
	return Tokens{}, &songspy.Error{Code: songspy.CodeUnauthorized, Reason: "REFRESH_TOKEN_REUSED", Message: "The refresh token was used before; sign in again."}
}

// replay gives the successor that the presented token already has.
func (s *Service) replay(ctx context.Context, presented songspy.Secret, now time.Time) (Tokens, error) {
	for _, refresh := range s.successors.all(presented) {
		next, err := s.presentedSession(ctx, refresh)
		if err == nil {
			return s.tokens(next, refresh, now)
		}
		if songspy.CodeOf(err) != songspy.CodeUnauthorized {
			return Tokens{}, err
		}
	}
	return Tokens{}, errRefreshInvalid
}

var errRefreshInvalid = &songspy.Error{Code: songspy.CodeUnauthorized, Reason: "REFRESH_TOKEN_INVALID", Message: "The refresh token is not valid; sign in again."}

// presentedSession is the living session of a refresh token.
func (s *Service) presentedSession(ctx context.Context, token songspy.Secret) (songspy.Session, error) {
	session, err := s.o.Sessions.SessionByRefresh(ctx, refreshHash(token))
	if songspy.CodeOf(err) == songspy.CodeNotFound || err == nil && !session.Alive(s.o.Now()) {
		return songspy.Session{}, errRefreshInvalid
	}
	return session, err
}

func (s *Service) session(user songspy.UserID, family int64, refresh songspy.Secret, now time.Time) songspy.Session {
	return songspy.Session{
		UserID: user, Family: family, RefreshHash: refreshHash(refresh),
		CreatedAt: now, ExpiresAt: now.Add(s.o.SessionLife),
	}
}

func (s *Service) tokens(session songspy.Session, refresh songspy.Secret, now time.Time) (Tokens, error) {
	access, err := s.signer.sign(session, now, s.o.TokenLife)
	return Tokens{Access: access, Refresh: refresh, ExpiresIn: s.o.TokenLife}, err
}
