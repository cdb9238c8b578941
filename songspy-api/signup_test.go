package main

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-sim/sim"

	"github.com/songspy/songspy/songspy-api/internal/contracttest"
)

// signInBody returns the body that a frontend posts to sign a person in with an invite.
func (w *testAPI) signInBody(person int, invite any, scopes ...string) map[string]any {
	token := w.sim.GoogleToken(person, sim.GoogleClientID, scopes...)
	w.secrets = append(w.secrets, token, w.sim.Person(person).Email)
	if code, ok := invite.(string); ok && strings.TrimSpace(code) != "" {
		w.secrets = append(w.secrets, code)
	}
	return map[string]any{"accessToken": token, "invite": invite}
}

// postSignIn signs a person in with an invite, and returns the answer.
func (w *testAPI) postSignIn(person int, invite any, scopes ...string) contracttest.Response {
	return w.Call("POST", prefix+"/google-auth", w.signInBody(person, invite, scopes...))
}

// createInvite creates an invite with the command and returns its code.
func (w *testAPI) createInvite(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := runCommand(t, w.env, append([]string{"invite"}, args...)...)
	if code != 0 {
		t.Fatalf("invite %v: code %d, %s", args, code, stderr)
	}
	invite, _, _ := strings.Cut(stdout, "\n")
	w.secrets = append(w.secrets, invite)
	return invite
}

// countUsers counts the stored users.
func (w *testAPI) countUsers(t *testing.T) (n int) {
	t.Helper()
	for id := range 20 {
		_, err := w.db.User(t.Context(), songspy.UserID(id))
		switch songspy.CodeOf(err) {
		case "":
			n++
		case songspy.CodeNotFound:
		default:
			t.Fatal(err)
		}
	}
	return n
}

func TestSignUp_InviteAdmitsItsNumberOfUsers(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, w *testAPI) {
		if a := w.Call("GET", prefix+"/sign-up", nil); string(a.Data) != `{"policy":"invite","redirect":true,"seats":false}` {
			t.Errorf("the policy is %s", a.Body)
		}
		code := w.createInvite(t, "--uses", "2")
		for _, none := range []any{nil, "", "  "} {
			w.wantStatus(t, w.postSignIn(0, none), 403, "INVITE_REQUIRED")
		}
		for _, wrong := range []string{"let me in", "ABCD-EFGH-JKLM-NPQR"} {
			w.wantStatus(t, w.postSignIn(0, wrong), 403, "INVITE_INVALID")
		}
		if n := w.countUsers(t); n != 0 {
			t.Fatalf("%d rejected users are stored", n)
		}

		// Four users sign up at the same time with an invite for two. Exactly two must be admitted.
		answers := make([]contracttest.Response, 4)
		var together sync.WaitGroup
		for person := range answers {
			frontend := contracttest.New(t, "http://"+w.publicListener.Addr().String(), contract)
			body := w.signInBody(person, strings.ToLower(strings.ReplaceAll(code, "-", " ")))
			together.Go(func() { answers[person] = frontend.Call("POST", prefix+"/google-auth", body) })
		}
		together.Wait()
		admitted := 0
		for person, a := range answers {
			if a.Status == http.StatusOK {
				admitted++
				w.wantStatus(t, w.postSignIn(person, nil), 200, "") // a user who has signed up needs no invite
				continue
			}
			w.wantStatus(t, a, 403, "INVITE_INVALID")
		}
		if n := w.countUsers(t); admitted != 2 || n != 2 {
			t.Errorf("%d users were admitted and %d stored, want 2", admitted, n)
		}
	}, "SONGSPY_SIGN_UP", "invite")
}

func TestSignUp_RevokedInviteIsRejected(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, w *testAPI) {
		code := w.createInvite(t)
		if status, stdout, stderr := runCommand(t, w.env, "invite", "revoke", "1"); status != 0 || !strings.Contains(stdout, "Invite 1 is revoked") {
			t.Fatalf("invite revoke: code %d, %s%s", status, stdout, stderr)
		}
		korean := w.sim.GoogleToken(0, sim.GoogleClientID)
		w.secrets = append(w.secrets, korean)
		a := w.Call("POST", prefix+"/google-auth", map[string]any{"accessToken": korean, "invite": code}, "Accept-Language", "ko")
		if w.wantStatus(t, a, 403, "INVITE_INVALID"); !strings.Contains(a.Error.Message, "초대 코드") {
			t.Errorf("the message is %q", a.Error.Message)
		}
	}, "SONGSPY_SIGN_UP", "invite")
}

func TestSignUp_InviteGuessesAreRateLimited(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite, "SONGSPY_SIGN_UP", "invite", "SONGSPY_SIGN_INS_PER_MINUTE", "3")
	code := w.createInvite(t)
	for range 3 {
		w.wantStatus(t, w.postSignIn(0, "ABCD-EFGH-JKLM-NPQR"), 403, "INVITE_INVALID")
	}
	if a := w.postSignIn(0, code); a.ErrorCode() != "RATE_LIMITED" || a.Header.Get("Retry-After") == "" {
		t.Errorf("the fourth request in a minute: status %d, %s", a.Status, a.Body)
	}
}

func TestSignUp_AllowlistNeedsVerifiedAddresses(t *testing.T) {
	s, err := sim.New(sim.Options{Seed: 1, People: 4})
	if err != nil {
		t.Fatal(err)
	}
	listed := s.Person(1).Email
	forEachDatabase(t, func(t *testing.T, w *testAPI) {
		if a := w.Call("GET", prefix+"/sign-up", nil); string(a.Data) != `{"policy":"allowlist","redirect":true,"seats":false}` {
			t.Errorf("the policy is %s", a.Body)
		}
		w.wantStatus(t, w.postSignIn(0, "ABCD-EFGH-JKLM-NPQR"), 403, "SIGN_UP_CLOSED")
		w.wantStatus(t, w.postSignIn(1, nil, "openid", "profile"), 403, "SIGN_UP_CLOSED") // without the scope "email", Google gives no address
		if n := w.countUsers(t); n != 0 {
			t.Errorf("%d rejected users are stored", n)
		}
		w.wantStatus(t, w.postSignIn(1, nil), 200, "")
		w.wantStatus(t, w.postSignIn(1, nil, "openid", "profile"), 200, "") // has signed up before
		if !strings.Contains(w.log.String(), "scope email") {
			t.Error("the log does not say that Google gave no address")
		}
	}, "SONGSPY_SIGN_UP", "allowlist", "SONGSPY_ALLOWLIST", "@friends.example.com,\n"+strings.ToUpper(listed))
}

func TestSignUp_ContradictorySettingsAreRejectedAtStart(t *testing.T) {
	const address = "ann@example.org"
	file := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(file, []byte(address+"\n@example.com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	base := environment(t, "sqlite:"+filepath.Join(t.TempDir(), "x.db"), "http://127.0.0.1:1")
	for name, c := range map[string]struct {
		more map[string]string
		want string
	}{
		"an unknown policy":        {map[string]string{"SONGSPY_SIGN_UP": "closed"}, "SONGSPY_SIGN_UP: is \"closed\"; it must be one of open, invite, allowlist"},
		"no list":                  {map[string]string{"SONGSPY_SIGN_UP": "allowlist"}, "SONGSPY_ALLOWLIST: has no entries"},
		"an invalid entry":         {map[string]string{"SONGSPY_SIGN_UP": "allowlist", "SONGSPY_ALLOWLIST": address + ",bob"}, "SONGSPY_ALLOWLIST: entry 2 is"},
		"an unused list":           {map[string]string{"SONGSPY_ALLOWLIST": address}, "SONGSPY_ALLOWLIST: is set while SONGSPY_SIGN_UP is open"},
		"an unused list in a file": {map[string]string{"SONGSPY_SIGN_UP": "invite", "SONGSPY_ALLOWLIST_FILE": file}, "SONGSPY_ALLOWLIST: is set while SONGSPY_SIGN_UP is invite"},
		"a list":                   {map[string]string{"SONGSPY_SIGN_UP": "allowlist", "SONGSPY_ALLOWLIST_FILE": file}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			environ := maps.Clone(base)
			maps.Copy(environ, c.more)
			var s settings
			err := config.Load(&s, environ)
			if c.want == "" {
				rule, ruleErr := s.signUpOptions()
				if err != nil || ruleErr != nil || !rule.Allowlist.Contains(address) || !rule.Allowlist.Contains("bob@example.com") {
					t.Errorf("Load returns %v, signUpOptions %v, or the list lacks an address", err, ruleErr)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), address) {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}
