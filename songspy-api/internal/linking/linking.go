package linking

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/attempt"
)

// defaultRetryAfter is the Retry-After for the client if a call to Spotify failed and Spotify
// sent no Retry-After.
const defaultRetryAfter = 5 * time.Second

// linkTimeout limits the part of a linking that goes on even if the client disconnects: two
// calls to Spotify, and the writes of their results.
const linkTimeout = 25 * time.Second

// Spotify is the client of one Spotify app.
type Spotify interface {
	// Ready returns CodeUnavailable while the app's calls to Spotify are blocked.
	Ready(ctx context.Context) error
	AuthorizeURL(state, challenge, redirectURI string) string
	Exchange(ctx context.Context, r songspy.AuthorizationCode) (songspy.Grant, error)
	Account(ctx context.Context, access songspy.Secret) (songspy.SpotifyAccount, error)
	// Refresh renews the tokens of a link.
	Refresh(ctx context.Context, link songspy.Link) (songspy.Grant, error)
}

// Links stores the links.
type Links interface {
	// SaveLink stores a link. It returns CodeConflict and the reason SPOTIFY_LINKED_ELSEWHERE if
	// the account is linked to another user and l.Move is false. It returns CodeConflict and the
	// reason SPOTIFY_NO_SEAT if the app's last seat was taken meanwhile. It returns CodeGone if
	// l.IfVersion is not 0 and the stored link has another version or does not exist.
	SaveLink(ctx context.Context, l songspy.NewLink) (songspy.Link, error)
	// SavePendingGrant stores a grant (the tokens) without a Spotify account, because the user is
	// not registered with the app yet. If the user has a link whose account is known, it changes
	// nothing. It returns the link that is stored afterwards. It returns CodeGone in the same
	// case as SaveLink.
	SavePendingGrant(ctx context.Context, l songspy.NewLink) (songspy.Link, error)
	// Link returns CodeNotFound if the user has no link.
	Link(ctx context.Context, user songspy.UserID) (songspy.Link, error)
	// UpdateLink calls change, which edits the stored link in place, and stores and returns
	// the edited link. If change returns an error, it stores nothing and returns that error.
	// It returns CodeNotFound if there is no link.
	UpdateLink(ctx context.Context, user songspy.UserID, change func(*songspy.Link) error) (songspy.Link, error)
}

// ErrGrantNotStored is a cause of the error SPOTIFY_NOT_REGISTERED. It says
// that the grant was not stored: the user already has a link whose account is
// known, or the database failed. Without this cause the grant is stored, and
// the next attempt to link needs no new code.
var ErrGrantNotStored = errors.New("the grant was not stored")

// Options configures a Service.
type Options struct {
	// Apps are the instance's Spotify apps. Frontends that build the authorization URL
	// themselves use the first app.
	Apps []App
	// UserApp returns the client of a user-supplied app. It is nil if the instance does not
	// accept user-supplied apps.
	UserApp func(clientID string) Spotify
	Links   Links
	Seats   Seats
	// RedirectURLs are the redirect URIs that are registered with Spotify for Link. The first is
	// the default.
	RedirectURLs []string
	// CallbackURL is the address to which Spotify redirects browsers that link by redirect.
	// Attempts stores the authorization attempts of these browsers.
	CallbackURL string
	Attempts    attempt.Store
	// AnyLoopback also accepts any http redirect URI at a loopback IP address, for development.
	AnyLoopback bool
	// Keys are the HMAC keys that bind verifiers and states to their users. The first key signs;
	// all keys verify. All replicas need the same keys. If there are none, New generates one.
	Keys [][]byte
	Now  func() time.Time
}

// Service links users to Spotify accounts.
type Service struct{ opts Options }

// New returns a Service.
func New(o Options) *Service {
	if len(o.Keys) == 0 {
		o.Keys = [][]byte{[]byte(attempt.NewSecret().Reveal())}
	}
	return &Service{o}
}

// Authorization is the URL to which the browser is sent, and the values that it
// stores until it comes back.
type Authorization struct {
	URL          string
	State        songspy.Secret
	CodeVerifier songspy.Secret
	RedirectURI  string
	// Registered is false if, as far as is known, the app's owner still has to register the user
	// in the app's dashboard. Before that, Spotify lets the user sign in, but rejects the calls
	// with their token.
	Registered bool
}

// Authorization starts a linking. The argument clientID selects the Spotify app. The client ID
// of a user-supplied app selects that app. InstanceApps, or the client ID of any app of the
// instance, selects an app of the instance that admits the user. An empty clientID selects the
// app of the user's link, or else an app of the instance that admits the user. An empty
// redirectURI selects the default.
//
// Later, the client sends the verifier back together with the code. The verifier names the app,
// and works only for this user. If the client also sends a state, this must be the state that
// was returned with the verifier.
func (s *Service) Authorization(ctx context.Context, user songspy.UserID, clientID, redirectURI string) (Authorization, error) {
	redirectURI, err := s.checkRedirectURI(redirectURI)
	if err != nil {
		return Authorization{}, err
	}
	return s.authorize(ctx, user, clientID, redirectURI)
}

func (s *Service) authorize(ctx context.Context, user songspy.UserID, clientID, redirectURI string) (Authorization, error) {
	app, registered, err := s.chooseApp(ctx, user, clientID)
	if err != nil {
		return Authorization{}, err
	}
	verifier := s.newVerifier(user, attempt.NewSecret().Reveal(), app.ID)
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

// Link exchanges the code of r for tokens and stores the link. If r has no code, Link completes
// the user's pending grant. The argument move says whether the Spotify account may be moved from
// another user to this one. A code works only once, so Link first checks that calls to Spotify
// are not blocked.
func (s *Service) Link(ctx context.Context, user songspy.UserID, r songspy.AuthorizationCode, move bool) (songspy.Link, error) {
	if r.Code == "" {
		return s.completePendingGrant(ctx, user, move)
	}
	var err error
	if r.RedirectURI, err = s.checkRedirectURI(r.RedirectURI); err != nil {
		return songspy.Link{}, err
	}
	return s.linkByCode(ctx, user, r, move)
}

// linkByCode does the work of Link for a request r that has a code and an accepted redirect URI.
func (s *Service) linkByCode(ctx context.Context, user songspy.UserID, r songspy.AuthorizationCode, move bool) (songspy.Link, error) {
	app, err := s.appOfVerifier(user, r)
	if err != nil {
		return songspy.Link{}, err
	}
	if err := app.Spotify.Ready(ctx); err != nil {
		return songspy.Link{}, asUnavailable(err)
	}
	// Go on even if the client disconnects, for example because a frontend renders its page
	// twice. Otherwise the code, which works only once, would be lost.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), linkTimeout)
	defer cancel()
	grant, err := app.Spotify.Exchange(ctx, r)
	if err != nil {
		return songspy.Link{}, asUnavailable(err)
	}
	if missing := songspy.MissingScopes(grant.Scope); len(missing) > 0 {
		return songspy.Link{}, &songspy.Error{
			Code: songspy.CodeUnprocessable, Reason: "SPOTIFY_SCOPES_MISSING",
			Message: "Spotify did not grant all scopes that are needed.", Err: MissingScopes(missing),
		}
	}
	if grant.RefreshToken == "" {
		return songspy.Link{}, asUnavailable(errors.New("spotify gave no refresh token"))
	}
	return s.saveLink(ctx, app, songspy.NewLink{UserID: user, App: app.ID, Seats: app.Seats, Grant: grant, Move: move, ConsentedAt: s.opts.Now()})
}

// saveLink reads the Spotify account of the grant and stores the link. If Spotify rejects the
// user, because the user is not registered with the app or for an unknown reason, saveLink
// stores the grant as a pending grant, so that the user need not consent again. It does not
// replace a link whose account is known by a pending grant.
func (s *Service) saveLink(ctx context.Context, app App, n songspy.NewLink) (songspy.Link, error) {
	account, err := app.Spotify.Account(ctx, n.Grant.AccessToken)
	switch songspy.DispositionOf(err) {
	case songspy.DispositionNotRegistered, songspy.DispositionRefused:
		stored, storeErr := s.opts.Links.SavePendingGrant(ctx, n)
		switch songspy.CodeOf(storeErr) {
		case songspy.CodeNotFound, songspy.CodeGone:
			return songspy.Link{}, storeErr
		}
		var notStored error
		if storeErr != nil || !stored.IsPendingGrant() {
			notStored = ErrGrantNotStored
		}
		return songspy.Link{}, &songspy.Error{
			Code: songspy.CodeForbidden, Reason: "SPOTIFY_NOT_REGISTERED",
			Message: "This Spotify account is not registered with the app yet.", Err: errors.Join(err, storeErr, notStored),
		}
	}
	if err != nil {
		return songspy.Link{}, asUnavailable(err)
	}
	n.Account = account
	return s.opts.Links.SaveLink(ctx, n)
}

// completePendingGrant makes a link of the user's pending grant, which was stored while the user
// was not registered with the app. It needs no code. It first renews the access token if that
// has expired or is about to.
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
		err = missing // the instance no longer has the app of the grant, so the user has to consent to another one
	}
	if err != nil {
		return songspy.Link{}, err
	}
	if err := app.Spotify.Ready(ctx); err != nil {
		return songspy.Link{}, asUnavailable(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), linkTimeout)
	defer cancel()
	n := songspy.NewLink{
		UserID: user, App: app.ID, Seats: app.Seats, Move: move, ConsentedAt: link.AuthorizedAt, IfVersion: link.Version,
		Grant: link.Grant(),
	}
	if !s.opts.Now().Add(time.Minute).Before(link.AccessExpiresAt) {
		grant, err := app.Spotify.Refresh(ctx, link)
		switch {
		case songspy.DispositionOf(err) == songspy.DispositionNeedsUser:
			if err := s.markRevoked(ctx, link); err != nil {
				return songspy.Link{}, err
			}
			return songspy.Link{}, missing // Spotify has revoked the grant, so the user has to consent again
		case err != nil:
			return songspy.Link{}, asUnavailable(err)
		}
		n.Grant.AccessToken, n.Grant.ExpiresAt = grant.AccessToken, grant.ExpiresAt
		if grant.RefreshToken != "" {
			n.Grant.RefreshToken = grant.RefreshToken
			// The old refresh token no longer works, so the new one is stored before a call can
			// fail.
			stored, err := s.opts.Links.SavePendingGrant(ctx, n)
			if err != nil {
				return songspy.Link{}, replaceGone(err, missing)
			}
			n.IfVersion = stored.Version
		}
	}
	link, err = s.saveLink(ctx, app, n)
	return link, replaceGone(err, missing)
}

// markRevoked sets the state of a pending grant that Spotify no longer accepts to
// reauth_required, because the user has to consent again. It does nothing if another request has
// changed or removed the link meanwhile.
func (s *Service) markRevoked(ctx context.Context, link songspy.Link) error {
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

// replaceGone returns the error missing if err has CodeGone: the pending grant was removed or
// changed during the calls to Spotify, so the link was not stored. Otherwise it returns err.
func replaceGone(err, missing error) error {
	if songspy.CodeOf(err) == songspy.CodeGone {
		return missing
	}
	return err
}

// checkRedirectURI returns the redirect URI to use: the given one, or the default if the given
// one is empty. It returns an error if this instance does not accept the URI. Spotify checks the
// URI too, but this error says which field of the request is wrong.
func (s *Service) checkRedirectURI(uri string) (string, error) {
	switch {
	case uri == "" && len(s.opts.RedirectURLs) > 0:
		return s.opts.RedirectURLs[0], nil
	case uri != "" && (slices.Contains(s.opts.RedirectURLs, uri) || s.opts.AnyLoopback && isLoopback(uri)):
		return uri, nil
	}
	return "", &songspy.Error{
		Code: songspy.CodeInvalid, Reason: "INVALID_REQUEST",
		Message: "redirectUri is not a redirect address of this instance.", Err: fieldError{"redirectUri", "unknown redirect URI"},
	}
}

// isLoopback reports whether the URI has the scheme http and a literal loopback IP address as
// its host.
func isLoopback(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" || u.User != nil {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return err == nil && addr.IsLoopback()
}

// asUnavailable turns an error of a call to Spotify into SPOTIFY_UNAVAILABLE, because the user
// can only try again later. It returns two kinds of errors unchanged: those of the request
// (CodeInvalid), and SPOTIFY_APP_REFUSED, whose cause the operator has to correct.
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
		Message: "Spotify is not available right now; link again later.", RetryAfter: retry, Err: err,
	}
}

// MissingScopes is the cause of an error, and lists the scopes that were not granted.
type MissingScopes []string

// Error implements the error interface.
func (m MissingScopes) Error() string { return "scopes missing: " + m.Detail() }

// Detail returns the text that the message to the user contains.
func (m MissingScopes) Detail() string { return strings.Join(m, ", ") }

// fieldError is the cause of an error for an invalid field of the request.
type fieldError struct{ field, cause string }

// Error implements the error interface.
func (e fieldError) Error() string { return e.cause }

// Field returns the name of the invalid field.
func (e fieldError) Field() string { return e.field }

// Seats stores the requests for seats in apps that admit a limited number of users.
type Seats interface {
	// ChooseApp returns the ID of the app for the user's next link, and whether the user is
	// known to be registered with it. It chooses the app of the user's link if the Spotify
	// account of the link is known, and the app is one of the given apps, or is user-supplied
	// and userApp is true; else the app of the user's seat; else an app with a free seat. If no
	// app has a free seat, it returns CodeConflict and the reason SPOTIFY_NO_SEAT.
	ChooseApp(ctx context.Context, user songspy.UserID, apps []songspy.AppSeats, userApp bool) (app string, registered bool, err error)
	// Seat returns the user's seat, and how many users are ahead in the waiting list. It
	// returns CodeNotFound and the reason SPOTIFY_SEAT_NOT_ASKED if the user has
	// requested none.
	Seat(ctx context.Context, user songspy.UserID) (seat songspy.Seat, ahead int64, err error)
	// AskSeat adds the user to the waiting list, and then assigns the free seats. If the user
	// has requested a seat already, it replaces the address of that request.
	AskSeat(ctx context.Context, user songspy.UserID, email songspy.Secret, apps []songspy.AppSeats) (songspy.Seat, error)
	// LeaveSeat deletes the user's seat or their request for one. It returns CodeNotFound and
	// the reason SPOTIFY_SEAT_NOT_ASKED if the user has requested no seat.
	LeaveSeat(ctx context.Context, user songspy.UserID) error
}

// Seat returns the user's seat, and how many users are ahead in the waiting list.
func (s *Service) Seat(ctx context.Context, user songspy.UserID) (songspy.Seat, int64, error) {
	return s.opts.Seats.Seat(ctx, user)
}

// AskSeat requests a seat in a Spotify app. The argument email is the address of the user's
// Spotify account, which the operator registers in the app's dashboard. A repeated request
// replaces the address. AskSeat returns the seat, and how many users are ahead in the waiting
// list.
//
// It returns CodeConflict and the reason SPOTIFY_SEAT_NOT_NEEDED if every app admits any
// number of users.
func (s *Service) AskSeat(ctx context.Context, user songspy.UserID, email songspy.Secret) (songspy.Seat, int64, error) {
	apps := s.appSeats()
	if !songspy.HasSeatLimit(apps) {
		return songspy.Seat{}, 0, &songspy.Error{
			Code: songspy.CodeConflict, Reason: "SPOTIFY_SEAT_NOT_NEEDED", Message: "No seat is needed; link now.",
		}
	}
	email = songspy.Secret(strings.TrimSpace(email.Reveal()))
	if !songspy.IsEmail(email) {
		return songspy.Seat{}, 0, &songspy.Error{
			Code: songspy.CodeInvalid, Message: "email is not an e-mail address.", Err: fieldError{"email", "not an e-mail address"},
		}
	}
	asked, err := s.opts.Seats.AskSeat(ctx, user, email, apps)
	if err != nil {
		return songspy.Seat{}, 0, err
	}
	seat, ahead, err := s.opts.Seats.Seat(ctx, user)
	if songspy.CodeOf(err) == songspy.CodeNotFound {
		// Meanwhile another tab of the user has given up the seat, or has linked, which deletes
		// the request. So this call returns the seat that Seats.AskSeat has just returned.
		return asked, 0, nil
	}
	return seat, ahead, err
}

// LeaveSeat gives up the user's seat, or their place in the waiting list.
func (s *Service) LeaveSeat(ctx context.Context, user songspy.UserID) error {
	return s.opts.Seats.LeaveSeat(ctx, user)
}
