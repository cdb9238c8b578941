package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-sim/sim"

	"github.com/songspy/songspy/songspy-api/internal/contracttest"
)

// authorization is what a frontend stores while the user is at Spotify to consent.
type authorization struct {
	URL, State, CodeVerifier, RedirectURI string
	Registered                            bool
}

func (w *testAPI) authorize(t *testing.T, user signedIn, query string) (to authorization, client string) {
	t.Helper()
	a := w.Call("GET", prefix+"/spotify-auth/url"+query, nil, user.bearer()...)
	w.wantStatus(t, a, 200, "")
	a.DecodeData(t, &to)
	u, err := url.Parse(to.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.secrets = append(w.secrets, to.CodeVerifier)
	return to, u.Query().Get("client_id")
}

// completeLink posts the code that Spotify returns after the user has consented.
func (w *testAPI) completeLink(person int, user signedIn, to authorization, client string) contracttest.Response {
	sum := sha256.Sum256([]byte(to.CodeVerifier))
	code := w.sim.SpotifyCode(person, sim.CodeOptions{
		ClientID: client, RedirectURI: to.RedirectURI, Challenge: base64.RawURLEncoding.EncodeToString(sum[:]),
	})
	w.secrets = append(w.secrets, code)
	return w.Call("POST", prefix+"/spotify-auth", map[string]any{"code": code, "redirectUri": to.RedirectURI, "codeVerifier": to.CodeVerifier}, user.bearer()...)
}

// runSeats returns what `songspy-api seats` prints.
func (w *testAPI) runSeats(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(context.WithoutCancel(t.Context()), append([]string{"seats"}, args...), w.env, &out, &errs); code != 0 {
		t.Fatalf("seats %v: code %d\n%s", args, code, errs.String())
	}
	return out.String()
}

func (w *testAPI) getLink(t *testing.T, user signedIn) (link struct {
	State, Task, ClientID string
	UserApp               bool
},
) {
	t.Helper()
	w.Call("GET", prefix+"/spotify-auth", nil, user.bearer()...).DecodeData(t, &link)
	return link
}

func TestLink_SaysUntilWhenSpotifyBlocksTheCallsOfTheApp(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, w *testAPI) {
		ann := w.signIn(t, 0)
		w.wantStatus(t, w.Call("POST", prefix+"/spotify-auth", map[string]any{"code": w.spotifyCode(0, "")}, ann.bearer()...), 200, "")
		now := time.Now().UTC().Truncate(time.Millisecond)
		for version, c := range []struct {
			data   breaker.SharedBreaker
			reason string // empty if the calls are not blocked
		}{
			{breaker.SharedBreaker{Cause: breaker.CauseQuota, OpenUntil: now.Add(time.Hour)}, "quota_exceeded"},
			{breaker.SharedBreaker{Cause: breaker.CauseRateLimited, OpenUntil: now.Add(2 * time.Hour)}, "rate_limited"},
			{breaker.SharedBreaker{Cause: breaker.CausePremiumRequired, OpenUntil: now.Add(3 * time.Hour)}, "app_refused"},
			{breaker.SharedBreaker{Cause: breaker.CauseForbidden, OpenUntil: now.Add(3 * time.Hour)}, "app_refused"},
			{breaker.SharedBreaker{Cause: breaker.CauseQuota, OpenUntil: now.Add(-time.Second)}, ""}, // half open
			{breaker.SharedBreaker{}, ""},
		} {
			c.data.Epoch = int64(version + 1)
			tokens := breaker.SharedBreaker{Cause: breaker.CauseRateLimited, OpenUntil: now.Add(time.Hour)} // this breaker blocks token calls only, and polls go on
			if stored, err := w.db.SwapBreakers(t.Context(), sim.SpotifyClientID, int64(version), breaker.SharedBreakers{Accounts: tokens, API: c.data}); err != nil || !stored {
				t.Fatalf("storing breaker %d: %v, %v", version, stored, err)
			}
			var link struct {
				Blocked *struct {
					Reason string
					Until  time.Time
				}
			}
			w.Call("GET", prefix+"/spotify-auth", nil, ann.bearer()...).DecodeData(t, &link)
			switch {
			case c.reason == "" && link.Blocked != nil, c.reason != "" && link.Blocked == nil:
				t.Errorf("%+v: the link has the block %+v", c.data, link.Blocked)
			case c.reason != "" && (link.Blocked.Reason != c.reason || !link.Blocked.Until.Equal(c.data.OpenUntil)):
				t.Errorf("%+v: the block is %+v, want %s", c.data, *link.Blocked, c.reason)
			}
		}
	})
}

// TestSeats_WaitingListSeatAndLink covers an instance with one Spotify app in development mode
// that has a single seat (a place for one user).
func TestSeats_WaitingListSeatAndLink(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, w *testAPI) {
		const address = "/spotify-auth/seat"
		ann, bob := w.signIn(t, 0), w.signIn(t, 1)
		seat := func(user signedIn) (s struct {
			State string
			Ahead int64
		},
		) {
			t.Helper()
			w.Call("GET", prefix+address, nil, user.bearer()...).DecodeData(t, &s)
			return s
		}
		request := func(user signedIn, email string) contracttest.Response {
			w.secrets = append(w.secrets, email)
			return w.Call("POST", prefix+address, map[string]string{"email": email}, user.bearer()...)
		}

		// Ann is not registered with the app: Spotify lets her consent, and then rejects calls for her.
		to, client := w.authorize(t, ann, "")
		if client != sim.DevelopmentClientID || to.Registered {
			t.Errorf("Ann's authorization is of app %s, registered: %v", client, to.Registered)
		}
		w.wantStatus(t, w.completeLink(0, ann, to, client), 403, "SPOTIFY_NOT_REGISTERED")
		if a := w.Call("GET", prefix+address, nil, ann.bearer()...); a.Status != 200 || string(a.Data) != "null" {
			t.Errorf("without a seat: status %d, %s", a.Status, a.Body)
		}
		w.wantStatus(t, w.Call("POST", prefix+address, map[string]string{"email": "ann@example.org", "phone": "1"}, ann.bearer()...), 400, "INVALID_REQUEST")
		w.wantStatus(t, request(ann, "ann at example"), 400, "INVALID_REQUEST")
		w.wantStatus(t, request(ann, "ann.seat@example.org"), 200, "")
		w.wantStatus(t, request(bob, "bob.seat@example.org"), 200, "")
		if a, b := seat(ann), seat(bob); a.State != "held" || b.State != "waiting" || b.Ahead != 0 {
			t.Errorf("Ann's seat is %+v, Bob's %+v", a, b)
		}
		w.wantStatus(t, w.Call("GET", prefix+"/spotify-auth/url", nil, bob.bearer()...), 409, "SPOTIFY_NO_SEAT")

		// The operator registers Ann.
		if output := w.runSeats(t); !strings.Contains(output, "ann.seat@example.org") || strings.Contains(output, "bob.seat@example.org") {
			t.Errorf("seats prints\n%s", output)
		}
		w.sim.RegisterWith(0, sim.DevelopmentClientID)
		if output := w.runSeats(t, "entered", "1"); output != "User 1 can link now.\n" {
			t.Errorf("seats entered prints %q", output)
		}
		if to, client = w.authorize(t, ann, ""); !to.Registered || seat(ann).State != "entered" {
			t.Errorf("after seats entered, Ann's seat is %+v, registered: %v", seat(ann), to.Registered)
		}
		w.wantStatus(t, w.completeLink(0, ann, to, client), 200, "")
		if a := w.Call("GET", prefix+address, nil, ann.bearer()...); a.Status != 200 || string(a.Data) != "null" {
			t.Errorf("without a seat: status %d, %s", a.Status, a.Body)
		}
		if link := w.getLink(t, ann); link.State != "active" || link.ClientID != sim.DevelopmentClientID || link.UserApp {
			t.Errorf("the link is %+v", link)
		}

		// When Ann unlinks, Bob must get the seat.
		w.wantStatus(t, w.Call("DELETE", prefix+"/spotify-auth", nil, ann.bearer()...), 200, "")
		if output := w.runSeats(t); !strings.Contains(output, "bob.seat@example.org") || seat(bob).State != "held" {
			t.Errorf("Bob's seat is %+v, and seats prints\n%s", seat(bob), output)
		}
		w.wantStatus(t, w.Call("DELETE", prefix+address, nil, bob.bearer()...), 200, "")
		w.wantStatus(t, w.Call("DELETE", prefix+address, nil, bob.bearer()...), 404, "SPOTIFY_SEAT_NOT_ASKED")
		if output := w.runSeats(t); !strings.Contains(output, "No user has to be registered.") {
			t.Errorf("seats prints\n%s", output)
		}
	}, "SONGSPY_SPOTIFY_CLIENT_ID", sim.DevelopmentClientID, "SONGSPY_SPOTIFY_CLIENT_SECRET", sim.DevelopmentClientSecret, "SONGSPY_SPOTIFY_SEATS", "1")
}

// TestLinking_IsCompletedWithoutANewCode covers a user who consents before the
// app's owner registers them. Once Spotify accepts the user, the stored pending grant (the
// tokens of the consent) must be enough to complete the link.
func TestLinking_IsCompletedWithoutANewCode(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, w *testAPI) {
		ann := w.signIn(t, 0)
		again := func() contracttest.Response {
			return w.Call("POST", prefix+"/spotify-auth", map[string]any{}, ann.bearer()...)
		}
		w.wantStatus(t, again(), 400, "SPOTIFY_CODE_INVALID")
		for _, body := range []string{"dashboard", "approved"} {
			end := w.sim.Fault(sim.Fault{Endpoint: "me", Person: 0, Kind: sim.NotRegistered, Body: body})
			to, client := w.authorize(t, ann, "")
			w.wantStatus(t, w.completeLink(0, ann, to, client), 403, "SPOTIFY_NOT_REGISTERED")
			w.wantStatus(t, again(), 403, "SPOTIFY_NOT_REGISTERED")
			var me struct{ HasSpotify bool }
			if w.Call("GET", prefix+"/me", nil, ann.bearer()...).DecodeData(t, &me); me.HasSpotify {
				t.Error("a pending grant counts as a link")
			}
			if link := w.getLink(t, ann); link.State != "not_registered" || link.Task != "ask_operator" {
				t.Errorf("the link is %+v", link)
			}
			stored, err := w.db.Link(t.Context(), ann.UserID)
			if err != nil {
				t.Fatal(err)
			}
			w.secrets = append(w.secrets, stored.AccessToken.Reveal(), stored.RefreshToken.Reveal())
			end()
			w.wantStatus(t, again(), 200, "")
			if link := w.getLink(t, ann); link.State != "active" {
				t.Errorf("the link is %+v", link)
			}
			w.wantStatus(t, w.Call("DELETE", prefix+"/spotify-auth", nil, ann.bearer()...), 200, "")
		}
	})
}

// TestLinking_OfAnUnregisteredUserSaysWhetherTheGrantWasStored covers two users that
// Spotify rejects as not registered. Ann already has a link: it must stay, and the new
// grant is not stored. Bob has none: his grant is stored as pending, and the answer must
// say that he need not sign in to Spotify again. Later Spotify revokes his grant, so he must
// have to link again.
func TestLinking_OfAnUnregisteredUserSaysWhetherTheGrantWasStored(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, w *testAPI) {
		ann, bob := w.signIn(t, 0), w.signIn(t, 1)
		to, client := w.authorize(t, ann, "")
		w.wantStatus(t, w.completeLink(0, ann, to, client), 200, "")
		reject := func(person int, user signedIn) contracttest.Response {
			end := w.sim.Fault(sim.Fault{Endpoint: "me", Person: person, Kind: sim.NotRegistered, Body: "dashboard"})
			defer end()
			to, client := w.authorize(t, user, "")
			answer := w.completeLink(person, user, to, client)
			w.wantStatus(t, answer, 403, "SPOTIFY_NOT_REGISTERED")
			return answer
		}
		const promise = "you do not need to sign in to Spotify again"
		if a := reject(0, ann); strings.Contains(a.Error.Message, promise) || w.getLink(t, ann).State != "active" {
			t.Errorf("with a link: %q, and the link is %+v", a.Error.Message, w.getLink(t, ann))
		}
		if a := reject(1, bob); !strings.Contains(a.Error.Message, promise) || w.getLink(t, bob).State != "not_registered" {
			t.Errorf("without a link: %q, and the link is %+v", a.Error.Message, w.getLink(t, bob))
		}
		stored, err := w.db.UpdateLink(t.Context(), bob.UserID, func(l *songspy.Link) error {
			l.AccessExpiresAt = l.AuthorizedAt
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w.secrets = append(w.secrets, stored.AccessToken.Reveal(), stored.RefreshToken.Reveal())
		w.sim.Revoke(1)
		w.wantStatus(t, w.Call("POST", prefix+"/spotify-auth", map[string]any{}, bob.bearer()...), 400, "SPOTIFY_CODE_INVALID")
		if link := w.getLink(t, bob); link.State != "reauth_required" || link.Task != "relink" {
			t.Errorf("after Spotify revoked the grant, the link is %+v", link)
		}
	})
}

func TestUserApps_LinkWithTheirClientIDOnly(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, w *testAPI) {
		ann := w.signIn(t, 0)
		w.wantStatus(t, w.Call("GET", prefix+"/spotify-auth/url?clientId=unknown", nil, ann.bearer()...), 400, "INVALID_REQUEST")
		unknown, _ := w.authorize(t, ann, "?clientId="+strings.Repeat("f", 32))
		w.wantStatus(t, w.completeLink(0, ann, unknown, sim.UserAppClientID), 400, "SPOTIFY_USER_APP_REFUSED")

		to, client := w.authorize(t, ann, "?clientId="+sim.UserAppClientID)
		if client != sim.UserAppClientID || !to.Registered {
			t.Errorf("the authorization is of app %s, registered: %v", client, to.Registered)
		}
		w.wantStatus(t, w.completeLink(0, ann, to, client), 200, "")
		if link := w.getLink(t, ann); link.State != "active" || link.ClientID != sim.UserAppClientID || !link.UserApp {
			t.Errorf("the link is %+v", link)
		}
		stored, err := w.db.Link(t.Context(), ann.UserID)
		if err != nil || stored.AuthMethod != songspy.AuthPKCE {
			t.Errorf("the stored auth method is %s, error %v", stored.AuthMethod, err)
		}
		// Linking again uses the same app. The client ID "ours" selects an app of the instance.
		if _, client := w.authorize(t, ann, ""); client != sim.UserAppClientID {
			t.Errorf("linking again uses %s", client)
		}
		to, client = w.authorize(t, ann, "?clientId=ours")
		if client != sim.SpotifyClientID {
			t.Errorf("linking with clientId=ours uses %s", client)
		}
		w.wantStatus(t, w.completeLink(0, ann, to, client), 200, "")
		if link := w.getLink(t, ann); link.UserApp {
			t.Errorf("the link is %+v", link)
		}
		w.wantStatus(t, w.Call("POST", prefix+"/spotify-auth/seat", map[string]string{"email": "ann@example.org"}, ann.bearer()...), 409, "SPOTIFY_SEAT_NOT_NEEDED")
	})
}

func TestLinking_IsRateLimited(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite, "SONGSPY_SIGN_INS_PER_MINUTE", "3")
	user := w.signIn(t, 0)
	forge := func(n string) contracttest.Response {
		// The forged verifier holds the name of a user-supplied app, but without the MAC that a
		// verifier needs to select an app. So the instance's first app makes the call.
		verifier := strings.Repeat("v", 43) + "~" + songspy.UserApp(strings.Repeat(n, 32))
		return w.Call("POST", prefix+"/spotify-auth", map[string]any{"code": "none", "codeVerifier": verifier}, user.bearer()...)
	}
	for _, n := range []string{"1", "2"} {
		w.wantStatus(t, forge(n), 400, "SPOTIFY_CODE_INVALID") // a forged verifier names no app
	}
	if a := forge("3"); a.ErrorCode() != "RATE_LIMITED" || a.Header.Get("Retry-After") == "" {
		t.Errorf("the fourth request in a minute: status %d, %s", a.Status, a.Body)
	}
}
