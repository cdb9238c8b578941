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
)

const registered = "https://fe.test/callback"

// fake is Spotify and the links.
type fake struct {
	closed, exchange, account error
	full                      error // no app admits anybody
	scope                     string
	refresh                   songspy.Secret
	spent                     func()         // happens while the code is spent
	brought                   string         // the app of the person's link, if they brought it
	asked                     songspy.Secret // the address that a seat was asked for with
	left                      bool           // the seat is given up as soon as it was asked for
	redeemed                  []Redemption
	saved, kept               []NewLink
	link                      *songspy.Link // what is kept; nil: nothing
	keep                      error         // why no grant can be kept
	refused                   func()        // happens while the token is renewed
	renewed                   songspy.Grant
	renewals                  int
	named                     func() // happens once Spotify has said whose account it is
}

func (f *fake) KeepGrant(_ context.Context, n NewLink) (songspy.Link, error) {
	if err := f.unchanged(n); err != nil {
		return songspy.Link{}, err
	}
	if f.keep != nil {
		return songspy.Link{}, f.keep
	}
	if f.link != nil && f.link.AccountKnown() {
		return *f.link, nil
	}
	f.kept = append(f.kept, n)
	f.link = &songspy.Link{
		UserID: n.UserID, App: n.App, State: songspy.LinkNotRegistered, AuthorizedAt: n.At, Scope: n.Grant.Scope,
		AccessToken: n.Grant.AccessToken, RefreshToken: n.Grant.RefreshToken, AccessExpiresAt: n.Grant.ExpiresAt,
		Version: int64(len(f.kept)),
	}
	return *f.link, nil
}

// unchanged fails if the link is no longer the one that must be there.
func (f *fake) unchanged(n NewLink) error {
	if n.IfVersion != 0 && (f.link == nil || f.link.Version != n.IfVersion) {
		return &songspy.Error{Code: songspy.CodeGone}
	}
	return nil
}

func (f *fake) Link(context.Context, songspy.UserID) (songspy.Link, error) {
	if f.link == nil {
		return songspy.Link{}, &songspy.Error{Code: songspy.CodeNotFound}
	}
	return *f.link, nil
}

func (f *fake) UpdateLink(_ context.Context, _ songspy.UserID, change func(*songspy.Link) error) (songspy.Link, error) {
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

func (f *fake) Refresh(context.Context, songspy.Link) (songspy.Grant, error) {
	f.renewals++
	if f.refused != nil {
		f.refused()
	}
	if f.renewed.AccessToken == "" {
		return songspy.Grant{}, &songspy.Error{Disposition: songspy.DispositionNeedsPerson}
	}
	return f.renewed, nil
}

func (f *fake) Ready(context.Context) error { return f.closed }

func (f *fake) AuthorizeURL(state, challenge, redirectURI string) string {
	return "https://accounts.test/authorize?" + url.Values{"state": {state}, "code_challenge": {challenge}, "redirect_uri": {redirectURI}}.Encode()
}

func (f *fake) Exchange(_ context.Context, r Redemption) (songspy.Grant, error) {
	f.redeemed = append(f.redeemed, r)
	if f.spent != nil {
		f.spent()
	}
	return songspy.Grant{AccessToken: "access", RefreshToken: f.refresh, Scope: f.scope}, f.exchange
}

func (f *fake) Account(ctx context.Context, _ songspy.Secret) (songspy.Account, error) {
	if f.named != nil {
		f.named()
	}
	return songspy.Account{AccountID: "acc"}, errors.Join(f.account, ctx.Err())
}

func (f *fake) SaveLink(ctx context.Context, n NewLink) (songspy.Link, error) {
	if ctx.Err() != nil {
		return songspy.Link{}, ctx.Err()
	}
	if err := f.unchanged(n); err != nil {
		return songspy.Link{}, err
	}
	f.saved = append(f.saved, n)
	return songspy.Link{UserID: n.UserID}, nil
}

func (f *fake) ChooseApp(_ context.Context, _ songspy.UserID, seats []songspy.AppSeats, own bool) (string, bool, error) {
	if own && f.brought != "" {
		return f.brought, true, nil
	}
	return seats[len(seats)-1].App, f.asked == "", f.full
}

func (f *fake) Seat(_ context.Context, user songspy.UserID) (songspy.Seat, int64, error) {
	if f.left {
		return songspy.Seat{}, 0, &songspy.Error{Code: songspy.CodeNotFound, Reason: "SPOTIFY_SEAT_NOT_ASKED"}
	}
	return songspy.Seat{UserID: user, State: songspy.SeatWaiting}, 2, nil
}

func (f *fake) AskSeat(_ context.Context, _ songspy.UserID, email songspy.Secret, _ []songspy.AppSeats) (songspy.Seat, error) {
	f.asked = email
	return songspy.Seat{State: songspy.SeatHeld}, nil
}

func (f *fake) LeaveSeat(context.Context, songspy.UserID) error { return nil }

func newFake() *fake {
	return &fake{scope: strings.Join(songspy.NeededScopes(), " "), refresh: "refresh"}
}

func service(f *fake, anyLoopback bool) *Service {
	return New(Options{Apps: []App{{ID: "app", Spotify: f}}, Links: f, Seats: f, RedirectURLs: []string{registered}, AnyLoopback: anyLoopback, Now: time.Now})
}

func TestLink_StoresWhatTheCodeGave(t *testing.T) {
	f := newFake()
	_, err := service(f, false).Link(t.Context(), 7, Redemption{Code: "code", Verifier: "verifier"}, true)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.redeemed[0]; got.RedirectURI != registered || got.Verifier != "verifier" {
		t.Errorf("redeemed %+v", got)
	}
	if got := f.saved[0]; got.UserID != 7 || got.App != "app" || got.Account.AccountID != "acc" || got.Grant.RefreshToken != "refresh" || !got.Move || got.At.IsZero() {
		t.Errorf("saved %+v", got)
	}
}

func TestLink_RefusesAndStoresNothing(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fake)
		code   songspy.Secret
		uri    string
		want   string
		kind   songspy.Code
		spent  bool
	}{
		"no code":          {code: "", want: "SPOTIFY_CODE_INVALID", kind: songspy.CodeInvalid},
		"unknown redirect": {code: "c", uri: "https://evil.test", want: "INVALID_REQUEST", kind: songspy.CodeInvalid},
		"loopback":         {code: "c", uri: "http://127.0.0.1:3000/callback", want: "INVALID_REQUEST", kind: songspy.CodeInvalid},
		"closed door":      {code: "c", change: func(f *fake) { f.closed = &songspy.Error{Code: songspy.CodeUnavailable} }, want: "SPOTIFY_UNAVAILABLE", kind: songspy.CodeUnavailable},
		"a spent code":     {code: "c", change: func(f *fake) { f.exchange = &songspy.Error{Code: songspy.CodeInvalid, Reason: "SPOTIFY_CODE_INVALID"} }, want: "SPOTIFY_CODE_INVALID", kind: songspy.CodeInvalid, spent: true},
		"a wrong secret": {code: "c", change: func(f *fake) {
			f.exchange = &songspy.Error{Code: songspy.CodeUnavailable, Reason: "SPOTIFY_APP_REFUSED", RetryAfter: time.Minute}
		}, want: "SPOTIFY_APP_REFUSED", kind: songspy.CodeUnavailable, spent: true},
		"an outage":         {code: "c", change: func(f *fake) { f.exchange = errors.New("reset") }, want: "SPOTIFY_UNAVAILABLE", kind: songspy.CodeUnavailable, spent: true},
		"a scope too few":   {code: "c", change: func(f *fake) { f.scope = songspy.ScopeCurrentlyPlaying }, want: "SPOTIFY_SCOPES_MISSING", kind: songspy.CodeUnprocessable, spent: true},
		"nothing to renew":  {code: "c", change: func(f *fake) { f.refresh = "" }, want: "SPOTIFY_UNAVAILABLE", kind: songspy.CodeUnavailable, spent: true},
		"not registered":    {code: "c", change: func(f *fake) { f.account = &songspy.Error{Disposition: songspy.DispositionNotRegistered} }, want: "SPOTIFY_NOT_REGISTERED", kind: songspy.CodeForbidden, spent: true},
		"nobody answers":    {code: "c", change: func(f *fake) { f.account = &songspy.Error{Code: songspy.CodeUnauthorized} }, want: "SPOTIFY_UNAVAILABLE", kind: songspy.CodeUnavailable, spent: true},
		"the app is paused": {code: "c", change: func(f *fake) { f.account = &songspy.Error{Code: songspy.CodeUnavailable, RetryAfter: time.Hour} }, want: "SPOTIFY_UNAVAILABLE", kind: songspy.CodeUnavailable, spent: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			if c.change != nil {
				c.change(f)
			}
			_, err := service(f, false).Link(t.Context(), 7, Redemption{Code: c.code, RedirectURI: c.uri}, false)
			if songspy.ReasonOf(err) != c.want || songspy.CodeOf(err) != c.kind {
				t.Errorf("%v, want %s", err, c.want)
			}
			if c.kind == songspy.CodeUnavailable && songspy.RetryAfterOf(err) == 0 {
				t.Error("it does not say when to try again")
			}
			if spent := len(f.redeemed) > 0; spent != c.spent || len(f.saved) > 0 {
				t.Errorf("code spent: %v, saved: %d", spent, len(f.saved))
			}
		})
	}
}

func TestLink_IsCompletedWithoutANewCodeOnceTheAppKnowsTheUser(t *testing.T) {
	for name, d := range map[string]songspy.Disposition{"known words": songspy.DispositionNotRegistered, "unknown words": songspy.DispositionRefused} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			s := service(f, false)
			f.account = &songspy.Error{Disposition: d}
			for _, code := range []songspy.Secret{"code", ""} { // and a retry that comes too early
				if _, err := s.Link(t.Context(), 7, Redemption{Code: code}, false); songspy.ReasonOf(err) != "SPOTIFY_NOT_REGISTERED" {
					t.Fatalf("%q: %v", code, err)
				}
				f.link.AccessExpiresAt = time.Now().Add(time.Hour)
			}
			if f.account = nil; f.kept[0].Grant.RefreshToken != "refresh" || len(f.redeemed) != 1 {
				t.Fatalf("kept %+v, %d codes spent", f.kept, len(f.redeemed))
			}
			if _, err := s.Link(t.Context(), 7, Redemption{}, true); err != nil {
				t.Fatal(err)
			}
			if got := f.saved[0]; got.App != "app" || got.Account.AccountID != "acc" || got.Grant.RefreshToken != "refresh" || !got.Move || !got.At.Equal(f.kept[0].At) {
				t.Errorf("saved %+v", got)
			}
			if len(f.redeemed) != 1 || f.renewals != 0 {
				t.Errorf("%d codes spent, %d renewals", len(f.redeemed), f.renewals)
			}
		})
	}
}

func TestLink_ReportsWhetherTheGrantOfAnUnregisteredUserWasKept(t *testing.T) {
	account := "acc"
	for name, c := range map[string]struct {
		link *songspy.Link
		keep error
		kept bool
	}{
		"no link yet":                 {kept: true},
		"a grant that was kept":       {link: &songspy.Link{App: "app", State: songspy.LinkNotRegistered, Version: 1}, kept: true},
		"an active link":              {link: &songspy.Link{App: "app", State: songspy.LinkActive, AccountID: &account, Version: 1}},
		"a broken link":               {link: &songspy.Link{App: "app", State: songspy.LinkReauthRequired, AccountID: &account, Version: 1}},
		"a link that is refused":      {link: &songspy.Link{App: "app", State: songspy.LinkNotRegistered, AccountID: &account, Version: 1}},
		"a database that is disabled": {keep: &songspy.Error{Code: songspy.CodeUnavailable}},
	} {
		f := newFake()
		f.account, f.link, f.keep = &songspy.Error{Disposition: songspy.DispositionNotRegistered}, c.link, c.keep
		_, err := service(f, false).Link(t.Context(), 7, Redemption{Code: "code"}, false)
		if kept := !errors.Is(err, ErrNotKept); songspy.ReasonOf(err) != "SPOTIFY_NOT_REGISTERED" || kept != c.kept || (len(f.kept) > 0) != c.kept {
			t.Errorf("%s: %v; reported as kept: %v, kept %+v", name, err, kept, f.kept)
		}
	}
}

func TestLink_AsksTheUserOnceAKeptGrantIsRevoked(t *testing.T) {
	account := "other"
	newer := &songspy.Link{App: "app", State: songspy.LinkActive, AccountID: &account, Version: 9}
	for name, c := range map[string]struct {
		meanwhile func(*fake)
		want      *songspy.LinkState
	}{
		"nothing else happens": {func(*fake) {}, new(songspy.LinkReauthRequired)},
		"linked meanwhile":     {func(f *fake) { f.link = newer }, new(songspy.LinkActive)},
		"kept anew meanwhile":  {func(f *fake) { f.link = &songspy.Link{State: songspy.LinkNotRegistered, Version: 9} }, new(songspy.LinkNotRegistered)},
		"unlinked meanwhile":   {func(f *fake) { f.link = nil }, nil},
	} {
		f := newFake()
		f.link = &songspy.Link{App: "app", State: songspy.LinkNotRegistered, Version: 1} // its access token is dead
		f.refused = func() { c.meanwhile(f) }
		_, err := service(f, false).Link(t.Context(), 7, Redemption{}, false)
		if songspy.ReasonOf(err) != "SPOTIFY_CODE_INVALID" || len(f.saved) > 0 {
			t.Errorf("%s: %v, saved %+v", name, err, f.saved)
		}
		if (f.link == nil) != (c.want == nil) || f.link != nil && f.link.State != *c.want {
			t.Errorf("%s: the link is %+v", name, f.link)
		}
	}
}

func TestLink_CompletesWithARenewedTokenAndKeepsWhatRotated(t *testing.T) {
	f := newFake()
	s := service(f, false)
	f.account = &songspy.Error{Disposition: songspy.DispositionNotRegistered}
	_, _ = s.Link(t.Context(), 7, Redemption{Code: "code"}, false) // its access token is dead by now
	f.account = nil
	if _, err := s.Link(t.Context(), 7, Redemption{}, false); songspy.ReasonOf(err) != "SPOTIFY_CODE_INVALID" {
		t.Fatalf("with a refused refresh token: %v", err)
	}
	f.link.State = songspy.LinkNotRegistered // and with one that is accepted
	f.renewed = songspy.Grant{AccessToken: "access 2", RefreshToken: "refresh 2", ExpiresAt: time.Now().Add(time.Hour)}
	if _, err := s.Link(t.Context(), 7, Redemption{}, false); err != nil {
		t.Fatal(err)
	}
	if got := f.saved[0].Grant; got.AccessToken != "access 2" || got.RefreshToken != "refresh 2" || f.link.RefreshToken != "refresh 2" {
		t.Errorf("saved %+v, kept %+v", got, f.link)
	}
}

func TestLink_WithoutACodeStoresNothingIfTheLinkChangedMeanwhile(t *testing.T) {
	account := "other"
	for name, d := range map[string]songspy.Disposition{"the app knows the user": songspy.DispositionNone, "the app does not": songspy.DispositionNotRegistered} {
		for meanwhile, link := range map[string]*songspy.Link{
			"unlinked": nil, "linked again": {App: "app", State: songspy.LinkActive, AccountID: &account, Version: 9},
		} {
			f := newFake()
			s := service(f, false)
			f.account = &songspy.Error{Disposition: songspy.DispositionNotRegistered}
			_, _ = s.Link(t.Context(), 7, Redemption{Code: "code"}, false)
			if f.account = nil; d != songspy.DispositionNone {
				f.account = &songspy.Error{Disposition: d}
			}
			f.renewed = songspy.Grant{AccessToken: "access 2", RefreshToken: "refresh 2", ExpiresAt: time.Now().Add(time.Hour)}
			f.named = func() { f.link = link }
			_, err := s.Link(t.Context(), 7, Redemption{}, false)
			if songspy.ReasonOf(err) != "SPOTIFY_CODE_INVALID" || len(f.saved) > 0 || f.link != link {
				t.Errorf("%s, %s: %v, saved %+v, the link is %+v", name, meanwhile, err, f.saved, f.link)
			}
		}
	}
}

func TestLink_WithoutACodeNeedsAGrantThatWaits(t *testing.T) {
	account := "acc"
	for name, link := range map[string]*songspy.Link{
		"none": nil, "an active link": {App: "app", State: songspy.LinkActive, AccountID: &account},
		"a link that is refused later": {App: "app", State: songspy.LinkNotRegistered, AccountID: &account},
		"an app that is gone":          {App: "former", State: songspy.LinkNotRegistered},
	} {
		f := newFake()
		f.link = link
		if _, err := service(f, false).Link(t.Context(), 7, Redemption{}, false); songspy.ReasonOf(err) != "SPOTIFY_CODE_INVALID" || len(f.saved) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLink_IsFinishedThoughWhoeverAskedHasGone(t *testing.T) {
	f := newFake()
	ctx, leave := context.WithCancel(t.Context())
	f.spent = leave
	if _, err := service(f, false).Link(ctx, 7, Redemption{Code: "c"}, false); err != nil || len(f.saved) != 1 {
		t.Errorf("the code is spent and %d links are saved, %v", len(f.saved), err)
	}
}

func TestLink_NamesTheMissingScopes(t *testing.T) {
	f := newFake()
	f.scope = songspy.ScopeCurrentlyPlaying
	_, err := service(f, false).Link(t.Context(), 7, Redemption{Code: "c"}, false)
	if missing, ok := errors.AsType[MissingScopes](err); !ok || missing.Detail() != songspy.ScopeRecentlyPlayed {
		t.Errorf("%v", err)
	}
}

func TestAuthorization_GivesAChallengeThatFitsItsVerifier(t *testing.T) {
	a, err := service(newFake(), false).Authorization(t.Context(), 7, "", "")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(a.URL)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(a.CodeVerifier.Reveal()))
	if q := u.Query(); q.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) || q.Get("state") != a.State.Reveal() || q.Get("redirect_uri") != registered {
		t.Errorf("authorize %s, keep %+v", a.URL, a)
	}
	if n := len(a.CodeVerifier.Reveal()); n < 43 || n > 128 {
		t.Errorf("the verifier has %d characters", n)
	}
	b, _ := service(newFake(), false).Authorization(t.Context(), 7, "", "")
	if a.State == b.State || a.CodeVerifier == b.CodeVerifier {
		t.Error("two authorizations are alike")
	}
}

func TestAuthorization_LetsAnyLoopbackPassInDevelopmentAlone(t *testing.T) {
	for uri, loopback := range map[string]bool{
		"http://127.0.0.1:3000/callback": true,
		"http://[::1]:3000/":             true,
		"http://localhost:3000/":         false, // Spotify refuses the name
		"https://127.0.0.1/":             false,
		"http://10.0.0.1/":               false,
		"http://127.0.0.1.evil.test/":    false,
		"http://evil@127.0.0.1/":         false,
		"javascript:alert(1)":            false,
		"://":                            false,
	} {
		if _, err := service(newFake(), true).Authorization(t.Context(), 7, "", uri); (err == nil) != loopback {
			t.Errorf("%s in development: %v", uri, err)
		}
		if _, err := service(newFake(), false).Authorization(t.Context(), 7, "", uri); err == nil {
			t.Errorf("%s passed in production", uri)
		}
	}
}

func TestAuthorization_NeedsARedirect(t *testing.T) {
	s := New(Options{Now: time.Now})
	if _, err := s.Authorization(t.Context(), 7, "", ""); songspy.CodeOf(err) != songspy.CodeInvalid {
		t.Errorf("%v", err)
	}
}

func TestLinking_GoesThroughAnAppWithAFreeSeat(t *testing.T) {
	first, second := newFake(), newFake()
	s := New(Options{
		Apps: []App{{ID: "full", Seats: 5, Spotify: first}, {ID: "free", Seats: 5, Spotify: second}}, Links: second, Seats: second,
		RedirectURLs: []string{registered}, Now: time.Now,
	})
	a, err := s.Authorization(t.Context(), 7, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(a.CodeVerifier.Reveal()); n < 43 || n > 128 {
		t.Errorf("the verifier has %d characters", n)
	}
	if _, err := s.Link(t.Context(), 7, Redemption{Code: "code", Verifier: a.CodeVerifier}, false); err != nil {
		t.Fatal(err)
	}
	if len(first.redeemed) > 0 || len(second.redeemed) != 1 || second.saved[0].App != "free" || second.saved[0].Seats != 5 {
		t.Errorf("the code went to %+v, and %+v was saved", first.redeemed, second.saved)
	}
	// A frontend that builds the authorization itself knows of the first app alone.
	if _, err := s.Link(t.Context(), 7, Redemption{Code: "code", Verifier: "its-own"}, false); err != nil || len(first.redeemed) != 1 {
		t.Errorf("%v: %+v", err, first.redeemed)
	}
	second.full = &songspy.Error{Code: songspy.CodeConflict, Reason: "SPOTIFY_NO_SEAT"}
	if _, err := s.Authorization(t.Context(), 8, "", ""); songspy.ReasonOf(err) != "SPOTIFY_NO_SEAT" {
		t.Errorf("without a free seat: %v", err)
	}
}

func TestLinking_GoesThroughAnAppThatThePersonBrought(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	ours, own := newFake(), newFake()
	o := Options{Apps: []App{{ID: "ours", Seats: 5, Spotify: ours}}, Links: own, Seats: own, RedirectURLs: []string{registered}, Now: time.Now}
	if _, err := New(o).Authorization(t.Context(), 7, id, ""); songspy.ReasonOf(err) != "SPOTIFY_OWN_APPS_OFF" {
		t.Errorf("where nobody may bring one: %v", err)
	}
	o.Own = func(clientID string) Spotify {
		if clientID != id {
			t.Errorf("asked for the app %q", clientID)
		}
		return own
	}
	s := New(o)
	for _, nonsense := range []string{"ABCDEF", id + "0", "../" + id[3:]} {
		if _, err := s.Authorization(t.Context(), 7, nonsense, ""); songspy.CodeOf(err) != songspy.CodeInvalid {
			t.Errorf("%q: %v", nonsense, err)
		}
	}
	a, err := s.Authorization(t.Context(), 7, id, "")
	if err != nil || !a.Registered {
		t.Fatalf("%+v, %v", a, err)
	}
	if n := len(a.CodeVerifier.Reveal()); n > 128 {
		t.Errorf("the verifier has %d characters", n)
	}
	if _, err := s.Link(t.Context(), 7, Redemption{Code: "code", Verifier: a.CodeVerifier}, false); err != nil {
		t.Fatal(err)
	}
	if len(ours.redeemed) > 0 || len(own.redeemed) != 1 || own.saved[0].App != songspy.OwnApp(id) || own.saved[0].Seats != 0 {
		t.Errorf("the code went to %+v, and %+v was saved", ours.redeemed, own.saved)
	}
	own.brought = songspy.OwnApp(id)
	off := o
	off.Own = nil
	if a, err := New(off).Authorization(t.Context(), 7, "", ""); err != nil || !strings.HasSuffix(a.CodeVerifier.Reveal(), "~ours") {
		t.Errorf("linking anew where apps are not brought any more: %q, %v", a.CodeVerifier.Reveal(), err)
	}
	for clientID, want := range map[string]string{"": own.brought, Ours: "ours"} {
		a, err := s.Authorization(t.Context(), 7, clientID, "")
		if err != nil || !strings.HasSuffix(a.CodeVerifier.Reveal(), "~"+want) {
			t.Errorf("linking anew with clientId %q is not through %s, %v", clientID, want, err)
		}
	}
}

func TestASeatIsAskedForWithABareAddress(t *testing.T) {
	f := newFake()
	o := Options{Apps: []App{{ID: "small", Seats: 5, Spotify: f}, {ID: "all", Spotify: f}}, Links: f, Seats: f, RedirectURLs: []string{registered}, Now: time.Now}
	for _, nonsense := range []songspy.Secret{"", "ann", "Ann <ann@example.org>", "a@b@c", "ann@example.org\r\nBcc: eve@example.org", "ann\u009b2J@example.org", songspy.Secret(strings.Repeat("a", 250) + "@b.cd")} {
		_, _, err := New(o).AskSeat(t.Context(), 7, nonsense)
		if songspy.CodeOf(err) != songspy.CodeInvalid || f.asked != "" || nonsense != "" && strings.Contains(err.Error(), nonsense.Reveal()) {
			t.Errorf("%v", err)
		}
	}
	seat, ahead, err := New(o).AskSeat(t.Context(), 7, " ann@example.org ")
	if err != nil || f.asked != "ann@example.org" || seat.UserID != 7 || ahead != 2 {
		t.Errorf("%+v after %d, %v", seat, ahead, err)
	}
	if a, err := New(o).Authorization(t.Context(), 7, "", ""); err != nil || a.Registered {
		t.Errorf("somebody whom the operator has to enter is registered: %v", err)
	}
	o.Apps = o.Apps[1:]
	if _, _, err := New(o).AskSeat(t.Context(), 7, "ann@example.org"); songspy.ReasonOf(err) != "SPOTIFY_SEAT_NOT_NEEDED" {
		t.Errorf("where everybody is admitted: %v", err)
	}
}

func TestASeatThatIsGivenUpWhileItIsAskedForIsNoFault(t *testing.T) {
	f := newFake()
	f.left = true
	s := New(Options{Apps: []App{{ID: "small", Seats: 5, Spotify: f}}, Links: f, Seats: f, Now: time.Now})
	// What is not found would be taken for a person who is gone.
	if seat, _, err := s.AskSeat(t.Context(), 7, "ann@example.org"); err != nil || seat.State != songspy.SeatHeld {
		t.Errorf("%+v, %v", seat, err)
	}
}

func TestAVerifierCannotCallAnAppOfTheInstanceSomebodysOwn(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	f := newFake()
	s := New(Options{
		Apps: []App{{ID: "first", Spotify: f}, {ID: id, Seats: 5, Spotify: f}}, Links: f, Seats: f, RedirectURLs: []string{registered}, Now: time.Now,
		Own: func(string) Spotify { return f },
	})
	forged := songspy.Secret(random() + appMark + songspy.OwnApp(id))
	if _, err := s.Link(t.Context(), 7, Redemption{Code: "code", Verifier: forged}, false); err != nil || f.saved[0].App != "first" {
		t.Errorf("saved %+v, %v", f.saved, err)
	}
	// One that was made before the operator took the app for the instance's has its seats.
	former := songspy.Secret(s.bindVerifier(7, random(), songspy.OwnApp(id)))
	if _, err := s.Link(t.Context(), 7, Redemption{Code: "code", Verifier: former}, false); err != nil || f.saved[1].App != id || f.saved[1].Seats != 5 {
		t.Errorf("saved %+v, %v", f.saved, err)
	}
	// Nor does a link from before the operator took the app for the instance's.
	f.brought = songspy.OwnApp(id)
	if a, err := s.Authorization(t.Context(), 7, "", ""); err != nil || !strings.HasSuffix(a.CodeVerifier.Reveal(), appMark+id) {
		t.Errorf("the verifier is %q, %v", a.CodeVerifier.Reveal(), err)
	}
}

func TestAnAuthorizationWorksForTheUserThatBeganItAlone(t *testing.T) {
	f := newFake()
	key := []byte("a key that every replica has")
	serviceWith := func(keys ...[]byte) *Service {
		return New(Options{Apps: []App{{ID: "app", Spotify: f}}, Links: f, Seats: f, RedirectURLs: []string{registered}, Keys: keys, Now: time.Now})
	}
	begun, err := serviceWith(key).Authorization(t.Context(), 7, "", "")
	if err != nil {
		t.Fatal(err)
	}
	again, err := serviceWith(key).Authorization(t.Context(), 7, "", "")
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
		"the user":                       {serviceWith(key), 7, begun.CodeVerifier, begun.State, true},
		"the user, without state":        {serviceWith(key), 7, begun.CodeVerifier, "", true},
		"another replica, a newer key":   {serviceWith([]byte("newer"), key), 7, begun.CodeVerifier, begun.State, true},
		"another user":                   {serviceWith(key), 8, begun.CodeVerifier, begun.State, false},
		"the state of another beginning": {serviceWith(key), 7, begun.CodeVerifier, again.State, false},
		"a changed app":                  {serviceWith(key), 7, begun.CodeVerifier + "2", begun.State, false},
		"a key that is gone":             {serviceWith([]byte("newer")), 7, begun.CodeVerifier, begun.State, false},
		"a frontend's own verifier":      {serviceWith(key), 7, "its~own~verifier", "its-own-state", true},
	} {
		f.redeemed = nil
		_, err := c.service.Link(t.Context(), c.user, Redemption{Code: "code", Verifier: c.verifier, State: c.state}, false)
		if (err == nil) != c.ok || !c.ok && (songspy.ReasonOf(err) != "SPOTIFY_CODE_INVALID" || len(f.redeemed) > 0) {
			t.Errorf("%s: %v, %d codes spent", name, err, len(f.redeemed))
		}
	}
}
