package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-sim/sim"

	"github.com/songspy/songspy/songspy-api/internal/contracttest"
)

// authorization is what a frontend keeps between sending somebody to Spotify
// and their coming back.
type authorization struct {
	URL, State, CodeVerifier, RedirectURI string
	Registered                            bool
}

func (w *testAPI) authorize(t *testing.T, who signedIn, query string) (to authorization, client string) {
	t.Helper()
	a := w.Call("GET", prefix+"/spotify-auth/url"+query, nil, who.bearer()...)
	w.wantStatus(t, a, 200, "")
	a.DecodeData(t, &to)
	u, err := url.Parse(to.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.secrets = append(w.secrets, to.CodeVerifier)
	return to, u.Query().Get("client_id")
}

// comeBack links somebody who has allowed it.
func (w *testAPI) completeLink(person int, who signedIn, to authorization, client string) contracttest.Response {
	sum := sha256.Sum256([]byte(to.CodeVerifier))
	code := w.sim.SpotifyCode(person, sim.CodeOptions{
		ClientID: client, RedirectURI: to.RedirectURI, Challenge: base64.RawURLEncoding.EncodeToString(sum[:]),
	})
	w.secrets = append(w.secrets, code)
	return w.Call("POST", prefix+"/spotify-auth", map[string]any{"code": code, "redirectUri": to.RedirectURI, "codeVerifier": to.CodeVerifier}, who.bearer()...)
}

// desk is what the operator's command prints.
func (w *testAPI) runSeats(t *testing.T, args ...string) string {
	t.Helper()
	var out, faults bytes.Buffer
	if code := run(context.WithoutCancel(t.Context()), append([]string{"seats"}, args...), w.env, &out, &faults); code != 0 {
		t.Fatalf("seats %v: %d\n%s", args, code, faults.String())
	}
	return out.String()
}

func (w *testAPI) getLink(t *testing.T, who signedIn) (link struct {
	State, Task, ClientID string
	OwnApp                bool
},
) {
	t.Helper()
	w.Call("GET", prefix+"/spotify-auth", nil, who.bearer()...).DecodeData(t, &link)
	return link
}

// TestSeats_ALineADeskAndALink goes the way of people whose instance has one app
// in development mode with a single seat.
func TestSeats_WaitingListSeatAndLink(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, w *testAPI) {
		const address = "/spotify-auth/seat"
		ann, bob := w.signIn(t, 0), w.signIn(t, 1)
		seat := func(who signedIn) (s struct {
			State string
			Ahead int64
		},
		) {
			t.Helper()
			w.Call("GET", prefix+address, nil, who.bearer()...).DecodeData(t, &s)
			return s
		}
		query := func(who signedIn, email string) contracttest.Response {
			w.secrets = append(w.secrets, email)
			return w.Call("POST", prefix+address, map[string]string{"email": email}, who.bearer()...)
		}

		// Nobody has entered Ann: Spotify lets her sign in, and refuses her.
		to, client := w.authorize(t, ann, "")
		if client != sim.DevelopmentClientID || to.Registered {
			t.Errorf("Ann is sent to %s, registered: %v", client, to.Registered)
		}
		w.wantStatus(t, w.completeLink(0, ann, to, client), 403, "SPOTIFY_NOT_REGISTERED")
		if a := w.Call("GET", prefix+address, nil, ann.bearer()...); a.Status != 200 || string(a.Data) != "null" {
			t.Errorf("without a seat: %d %s", a.Status, a.Body)
		}
		w.wantStatus(t, w.Call("POST", prefix+address, map[string]string{"email": "ann@example.org", "phone": "1"}, ann.bearer()...), 400, "INVALID_REQUEST")
		w.wantStatus(t, query(ann, "ann at example"), 400, "INVALID_REQUEST")
		w.wantStatus(t, query(ann, "ann.seat@example.org"), 200, "")
		w.wantStatus(t, query(bob, "bob.seat@example.org"), 200, "")
		if a, b := seat(ann), seat(bob); a.State != "held" || b.State != "waiting" || b.Ahead != 0 {
			t.Errorf("Ann's seat is %+v, Bob's %+v", a, b)
		}
		w.wantStatus(t, w.Call("GET", prefix+"/spotify-auth/url", nil, bob.bearer()...), 409, "SPOTIFY_NO_SEAT")

		// The operator enters her.
		if told := w.runSeats(t); !strings.Contains(told, "ann.seat@example.org") || strings.Contains(told, "bob.seat@example.org") {
			t.Errorf("the desk says\n%s", told)
		}
		w.sim.RegisterWith(0, sim.DevelopmentClientID)
		if told := w.runSeats(t, "entered", "1"); told != "User 1 can link now.\n" {
			t.Errorf("the desk says %q", told)
		}
		if to, client = w.authorize(t, ann, ""); !to.Registered || seat(ann).State != "entered" {
			t.Errorf("once entered Ann is %+v, registered: %v", seat(ann), to.Registered)
		}
		w.wantStatus(t, w.completeLink(0, ann, to, client), 200, "")
		if a := w.Call("GET", prefix+address, nil, ann.bearer()...); a.Status != 200 || string(a.Data) != "null" {
			t.Errorf("without a seat: %d %s", a.Status, a.Body)
		}
		if link := w.getLink(t, ann); link.State != "active" || link.ClientID != sim.DevelopmentClientID || link.OwnApp {
			t.Errorf("the link is %+v", link)
		}

		// She leaves, and Bob's turn has come.
		w.wantStatus(t, w.Call("DELETE", prefix+"/spotify-auth", nil, ann.bearer()...), 200, "")
		if told := w.runSeats(t); !strings.Contains(told, "bob.seat@example.org") || seat(bob).State != "held" {
			t.Errorf("Bob's seat is %+v, and the desk says\n%s", seat(bob), told)
		}
		w.wantStatus(t, w.Call("DELETE", prefix+address, nil, bob.bearer()...), 200, "")
		w.wantStatus(t, w.Call("DELETE", prefix+address, nil, bob.bearer()...), 404, "SPOTIFY_SEAT_NOT_ASKED")
		if told := w.runSeats(t); !strings.Contains(told, "Nobody has to be entered.") {
			t.Errorf("the desk says\n%s", told)
		}
	}, "SONGSPY_SPOTIFY_CLIENT_ID", sim.DevelopmentClientID, "SONGSPY_SPOTIFY_CLIENT_SECRET", sim.DevelopmentClientSecret, "SONGSPY_SPOTIFY_SEATS", "1")
}

// TestLinking_IsCompletedWithoutANewCode goes the way of a user whom the app's
// owner enters after they have consented.
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
				t.Error("a kept grant counts as a link")
			}
			if link := w.getLink(t, ann); link.State != "not_registered" || link.Task != "ask_operator" {
				t.Errorf("the link is %+v", link)
			}
			stored, err := w.db.Link(t.Context(), songspy.UserID(ann.ID))
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

// TestLinking_OfAnUnregisteredUserSaysWhetherTheGrantWasKept tells a user who has
// a link already that they have to consent again, and asks a user whose kept
// grant Spotify revoked.
func TestLinking_OfAnUnregisteredUserSaysWhetherTheGrantWasKept(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, w *testAPI) {
		ann, bob := w.signIn(t, 0), w.signIn(t, 1)
		to, client := w.authorize(t, ann, "")
		w.wantStatus(t, w.completeLink(0, ann, to, client), 200, "")
		refuse := func(person int, who signedIn) contracttest.Response {
			end := w.sim.Fault(sim.Fault{Endpoint: "me", Person: person, Kind: sim.NotRegistered, Body: "dashboard"})
			defer end()
			to, client := w.authorize(t, who, "")
			answer := w.completeLink(person, who, to, client)
			w.wantStatus(t, answer, 403, "SPOTIFY_NOT_REGISTERED")
			return answer
		}
		const promise = "you need not sign in to Spotify again"
		if a := refuse(0, ann); strings.Contains(a.Error.Message, promise) || w.getLink(t, ann).State != "active" {
			t.Errorf("with a link: %q, and the link is %+v", a.Error.Message, w.getLink(t, ann))
		}
		if a := refuse(1, bob); !strings.Contains(a.Error.Message, promise) || w.getLink(t, bob).State != "not_registered" {
			t.Errorf("without a link: %q, and the link is %+v", a.Error.Message, w.getLink(t, bob))
		}
		kept, err := w.db.UpdateLink(t.Context(), songspy.UserID(bob.ID), func(l *songspy.Link) error {
			l.AccessExpiresAt = l.AuthorizedAt
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w.secrets = append(w.secrets, kept.AccessToken.Reveal(), kept.RefreshToken.Reveal())
		w.sim.Revoke(1)
		w.wantStatus(t, w.Call("POST", prefix+"/spotify-auth", map[string]any{}, bob.bearer()...), 400, "SPOTIFY_CODE_INVALID")
		if link := w.getLink(t, bob); link.State != "reauth_required" || link.Task != "relink" {
			t.Errorf("once Spotify revoked the grant the link is %+v", link)
		}
	})
}

func TestUserApps_LinkWithTheirClientIDOnly(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, w *testAPI) {
		ann := w.signIn(t, 0)
		w.wantStatus(t, w.Call("GET", prefix+"/spotify-auth/url?clientId=nonsense", nil, ann.bearer()...), 400, "INVALID_REQUEST")
		unknown, _ := w.authorize(t, ann, "?clientId="+strings.Repeat("f", 32))
		w.wantStatus(t, w.completeLink(0, ann, unknown, sim.UserAppClientID), 400, "SPOTIFY_OWN_APP_REFUSED")

		to, client := w.authorize(t, ann, "?clientId="+sim.UserAppClientID)
		if client != sim.UserAppClientID || !to.Registered {
			t.Errorf("sent to %s, registered: %v", client, to.Registered)
		}
		w.wantStatus(t, w.completeLink(0, ann, to, client), 200, "")
		if link := w.getLink(t, ann); link.State != "active" || link.ClientID != sim.UserAppClientID || !link.OwnApp {
			t.Errorf("the link is %+v", link)
		}
		stored, err := w.db.Link(t.Context(), songspy.UserID(ann.ID))
		if err != nil || stored.AuthMethod != songspy.AuthPKCE {
			t.Errorf("stored with %s, %v", stored.AuthMethod, err)
		}
		// Linking anew is one step, through the same app; going back is a word.
		if _, client := w.authorize(t, ann, ""); client != sim.UserAppClientID {
			t.Errorf("linking anew goes through %s", client)
		}
		to, client = w.authorize(t, ann, "?clientId=ours")
		if client != sim.SpotifyClientID {
			t.Errorf("going back goes through %s", client)
		}
		w.wantStatus(t, w.completeLink(0, ann, to, client), 200, "")
		if link := w.getLink(t, ann); link.OwnApp {
			t.Errorf("the link is %+v", link)
		}
		w.wantStatus(t, w.Call("POST", prefix+"/spotify-auth/seat", map[string]string{"email": "ann@example.org"}, ann.bearer()...), 409, "SPOTIFY_SEAT_NOT_NEEDED")
	})
}

func TestLinking_IsRateLimited(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite, "SONGSPY_SIGN_INS_PER_MINUTE", "3")
	who := w.signIn(t, 0)
	forge := func(n string) contracttest.Response {
		// Every app that somebody brings has doors of its own: they bound nothing here.
		verifier := strings.Repeat("v", 43) + "~" + songspy.UserApp(strings.Repeat(n, 32))
		return w.Call("POST", prefix+"/spotify-auth", map[string]any{"code": "none", "codeVerifier": verifier}, who.bearer()...)
	}
	for _, n := range []string{"1", "2"} {
		w.wantStatus(t, forge(n), 400, "SPOTIFY_CODE_INVALID") // a forged verifier names no app
	}
	if a := forge("3"); a.ErrorCode() != "RATE_LIMITED" || a.Header.Get("Retry-After") == "" {
		t.Errorf("the fourth in a minute: %d %s", a.Status, a.Body)
	}
}
