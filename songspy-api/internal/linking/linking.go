package linking

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// fallbackRetry is how long to wait when Spotify failed and did not say.
const defaultRetryAfter = 5 * time.Second

// finishWithin bounds a linking once its code is spent: two calls and a write.
const linkTimeout = 25 * time.Second

// Redemption is an authorization code and what it was asked with.
type AuthorizationCode struct {
	Code        songspy.Secret
	RedirectURI string
	// Verifier is PKCE's; empty when the authorization was asked without a challenge.
	Verifier songspy.Secret
	// State is what came back with the code; empty where the client keeps it to itself.
	State songspy.Secret
}

// Spotify is the provider, as far as linking needs it.
type Spotify interface {
	// Ready is unavailable while Spotify must not be called.
	Ready(ctx context.Context) error
	AuthorizeURL(state, challenge, redirectURI string) string
	Exchange(ctx context.Context, r AuthorizationCode) (songspy.Grant, error)
	Account(ctx context.Context, access songspy.Secret) (songspy.SpotifyAccount, error)
	// Refresh renews the tokens of a link.
	Refresh(ctx context.Context, link songspy.Link) (songspy.Grant, error)
}

// NewLink is what is stored when a person has linked.
type NewLink struct {
	UserID songspy.UserID
	App    string
	// Seats is how many people the app admits; 0: as many as come.
	Seats   int
	Grant   songspy.Grant
	Account songspy.SpotifyAccount
	// Move takes the account over from the other person it is linked to.
	Move        bool
	ConsentedAt time.Time
	// IfVersion is the version that the stored link must still have; 0: any.
	IfVersion int64
}

// Links keeps the links.
type Links interface {
	// SaveLink is a conflict, SPOTIFY_LINKED_ELSEWHERE, when the account is
	// another person's and is not to be moved, and another, SPOTIFY_NO_SEAT,
	// when the app's last seat has been taken meanwhile. It is gone when the
	// stored link no longer has the version that it must have.
	SaveLink(ctx context.Context, l NewLink) (songspy.Link, error)
	// KeepGrant keeps a grant whose account is not known yet, since the app's
	// owner has not entered the user. A link whose account is known stays. It
	// returns the link that is stored afterwards, and gone as SaveLink does.
	SavePendingGrant(ctx context.Context, l NewLink) (songspy.Link, error)
	// Link is not_found if the user has none.
	Link(ctx context.Context, user songspy.UserID) (songspy.Link, error)
	// UpdateLink lets change change the stored link; not_found if there is none.
	UpdateLink(ctx context.Context, user songspy.UserID, change func(*songspy.Link) error) (songspy.Link, error)
}

// ErrNotKept is in the error SPOTIFY_NOT_REGISTERED if the grant was not kept:
// the user has a link whose account is known, which stays, or the grant could not
// be stored. Without it the grant was kept, and needs no new code.
var ErrNotKept = errors.New("the grant was not kept")

// Options are what a Service is made of.
type Options struct {
	// Apps are the instance's Spotify apps; the first is that of frontends which
	// build the authorization themselves.
	Apps []App
	// Own gives the app of a client id that a person brought. Nil: nobody may
	// bring one.
	UserApp func(clientID string) Spotify
	Links   Links
	Seats   Seats
	// RedirectURLs are those registered with Spotify; the first is the default.
	RedirectURLs []string
	// AnyLoopback lets any http URL of this machine pass as well, for development.
	AnyLoopback bool
	// Keys bind authorizations to their users: the first makes, all verify. Every
	// replica needs the same. Without any, each Service makes its own.
	Keys [][]byte
	Now  func() time.Time
}

// Service links people.
type Service struct{ opts Options }

// New makes a Service.
func New(o Options) *Service {
	if len(o.Keys) == 0 {
		o.Keys = [][]byte{[]byte(randomToken())}
	}
	return &Service{o}
}

// Authorization is where to send a person, and what their browser keeps until
// they come back.
type Authorization struct {
	URL          string
	State        songspy.Secret
	CodeVerifier songspy.Secret
	RedirectURI  string
	// Registered is false where, for all that is known, the app's owner has to
	// enter the person in its dashboard first: Spotify would let them sign in, and
	// then refuse.
	Registered bool
}

// Authorization begins a linking of the person, through the app of that client
// id; Ours is one of the instance's, and empty means that of their link, or else
// one of the instance's that admits them. An empty redirectURI is the default one.
//
// The verifier comes back with the code. It says which app it is for, and works
// for this user alone; state belongs to it.
func (s *Service) Authorization(ctx context.Context, user songspy.UserID, clientID, redirectURI string) (Authorization, error) {
	redirectURI, err := s.checkRedirect(redirectURI)
	if err != nil {
		return Authorization{}, err
	}
	app, registered, err := s.chooseApp(ctx, user, clientID)
	if err != nil {
		return Authorization{}, err
	}
	verifier := s.newVerifier(user, randomToken(), app.ID)
	state := s.stateFor(s.opts.Keys[0], user, verifier)
	challenge := sha256.Sum256([]byte(verifier))
	return Authorization{
		URL:          app.Spotify.AuthorizeURL(state, base64.RawURLEncoding.EncodeToString(challenge[:]), redirectURI),
		State:        songspy.Secret(state),
		CodeVerifier: songspy.Secret(verifier),
		RedirectURI:  redirectURI,
		Registered:   registered,
	}, nil
}

// Link redeems the code for the person and stores the link. Whether Spotify may
// be called at all is asked before the code, which is good for one use, is spent.
func (s *Service) Link(ctx context.Context, user songspy.UserID, r AuthorizationCode, move bool) (songspy.Link, error) {
	if r.Code == "" {
		return s.completePendingGrant(ctx, user, move)
	}
	var err error
	if r.RedirectURI, err = s.checkRedirect(r.RedirectURI); err != nil {
		return songspy.Link{}, err
	}
	app, err := s.appOfVerifier(user, r)
	if err != nil {
		return songspy.Link{}, err
	}
	if err := app.Spotify.Ready(ctx); err != nil {
		return songspy.Link{}, asUnavailable(err)
	}
	// From here on whoever asked may go, as pages that render twice do: half a
	// linking would only have spent the code.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), linkTimeout)
	defer cancel()
	grant, err := app.Spotify.Exchange(ctx, r)
	if err != nil {
		return songspy.Link{}, asUnavailable(err)
	}
	if missing := songspy.MissingScopes(grant.Scope); len(missing) > 0 {
		return songspy.Link{}, &songspy.Error{
			Code: songspy.CodeUnprocessable, Reason: "SPOTIFY_SCOPES_MISSING",
			Message: "Spotify was not asked for all that is needed.", Err: MissingScopes(missing),
		}
	}
	if grant.RefreshToken == "" {
		return songspy.Link{}, asUnavailable(errors.New("spotify gave no refresh token"))
	}
	return s.saveLink(ctx, app, NewLink{UserID: user, App: app.ID, Seats: app.Seats, Grant: grant, Move: move, ConsentedAt: s.opts.Now()})
}

// save asks whose account the grant is for and stores the link. The grant of
// a user that the app does not know is kept, so that they need not consent again,
// unless they have a link whose account is known.
func (s *Service) saveLink(ctx context.Context, app App, n NewLink) (songspy.Link, error) {
	account, err := app.Spotify.Account(ctx, n.Grant.AccessToken)
	switch songspy.DispositionOf(err) {
	case songspy.DispositionNotRegistered, songspy.DispositionRefused:
		stored, keepErr := s.opts.Links.SavePendingGrant(ctx, n)
		switch songspy.CodeOf(keepErr) {
		case songspy.CodeNotFound, songspy.CodeGone:
			return songspy.Link{}, keepErr
		}
		var notKept error
		if keepErr != nil || !stored.IsPendingGrant() {
			notKept = ErrNotKept
		}
		return songspy.Link{}, &songspy.Error{
			Code: songspy.CodeForbidden, Reason: "SPOTIFY_NOT_REGISTERED",
			Message: "This Spotify account is not yet registered with the app.", Err: errors.Join(err, keepErr, notKept),
		}
	}
	if err != nil {
		return songspy.Link{}, asUnavailable(err)
	}
	n.Account = account
	return s.opts.Links.SaveLink(ctx, n)
}

// complete links a user whose grant was kept when the app did not know them. It
// needs no code.
func (s *Service) completePendingGrant(ctx context.Context, user songspy.UserID, move bool) (songspy.Link, error) {
	missing := &songspy.Error{Code: songspy.CodeInvalid, Reason: "SPOTIFY_CODE_INVALID", Message: "The authorization code is missing."}
	link, err := s.opts.Links.Link(ctx, user)
	switch {
	case songspy.CodeOf(err) == songspy.CodeNotFound:
		return songspy.Link{}, missing
	case err != nil:
		return songspy.Link{}, err
	case !link.IsPendingGrant():
		return songspy.Link{}, missing
	}
	app, err := s.appByName(link.App)
	if err == nil && app.ID != link.App {
		err = missing // the instance no longer has the app
	}
	if err != nil {
		return songspy.Link{}, err
	}
	if err := app.Spotify.Ready(ctx); err != nil {
		return songspy.Link{}, asUnavailable(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), linkTimeout)
	defer cancel()
	n := NewLink{
		UserID: user, App: app.ID, Seats: app.Seats, Move: move, ConsentedAt: link.AuthorizedAt, IfVersion: link.Version,
		Grant: link.Grant(),
	}
	if !s.opts.Now().Add(time.Minute).Before(link.AccessExpiresAt) {
		grant, err := app.Spotify.Refresh(ctx, link)
		switch {
		case songspy.DispositionOf(err) == songspy.DispositionNeedsUser:
			if err := s.revoked(ctx, link); err != nil {
				return songspy.Link{}, err
			}
			return songspy.Link{}, missing // only a new consent helps
		case err != nil:
			return songspy.Link{}, asUnavailable(err)
		}
		n.Grant.AccessToken, n.Grant.ExpiresAt = grant.AccessToken, grant.ExpiresAt
		if grant.RefreshToken != "" {
			n.Grant.RefreshToken = grant.RefreshToken
			kept, err := s.opts.Links.SavePendingGrant(ctx, n) // the old one is spent
			if err != nil {
				return songspy.Link{}, replaceGone(err, missing)
			}
			n.IfVersion = kept.Version
		}
	}
	link, err = s.saveLink(ctx, app, n)
	return link, replaceGone(err, missing)
}

// revoked marks a kept grant that Spotify no longer accepts, so that the user is
// asked for a new consent. A link that was changed or removed meanwhile stays.
func (s *Service) revoked(ctx context.Context, link songspy.Link) error {
	_, err := s.opts.Links.UpdateLink(ctx, link.UserID, func(l *songspy.Link) error {
		if l.Version == link.Version && l.IsPendingGrant() {
			l.State, l.StateSince = songspy.LinkReauthRequired, s.opts.Now()
		}
		return nil
	})
	if songspy.CodeOf(err) == songspy.CodeNotFound {
		return nil
	}
	return err
}

// overtaken is missing if the kept grant was removed or changed while Spotify was
// called, so that nothing was stored; else it is err.
func replaceGone(err, missing error) error {
	if songspy.CodeOf(err) == songspy.CodeGone {
		return missing
	}
	return err
}

// redirect lets only known addresses pass: Spotify checks as well, but against
// what the app registered, and the error should be ours.
func (s *Service) checkRedirect(uri string) (string, error) {
	switch {
	case uri == "" && len(s.opts.RedirectURLs) > 0:
		return s.opts.RedirectURLs[0], nil
	case uri != "" && (slices.Contains(s.opts.RedirectURLs, uri) || s.opts.AnyLoopback && isLoopback(uri)):
		return uri, nil
	}
	return "", &songspy.Error{
		Code: songspy.CodeInvalid, Reason: "INVALID_REQUEST",
		Message: "redirectUri is not one that this instance knows.", Err: UnknownRedirect{},
	}
}

// isLoopback reports whether the URI is plain http at a literal loopback address.
func isLoopback(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" || u.User != nil {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return err == nil && addr.IsLoopback()
}

// unavailable keeps the refusals that concern the request, and that of the app
// itself, which the operator has to correct. Any other trouble of Spotify's is
// the same to the user: try again later.
func asUnavailable(err error) error {
	if songspy.CodeOf(err) == songspy.CodeInvalid || songspy.ReasonOf(err) == "SPOTIFY_APP_REFUSED" {
		return err
	}
	retry := songspy.RetryAfterOf(err)
	if retry <= 0 {
		retry = defaultRetryAfter
	}
	return &songspy.Error{
		Code: songspy.CodeUnavailable, Reason: "SPOTIFY_UNAVAILABLE",
		Message: "Spotify cannot be asked at the moment; link again later.", RetryAfter: retry, Err: err,
	}
}

// MissingScopes names the scopes that were not granted.
type MissingScopes []string

// Error implements the error interface.
func (m MissingScopes) Error() string { return "scopes missing: " + m.Detail() }

// Detail is what a message for a person names.
func (m MissingScopes) Detail() string { return strings.Join(m, ", ") }

// UnknownRedirect says that the redirect URI is none of ours.
type UnknownRedirect struct{}

// Error implements the error interface.
func (UnknownRedirect) Error() string { return "unknown redirect URI" }

// Field names the field at fault.
func (UnknownRedirect) Field() string { return "redirectUri" }

// random is 32 random bytes in base64url: long enough for state and for PKCE's verifier.
func randomToken() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Seats keeps who has asked for a seat in an app that admits only so many.
type Seats interface {
	// ChooseApp gives the app through which the person links, of those named with
	// their seats, and whether it is known to admit them: that of their link, if
	// it is among them, or one that they brought, if own; that of their seat; else
	// one with a free seat. Without one it is a conflict, SPOTIFY_NO_SEAT.
	ChooseApp(ctx context.Context, user songspy.UserID, apps []songspy.AppSeats, userApp bool) (app string, registered bool, err error)
	// Seat is what the person has asked for, and how many wait before them;
	// not_found, SPOTIFY_SEAT_NOT_ASKED, if they have not.
	Seat(ctx context.Context, user songspy.UserID) (seat songspy.Seat, ahead int64, err error)
	// AskSeat puts the person in line, or takes a new address of one who is there.
	AskSeat(ctx context.Context, user songspy.UserID, email songspy.Secret, apps []songspy.AppSeats) (songspy.Seat, error)
	// LeaveSeat is not_found, SPOTIFY_SEAT_NOT_ASKED, for who has not asked.
	LeaveSeat(ctx context.Context, user songspy.UserID) error
}

// Seat is how a person stands who has asked for a seat, and how many wait before them.
func (s *Service) Seat(ctx context.Context, user songspy.UserID) (songspy.Seat, int64, error) {
	return s.opts.Seats.Seat(ctx, user)
}

// AskSeat puts the person in line for a seat, with the address of their Spotify
// account, which the operator enters in the app's dashboard. Asking again
// replaces the address.
//
// It is a conflict, SPOTIFY_SEAT_NOT_NEEDED, where every app admits whoever comes.
func (s *Service) AskSeat(ctx context.Context, user songspy.UserID, email songspy.Secret) (songspy.Seat, int64, error) {
	apps := s.appSeats()
	if !songspy.HasSeatLimit(apps) {
		return songspy.Seat{}, 0, &songspy.Error{
			Code: songspy.CodeConflict, Reason: "SPOTIFY_SEAT_NOT_NEEDED", Message: "Nobody needs a seat here; link right away.",
		}
	}
	email = songspy.Secret(strings.TrimSpace(email.Reveal()))
	if !songspy.IsEmail(email) {
		return songspy.Seat{}, 0, &songspy.Error{Code: songspy.CodeInvalid, Message: "email is no address.", Err: InvalidAddress{}}
	}
	asked, err := s.opts.Seats.AskSeat(ctx, user, email, apps)
	if err != nil {
		return songspy.Seat{}, 0, err
	}
	seat, ahead, err := s.opts.Seats.Seat(ctx, user)
	if songspy.CodeOf(err) == songspy.CodeNotFound {
		return asked, 0, nil // given up, or linked, in another tab: it was so a moment ago
	}
	return seat, ahead, err
}

// LeaveSeat gives up what the person has asked for.
func (s *Service) LeaveSeat(ctx context.Context, user songspy.UserID) error {
	return s.opts.Seats.LeaveSeat(ctx, user)
}

// NoAddress says that the text is no e-mail address.
type InvalidAddress struct{}

// Error implements the error interface.
func (InvalidAddress) Error() string { return "no e-mail address" }

// Field names the field at fault.
func (InvalidAddress) Field() string { return "email" }
