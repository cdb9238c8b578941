package linking

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/attempt"
)

const redirectURL = "https://fe.test/callback"

// fakeServices implements Spotify, Links and Seats.
type fakeServices struct {
	readyErr, exchangeErr, accountErr error
	chooseErr                         error // the error of ChooseApp, such as SPOTIFY_NO_SEAT
	scope                             string
	refreshToken                      songspy.Secret
	onExchange                        func()         // if set, Exchange calls it
	userApp                           string         // the app of the user's link if it is user-supplied; else empty
	seatEmail                         songspy.Secret // the address in the request for a seat
	seatGone                          bool           // Seat finds no seat, as if it was given up right after the request
	exchanged                         []songspy.AuthorizationCode
	saved, pending                    []songspy.NewLink
	link                              *songspy.Link // the stored link, or nil
	pendingErr                        error         // the error of SavePendingGrant
	onRefresh                         func()        // if set, Refresh calls it
	refreshed                         songspy.Grant
	refreshes                         int
	onAccount                         func() // if set, Account calls it before it returns
}

func (f *fakeServices) SavePendingGrant(_ context.Context, n songspy.NewLink) (songspy.Link, error) {
	if err := f.checkVersion(n); err != nil {
		return songspy.Link{}, err
	}
	if f.pendingErr != nil {
		return songspy.Link{}, f.pendingErr
	}
	if f.link != nil && f.link.HasAccount() {
		return *f.link, nil
	}
	f.pending = append(f.pending, n)
	f.link = &songspy.Link{
		UserID: n.UserID, App: n.App, State: songspy.LinkNotRegistered, AuthorizedAt: n.ConsentedAt, Scope: n.Grant.Scope,
		AccessToken: n.Grant.AccessToken, RefreshToken: n.Grant.RefreshToken, AccessExpiresAt: n.Grant.ExpiresAt,
		Version: int64(len(f.pending)),
	}
	return *f.link, nil
}

// checkVersion returns CodeGone if n.IfVersion is not 0 and the stored link has another version,
// or if there is none.
func (f *fakeServices) checkVersion(n songspy.NewLink) error {
	if n.IfVersion != 0 && (f.link == nil || f.link.Version != n.IfVersion) {
		return &songspy.Error{Code: songspy.CodeGone}
	}
	return nil
}

func (f *fakeServices) Link(context.Context, songspy.UserID) (songspy.Link, error) {
	if f.link == nil {
		return songspy.Link{}, &songspy.Error{Code: songspy.CodeNotFound}
	}
	return *f.link, nil
}

func (f *fakeServices) UpdateLink(_ context.Context, _ songspy.UserID, change func(*songspy.Link) error) (songspy.Link, error) {
	if f.link == nil {
		return songspy.Link{}, &songspy.Error{Code: songspy.CodeNotFound}
	}
	changed := *f.link
	if err := change(&changed); err != nil || changed == *f.link {
		return *f.link, err
	}
	changed.Version++
	f.link = &changed
	return changed, nil
}

func (f *fakeServices) Refresh(context.Context, songspy.Link) (songspy.Grant, error) {
	f.refreshes++
	if f.onRefresh != nil {
		f.onRefresh()
	}
	if f.refreshed.AccessToken == "" {
		return songspy.Grant{}, &songspy.Error{Disposition: songspy.DispositionNeedsUser}
	}
	return f.refreshed, nil
}

func (f *fakeServices) Ready(context.Context) error { return f.readyErr }

func (f *fakeServices) AuthorizeURL(state, challenge, redirectURI string) string {
	return "https://accounts.test/authorize?" + url.Values{"state": {state}, "code_challenge": {challenge}, "redirect_uri": {redirectURI}}.Encode()
}

func (f *fakeServices) Exchange(_ context.Context, r songspy.AuthorizationCode) (songspy.Grant, error) {
	f.exchanged = append(f.exchanged, r)
	if f.onExchange != nil {
		f.onExchange()
	}
	return songspy.Grant{AccessToken: "access", RefreshToken: f.refreshToken, Scope: f.scope}, f.exchangeErr
}

func (f *fakeServices) Account(ctx context.Context, _ songspy.Secret) (songspy.SpotifyAccount, error) {
	if f.onAccount != nil {
		f.onAccount()
	}
	return songspy.SpotifyAccount{AccountID: "acc"}, errors.Join(f.accountErr, ctx.Err())
}

func (f *fakeServices) SaveLink(ctx context.Context, n songspy.NewLink) (songspy.Link, error) {
	if ctx.Err() != nil {
		return songspy.Link{}, ctx.Err()
	}
	if err := f.checkVersion(n); err != nil {
		return songspy.Link{}, err
	}
	f.saved = append(f.saved, n)
	return songspy.Link{UserID: n.UserID}, nil
}

func (f *fakeServices) ChooseApp(_ context.Context, _ songspy.UserID, seats []songspy.AppSeats, userApp bool) (string, bool, error) {
	if userApp && f.userApp != "" {
		return f.userApp, true, nil
	}
	return seats[len(seats)-1].App, f.seatEmail == "", f.chooseErr
}

func (f *fakeServices) Seat(_ context.Context, user songspy.UserID) (songspy.Seat, int64, error) {
	if f.seatGone {
		return songspy.Seat{}, 0, &songspy.Error{Code: songspy.CodeNotFound, Reason: "SPOTIFY_SEAT_NOT_ASKED"}
	}
	return songspy.Seat{UserID: user, State: songspy.SeatWaiting}, 2, nil
}

func (f *fakeServices) AskSeat(_ context.Context, _ songspy.UserID, email songspy.Secret, _ []songspy.AppSeats) (songspy.Seat, error) {
	f.seatEmail = email
	return songspy.Seat{State: songspy.SeatHeld}, nil
}

func (f *fakeServices) LeaveSeat(context.Context, songspy.UserID) error { return nil }

func newFakeServices() *fakeServices {
	return &fakeServices{scope: strings.Join(songspy.NeededScopes(), " "), refreshToken: "refresh"}
}

func newService(f *fakeServices, anyLoopback bool) *Service {
	return New(Options{Apps: []App{{ID: "app", Spotify: f}}, Links: f, Seats: f, RedirectURLs: []string{redirectURL}, AnyLoopback: anyLoopback, Now: time.Now})
}

func TestLink_StoresTheGrantOfTheCode(t *testing.T) {
	f := newFakeServices()
	_, err := newService(f, false).Link(t.Context(), 7, songspy.AuthorizationCode{Code: "code", Verifier: "verifier"}, true)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.exchanged[0]; got.RedirectURI != redirectURL || got.Verifier != "verifier" {
		t.Errorf("exchanged %+v", got)
	}
	if got := f.saved[0]; got.UserID != 7 || got.App != "app" || got.Account.AccountID != "acc" || got.Grant.RefreshToken != "refresh" || !got.Move || got.ConsentedAt.IsZero() {
		t.Errorf("saved %+v", got)
	}
}

func TestLink_StoresNothingOnError(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fakeServices)
		code   songspy.Secret
		uri    string
		want   string
		kind   songspy.Code
		used   bool // whether Link must have used the code
	}{
		"no code":          {code: "", want: "SPOTIFY_CODE_INVALID", kind: songspy.CodeInvalid},
		"unknown redirect": {code: "c", uri: "https://evil.test", want: "INVALID_REQUEST", kind: songspy.CodeInvalid},
		"loopback":         {code: "c", uri: "http://127.0.0.1:3000/callback", want: "INVALID_REQUEST", kind: songspy.CodeInvalid},
		"open breaker":     {code: "c", change: func(f *fakeServices) { f.readyErr = &songspy.Error{Code: songspy.CodeUnavailable} }, want: "SPOTIFY_UNAVAILABLE", kind: songspy.CodeUnavailable},
		"a used code": {code: "c", change: func(f *fakeServices) {
			f.exchangeErr = &songspy.Error{Code: songspy.CodeInvalid, Reason: "SPOTIFY_CODE_INVALID"}
		}, want: "SPOTIFY_CODE_INVALID", kind: songspy.CodeInvalid, used: true},
		"a wrong secret": {code: "c", change: func(f *fakeServices) {
			f.exchangeErr = &songspy.Error{Code: songspy.CodeUnavailable, Reason: "SPOTIFY_APP_REFUSED", RetryAfter: time.Minute}
		}, want: "SPOTIFY_APP_REFUSED", kind: songspy.CodeUnavailable, used: true},
		"an outage":        {code: "c", change: func(f *fakeServices) { f.exchangeErr = errors.New("reset") }, want: "SPOTIFY_UNAVAILABLE", kind: songspy.CodeUnavailable, used: true},
		"a missing scope":  {code: "c", change: func(f *fakeServices) { f.scope = songspy.ScopeCurrentlyPlaying }, want: "SPOTIFY_SCOPES_MISSING", kind: songspy.CodeUnprocessable, used: true},
		"no refresh token": {code: "c", change: func(f *fakeServices) { f.refreshToken = "" }, want: "SPOTIFY_UNAVAILABLE", kind: songspy.CodeUnavailable, used: true},
		"not registered":   {code: "c", change: func(f *fakeServices) { f.accountErr = &songspy.Error{Disposition: songspy.DispositionNotRegistered} }, want: "SPOTIFY_NOT_REGISTERED", kind: songspy.CodeForbidden, used: true},
		"account unknown":  {code: "c", change: func(f *fakeServices) { f.accountErr = &songspy.Error{Code: songspy.CodeUnauthorized} }, want: "SPOTIFY_UNAVAILABLE", kind: songspy.CodeUnavailable, used: true},
		"the app is blocked": {code: "c", change: func(f *fakeServices) {
			f.accountErr = &songspy.Error{Code: songspy.CodeUnavailable, RetryAfter: time.Hour}
		}, want: "SPOTIFY_UNAVAILABLE", kind: songspy.CodeUnavailable, used: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeServices()
			if c.change != nil {
				c.change(f)
			}
			_, err := newService(f, false).Link(t.Context(), 7, songspy.AuthorizationCode{Code: c.code, RedirectURI: c.uri}, false)
			if songspy.ReasonOf(err) != c.want || songspy.CodeOf(err) != c.kind {
				t.Errorf("error %v, want %s", err, c.want)
			}
			if c.kind == songspy.CodeUnavailable && songspy.RetryAfterOf(err) == 0 {
				t.Error("the error has no RetryAfter")
			}
			if used := len(f.exchanged) > 0; used != c.used || len(f.saved) > 0 {
				t.Errorf("code used: %v, want %v; links saved: %d", used, c.used, len(f.saved))
			}
		})
	}
}

func TestLink_CompletesWithoutACodeOnceTheUserIsRegistered(t *testing.T) {
	for name, d := range map[string]songspy.Disposition{"known error": songspy.DispositionNotRegistered, "unknown error": songspy.DispositionRefused} {
		t.Run(name, func(t *testing.T) {
			f := newFakeServices()
			s := newService(f, false)
			f.accountErr = &songspy.Error{Disposition: d}
			for _, code := range []songspy.Secret{"code", ""} { // without a code, Link retries with the pending grant; Spotify still rejects the user
				if _, err := s.Link(t.Context(), 7, songspy.AuthorizationCode{Code: code}, false); songspy.ReasonOf(err) != "SPOTIFY_NOT_REGISTERED" {
					t.Fatalf("code %q: error %v", code, err)
				}
				f.link.AccessExpiresAt = time.Now().Add(time.Hour)
			}
			if f.accountErr = nil; f.pending[0].Grant.RefreshToken != "refresh" || len(f.exchanged) != 1 {
				t.Fatalf("pending %+v, %d codes used", f.pending, len(f.exchanged))
			}
			if _, err := s.Link(t.Context(), 7, songspy.AuthorizationCode{}, true); err != nil {
				t.Fatal(err)
			}
			if got := f.saved[0]; got.App != "app" || got.Account.AccountID != "acc" || got.Grant.RefreshToken != "refresh" || !got.Move || !got.ConsentedAt.Equal(f.pending[0].ConsentedAt) {
				t.Errorf("saved %+v", got)
			}
			if len(f.exchanged) != 1 || f.refreshes != 0 {
				t.Errorf("%d codes used, %d renewals", len(f.exchanged), f.refreshes)
			}
		})
	}
}

func TestLink_ReportsWhetherTheGrantOfAnUnregisteredUserWasKept(t *testing.T) {
	account := "acc"
	for name, c := range map[string]struct {
		link    *songspy.Link
		keepErr error
		stored  bool
	}{
		"no link yet":      {stored: true},
		"a pending grant":  {link: &songspy.Link{App: "app", State: songspy.LinkNotRegistered, Version: 1}, stored: true},
		"an active link":   {link: &songspy.Link{App: "app", State: songspy.LinkActive, AccountID: &account, Version: 1}},
		"a broken link":    {link: &songspy.Link{App: "app", State: songspy.LinkReauthRequired, AccountID: &account, Version: 1}},
		"a rejected link":  {link: &songspy.Link{App: "app", State: songspy.LinkNotRegistered, AccountID: &account, Version: 1}},
		"a database error": {keepErr: &songspy.Error{Code: songspy.CodeUnavailable}},
	} {
		f := newFakeServices()
		f.accountErr, f.link, f.pendingErr = &songspy.Error{Disposition: songspy.DispositionNotRegistered}, c.link, c.keepErr
		_, err := newService(f, false).Link(t.Context(), 7, songspy.AuthorizationCode{Code: "code"}, false)
		if stored := !errors.Is(err, ErrGrantNotStored); songspy.ReasonOf(err) != "SPOTIFY_NOT_REGISTERED" || stored != c.stored || (len(f.pending) > 0) != c.stored {
			t.Errorf("%s: error %v; reported as stored: %v, stored %+v", name, err, stored, f.pending)
		}
	}
}

func TestLink_AsksTheUserToConsentAgainIfAPendingGrantIsRevoked(t *testing.T) {
	account := "other"
	newer := &songspy.Link{App: "app", State: songspy.LinkActive, AccountID: &account, Version: 9}
	for name, c := range map[string]struct {
		meanwhile func(*fakeServices)
		want      *songspy.LinkState
	}{
		"nothing else happens":   {func(*fakeServices) {}, new(songspy.LinkReauthRequired)},
		"linked meanwhile":       {func(f *fakeServices) { f.link = newer }, new(songspy.LinkActive)},
		"stored again meanwhile": {func(f *fakeServices) { f.link = &songspy.Link{State: songspy.LinkNotRegistered, Version: 9} }, new(songspy.LinkNotRegistered)},
		"unlinked meanwhile":     {func(f *fakeServices) { f.link = nil }, nil},
	} {
		f := newFakeServices()
		f.link = &songspy.Link{App: "app", State: songspy.LinkNotRegistered, Version: 1} // AccessExpiresAt is zero, so the access token counts as expired
		f.onRefresh = func() { c.meanwhile(f) }
		_, err := newService(f, false).Link(t.Context(), 7, songspy.AuthorizationCode{}, false)
		if songspy.ReasonOf(err) != "SPOTIFY_CODE_INVALID" || len(f.saved) > 0 {
			t.Errorf("%s: error %v, saved %+v", name, err, f.saved)
		}
		if (f.link == nil) != (c.want == nil) || f.link != nil && f.link.State != *c.want {
			t.Errorf("%s: the link is %+v", name, f.link)
		}
	}
}

func TestLink_CompletesWithARefreshedTokenAndStoresARotatedOne(t *testing.T) {
	f := newFakeServices()
	s := newService(f, false)
	f.accountErr = &songspy.Error{Disposition: songspy.DispositionNotRegistered}
	_, _ = s.Link(t.Context(), 7, songspy.AuthorizationCode{Code: "code"}, false) // Exchange gave no ExpiresAt, so the access token counts as expired
	f.accountErr = nil
	if _, err := s.Link(t.Context(), 7, songspy.AuthorizationCode{}, false); songspy.ReasonOf(err) != "SPOTIFY_CODE_INVALID" {
		t.Fatalf("with a rejected refresh token: error %v", err)
	}
	f.link.State = songspy.LinkNotRegistered // the rejection had set reauth_required; with the next line, Refresh succeeds
	f.refreshed = songspy.Grant{AccessToken: "access 2", RefreshToken: "refresh 2", ExpiresAt: time.Now().Add(time.Hour)}
	if _, err := s.Link(t.Context(), 7, songspy.AuthorizationCode{}, false); err != nil {
		t.Fatal(err)
	}
	if got := f.saved[0].Grant; got.AccessToken != "access 2" || got.RefreshToken != "refresh 2" || f.link.RefreshToken != "refresh 2" {
		t.Errorf("saved %+v, stored %+v", got, f.link)
	}
}

func TestLink_WithoutACodeStoresNothingIfTheLinkChanged(t *testing.T) {
	account := "other"
	for name, d := range map[string]songspy.Disposition{"the user is registered": songspy.DispositionNone, "the user is not registered": songspy.DispositionNotRegistered} {
		for meanwhile, link := range map[string]*songspy.Link{
			"unlinked": nil, "linked again": {App: "app", State: songspy.LinkActive, AccountID: &account, Version: 9},
		} {
			f := newFakeServices()
			s := newService(f, false)
			f.accountErr = &songspy.Error{Disposition: songspy.DispositionNotRegistered}
			_, _ = s.Link(t.Context(), 7, songspy.AuthorizationCode{Code: "code"}, false)
			if f.accountErr = nil; d != songspy.DispositionNone {
				f.accountErr = &songspy.Error{Disposition: d}
			}
			f.refreshed = songspy.Grant{AccessToken: "access 2", RefreshToken: "refresh 2", ExpiresAt: time.Now().Add(time.Hour)}
			f.onAccount = func() { f.link = link }
			_, err := s.Link(t.Context(), 7, songspy.AuthorizationCode{}, false)
			if songspy.ReasonOf(err) != "SPOTIFY_CODE_INVALID" || len(f.saved) > 0 || f.link != link {
				t.Errorf("%s, %s: error %v, saved %+v, the link is %+v", name, meanwhile, err, f.saved, f.link)
			}
		}
	}
}

func TestLink_WithoutACodeNeedsAPendingGrant(t *testing.T) {
	account := "acc"
	for name, link := range map[string]*songspy.Link{
		"none": nil, "an active link": {App: "app", State: songspy.LinkActive, AccountID: &account},
		"a link that is rejected later": {App: "app", State: songspy.LinkNotRegistered, AccountID: &account},
		"an app that was removed":       {App: "former", State: songspy.LinkNotRegistered},
	} {
		f := newFakeServices()
		f.link = link
		if _, err := newService(f, false).Link(t.Context(), 7, songspy.AuthorizationCode{}, false); songspy.ReasonOf(err) != "SPOTIFY_CODE_INVALID" || len(f.saved) > 0 {
			t.Errorf("%s: error %v, saved %+v", name, err, f.saved)
		}
	}
}

func TestLink_FinishesAfterTheClientDisconnects(t *testing.T) {
	f := newFakeServices()
	ctx, disconnect := context.WithCancel(t.Context())
	f.onExchange = disconnect
	if _, err := newService(f, false).Link(ctx, 7, songspy.AuthorizationCode{Code: "c"}, false); err != nil || len(f.saved) != 1 {
		t.Errorf("the code is used and %d links are saved, error %v", len(f.saved), err)
	}
}

func TestLink_NamesTheMissingScopes(t *testing.T) {
	f := newFakeServices()
	f.scope = songspy.ScopeCurrentlyPlaying
	_, err := newService(f, false).Link(t.Context(), 7, songspy.AuthorizationCode{Code: "c"}, false)
	if missing, ok := errors.AsType[MissingScopes](err); !ok || missing.Detail() != songspy.ScopeRecentlyPlayed {
		t.Errorf("error %v, want the missing scope", err)
	}
}

func TestAuthorization_ChallengeMatchesItsVerifier(t *testing.T) {
	a, err := newService(newFakeServices(), false).Authorization(t.Context(), 7, "", "")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(a.URL)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(a.CodeVerifier.Reveal()))
	if q := u.Query(); q.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) || q.Get("state") != a.State.Reveal() || q.Get("redirect_uri") != redirectURL {
		t.Errorf("the URL is %s, the authorization %+v", a.URL, a)
	}
	if n := len(a.CodeVerifier.Reveal()); n < 43 || n > 128 {
		t.Errorf("the verifier has %d characters", n)
	}
	b, _ := newService(newFakeServices(), false).Authorization(t.Context(), 7, "", "")
	if a.State == b.State || a.CodeVerifier == b.CodeVerifier {
		t.Error("two authorizations have the same state or verifier")
	}
}

func TestAuthorization_AllowsAnyLoopbackOnlyInDevelopment(t *testing.T) {
	for uri, loopback := range map[string]bool{
		"http://127.0.0.1:3000/callback": true,
		"http://[::1]:3000/":             true,
		"http://localhost:3000/":         false, // Spotify rejects the name localhost
		"https://127.0.0.1/":             false,
		"http://10.0.0.1/":               false,
		"http://127.0.0.1.evil.test/":    false,
		"http://evil@127.0.0.1/":         false,
		"javascript:alert(1)":            false,
		"://":                            false,
	} {
		if _, err := newService(newFakeServices(), true).Authorization(t.Context(), 7, "", uri); (err == nil) != loopback {
			t.Errorf("%s in development: error %v", uri, err)
		}
		if _, err := newService(newFakeServices(), false).Authorization(t.Context(), 7, "", uri); err == nil {
			t.Errorf("%s is accepted in production", uri)
		}
	}
}

func TestAuthorization_NeedsARedirect(t *testing.T) {
	s := New(Options{Now: time.Now})
	if _, err := s.Authorization(t.Context(), 7, "", ""); songspy.CodeOf(err) != songspy.CodeInvalid {
		t.Errorf("error %v, want invalid", err)
	}
}

func TestLinking_UsesAnAppWithAFreeSeat(t *testing.T) {
	first, second := newFakeServices(), newFakeServices()
	s := New(Options{
		Apps: []App{{ID: "full", Seats: 5, Spotify: first}, {ID: "free", Seats: 5, Spotify: second}}, Links: second, Seats: second,
		RedirectURLs: []string{redirectURL}, Now: time.Now,
	})
	a, err := s.Authorization(t.Context(), 7, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(a.CodeVerifier.Reveal()); n < 43 || n > 128 {
		t.Errorf("the verifier has %d characters", n)
	}
	if _, err := s.Link(t.Context(), 7, songspy.AuthorizationCode{Code: "code", Verifier: a.CodeVerifier}, false); err != nil {
		t.Fatal(err)
	}
	if len(first.exchanged) > 0 || len(second.exchanged) != 1 || second.saved[0].App != "free" || second.saved[0].Seats != 5 {
		t.Errorf("the code went to %+v, and %+v was saved", first.exchanged, second.saved)
	}
	// A verifier that a frontend made itself belongs to the first app, because it names no app.
	if _, err := s.Link(t.Context(), 7, songspy.AuthorizationCode{Code: "code", Verifier: "its-own"}, false); err != nil || len(first.exchanged) != 1 {
		t.Errorf("error %v, the first app exchanged %+v", err, first.exchanged)
	}
	second.chooseErr = &songspy.Error{Code: songspy.CodeConflict, Reason: "SPOTIFY_NO_SEAT"}
	if _, err := s.Authorization(t.Context(), 8, "", ""); songspy.ReasonOf(err) != "SPOTIFY_NO_SEAT" {
		t.Errorf("without a free seat: error %v", err)
	}
}

func TestLinking_UsesAUserSuppliedApp(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	ours, userApp := newFakeServices(), newFakeServices()
	o := Options{Apps: []App{{ID: "ours", Seats: 5, Spotify: ours}}, Links: userApp, Seats: userApp, RedirectURLs: []string{redirectURL}, Now: time.Now}
	if _, err := New(o).Authorization(t.Context(), 7, id, ""); songspy.ReasonOf(err) != "SPOTIFY_USER_APPS_OFF" {
		t.Errorf("without user-supplied apps: error %v", err)
	}
	o.UserApp = func(clientID string) Spotify {
		if clientID != id {
			t.Errorf("the requested app is %q", clientID)
		}
		return userApp
	}
	s := New(o)
	for _, invalid := range []string{"ABCDEF", id + "0", "../" + id[3:]} {
		if _, err := s.Authorization(t.Context(), 7, invalid, ""); songspy.CodeOf(err) != songspy.CodeInvalid {
			t.Errorf("client ID %q: error %v", invalid, err)
		}
	}
	a, err := s.Authorization(t.Context(), 7, id, "")
	if err != nil || !a.Registered {
		t.Fatalf("authorization %+v, error %v", a, err)
	}
	if n := len(a.CodeVerifier.Reveal()); n > 128 {
		t.Errorf("the verifier has %d characters", n)
	}
	if _, err := s.Link(t.Context(), 7, songspy.AuthorizationCode{Code: "code", Verifier: a.CodeVerifier}, false); err != nil {
		t.Fatal(err)
	}
	if len(ours.exchanged) > 0 || len(userApp.exchanged) != 1 || userApp.saved[0].App != songspy.UserApp(id) || userApp.saved[0].Seats != 0 {
		t.Errorf("the code went to %+v, and %+v was saved", ours.exchanged, userApp.saved)
	}
	userApp.userApp = songspy.UserApp(id)
	off := o
	off.UserApp = nil
	if a, err := New(off).Authorization(t.Context(), 7, "", ""); err != nil || !strings.HasSuffix(a.CodeVerifier.Reveal(), "~ours") {
		t.Errorf("linking again without user-supplied apps: verifier %q, error %v", a.CodeVerifier.Reveal(), err)
	}
	for clientID, want := range map[string]string{"": userApp.userApp, InstanceApps: "ours"} {
		a, err := s.Authorization(t.Context(), 7, clientID, "")
		if err != nil || !strings.HasSuffix(a.CodeVerifier.Reveal(), "~"+want) {
			t.Errorf("linking again with clientId %q does not use %s, error %v", clientID, want, err)
		}
	}
}

func TestAskSeat_RejectsInvalidAddresses(t *testing.T) {
	f := newFakeServices()
	o := Options{Apps: []App{{ID: "small", Seats: 5, Spotify: f}, {ID: "all", Spotify: f}}, Links: f, Seats: f, RedirectURLs: []string{redirectURL}, Now: time.Now}
	for _, invalid := range []songspy.Secret{"", "ann", "Ann <ann@example.org>", "a@b@c", "ann@example.org\r\nBcc: eve@example.org", "ann\u009b2J@example.org", songspy.Secret(strings.Repeat("a", 250) + "@b.cd")} {
		_, _, err := New(o).AskSeat(t.Context(), 7, invalid)
		if songspy.CodeOf(err) != songspy.CodeInvalid || f.seatEmail != "" || invalid != "" && strings.Contains(err.Error(), invalid.Reveal()) {
			t.Errorf("address %q: error %v", invalid.Reveal(), err)
		}
	}
	seat, ahead, err := New(o).AskSeat(t.Context(), 7, " ann@example.org ")
	if err != nil || f.seatEmail != "ann@example.org" || seat.UserID != 7 || ahead != 2 {
		t.Errorf("seat %+v with %d ahead, error %v", seat, ahead, err)
	}
	if a, err := New(o).Authorization(t.Context(), 7, "", ""); err != nil || a.Registered {
		t.Errorf("a user with a reserved seat counts as registered, or error %v", err)
	}
	o.Apps = o.Apps[1:]
	if _, _, err := New(o).AskSeat(t.Context(), 7, "ann@example.org"); songspy.ReasonOf(err) != "SPOTIFY_SEAT_NOT_NEEDED" {
		t.Errorf("with an app without a limit: error %v", err)
	}
}

func TestAskSeat_SucceedsIfTheSeatIsGivenUpMeanwhile(t *testing.T) {
	f := newFakeServices()
	f.seatGone = true
	s := New(Options{Apps: []App{{ID: "small", Seats: 5, Spotify: f}}, Links: f, Seats: f, Now: time.Now})
	// AskSeat must not return the CodeNotFound of Seat, which the API would report as an ended
	// session.
	if seat, _, err := s.AskSeat(t.Context(), 7, "ann@example.org"); err != nil || seat.State != songspy.SeatHeld {
		t.Errorf("seat %+v, error %v", seat, err)
	}
}

func TestLink_VerifierCannotMakeAnInstanceAppUserSupplied(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	f := newFakeServices()
	s := New(Options{
		Apps: []App{{ID: "first", Spotify: f}, {ID: id, Seats: 5, Spotify: f}}, Links: f, Seats: f, RedirectURLs: []string{redirectURL}, Now: time.Now,
		UserApp: func(string) Spotify { return f },
	})
	forged := songspy.Secret(attempt.NewSecret().Reveal() + verifierSeparator + songspy.UserApp(id))
	if _, err := s.Link(t.Context(), 7, songspy.AuthorizationCode{Code: "code", Verifier: forged}, false); err != nil || f.saved[0].App != "first" {
		t.Errorf("saved %+v, error %v", f.saved, err)
	}
	// A verifier was made when the app was still user-supplied, before the operator configured
	// it as an app of the instance. The link must use the instance's app, so its number of seats
	// applies.
	former := songspy.Secret(s.newVerifier(7, attempt.NewSecret().Reveal(), songspy.UserApp(id)))
	if _, err := s.Link(t.Context(), 7, songspy.AuthorizationCode{Code: "code", Verifier: former}, false); err != nil || f.saved[1].App != id || f.saved[1].Seats != 5 {
		t.Errorf("saved %+v, error %v", f.saved, err)
	}
	// Likewise for a user whose link is from the time when the app was user-supplied: the new
	// verifier must name the instance's app.
	f.userApp = songspy.UserApp(id)
	if a, err := s.Authorization(t.Context(), 7, "", ""); err != nil || !strings.HasSuffix(a.CodeVerifier.Reveal(), verifierSeparator+id) {
		t.Errorf("the verifier is %q, error %v", a.CodeVerifier.Reveal(), err)
	}
}

func TestAuthorization_WorksOnlyForItsUser(t *testing.T) {
	f := newFakeServices()
	key := []byte("a key that every replica has")
	serviceWith := func(keys ...[]byte) *Service {
		return New(Options{Apps: []App{{ID: "app", Spotify: f}}, Links: f, Seats: f, RedirectURLs: []string{redirectURL}, Keys: keys, Now: time.Now})
	}
	first, err := serviceWith(key).Authorization(t.Context(), 7, "", "")
	if err != nil {
		t.Fatal(err)
	}
	second, err := serviceWith(key).Authorization(t.Context(), 7, "", "")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		service  *Service
		user     songspy.UserID
		verifier songspy.Secret
		state    songspy.Secret
		ok       bool
	}{
		"the user":                           {serviceWith(key), 7, first.CodeVerifier, first.State, true},
		"the user, without state":            {serviceWith(key), 7, first.CodeVerifier, "", true},
		"another replica, a newer key":       {serviceWith([]byte("newer"), key), 7, first.CodeVerifier, first.State, true},
		"another user":                       {serviceWith(key), 8, first.CodeVerifier, first.State, false},
		"the state of another authorization": {serviceWith(key), 7, first.CodeVerifier, second.State, false},
		"a changed app":                      {serviceWith(key), 7, first.CodeVerifier + "2", first.State, false},
		"a key that was removed":             {serviceWith([]byte("newer")), 7, first.CodeVerifier, first.State, false},
		"a frontend's own verifier":          {serviceWith(key), 7, "its~own~verifier", "its-own-state", true},
	} {
		f.exchanged = nil
		_, err := c.service.Link(t.Context(), c.user, songspy.AuthorizationCode{Code: "code", Verifier: c.verifier, State: c.state}, false)
		if (err == nil) != c.ok || !c.ok && (songspy.ReasonOf(err) != "SPOTIFY_CODE_INVALID" || len(f.exchanged) > 0) {
			t.Errorf("%s: error %v, %d codes used", name, err, len(f.exchanged))
		}
	}
}
