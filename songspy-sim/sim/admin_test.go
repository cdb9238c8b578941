package sim_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-sim/sim"
)

func admin(t *testing.T, s *sim.Sim, method, path, body string) response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://sim/admin"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return do(t, s, r)
}

func TestAdmin_AddsListsAndRemovesFaults(t *testing.T) {
	s, _ := newSim(t)
	access, _ := s.SpotifyTokens(0)
	placed := admin(t, s, "POST", "/faults", `{"endpoint":"me","kind":"rate-limited","retryAfter":7}`)
	if placed.status != http.StatusCreated || placed.decode(t)["id"] != 1.0 {
		t.Fatalf("adding the fault: %d %s", placed.status, placed.body)
	}
	if got := get(t, s, apiURL+"/me", access); got.status != 429 || got.header.Get("Retry-After") != "7" {
		t.Errorf("the fault has no effect: %d", got.status)
	}
	if got := admin(t, s, "GET", "/faults", ""); !strings.Contains(got.body, `"id":1,"hits":1,"endpoint":"me"`) {
		t.Errorf("the list is %s", got.body)
	}
	if got := admin(t, s, "DELETE", "/faults/1", ""); got.status != http.StatusNoContent {
		t.Errorf("the first removal: %d", got.status)
	}
	if got := admin(t, s, "DELETE", "/faults/1", ""); got.status != http.StatusNotFound {
		t.Errorf("the second removal: %d", got.status)
	}
	admin(t, s, "POST", "/faults", `{"endpoint":"me","kind":"not-registered","person":0}`)
	admin(t, s, "DELETE", "/faults", "")
	if got := get(t, s, apiURL+"/me", access); got.status != http.StatusOK {
		t.Errorf("after the removal: %d", got.status)
	}
}

func TestAdmin_NamesWhatIsWrong(t *testing.T) {
	s, _ := newSim(t)
	for _, c := range []struct{ method, path, body, names string }{
		{"POST", "/faults", `{"endpoint":"player","kind":"no-content"}`, "player"},
		{"POST", "/faults", `{"endpoint":"me","kind":"no-content","strength":1}`, "strength"},
		{"POST", "/faults", `{`, "body"},
		{"PATCH", "/quirks", `{"mood":true}`, "mood"},
		{"GET", "/truth?person=50", "", "0 to 49"},
		{"GET", "/truth?person=1&from=yesterday", "", "yesterday"},
		{"GET", "/truth?person=1&from=0", "", "400 days"},
		{"GET", "/now?person=x", "", `x`},
		{"GET", "/people/1/tokens?client_id=who", "", "who"},
		{"PUT", "/people/1/script", `{"items":[{"uri":"spotify:track:x"}]}`, "items[0]"},
	} {
		got := admin(t, s, c.method, c.path, c.body)
		if message, _ := got.decode(t)["error"].(string); got.status != http.StatusBadRequest || !strings.Contains(message, c.names) {
			t.Errorf("%s %s: %d %s", c.method, c.path, got.status, got.body)
		}
	}
}

func TestAdmin_ReturnsTheTruth(t *testing.T) {
	s, c := newSim(t)
	c.Advance(time.Hour)
	want := s.Truth(3, start, c.Now())
	got := admin(t, s, "GET", "/truth?person=3&from=2026-11-20T12:00:00Z", "").decode(t)["items"].([]any)
	if len(got) != len(want) || len(want) == 0 {
		t.Fatalf("%d plays, want %d", len(got), len(want))
	}
	first := got[0].(map[string]any)
	if first["uri"] != want[0].Track.URI || first["listenedMs"] != float64(want[0].Listened.Milliseconds()) {
		t.Errorf("the first play is %v, want %+v", first, want[0])
	}
	now := admin(t, s, "GET", "/now?person=3", "").decode(t)
	if now["state"] != string(s.PlaybackAt(3, c.Now()).State) {
		t.Errorf("now is %v", now)
	}
	population := admin(t, s, "GET", "/population", "").decode(t)
	if population["people"] != 50.0 || population["states"].(map[string]any)["playing"].(float64) < 30 {
		t.Errorf("of fifty lively people: %v", population)
	}
}

func TestAdmin_ChangesPeople(t *testing.T) {
	s, _ := newSim(t)
	tokens := admin(t, s, "GET", "/people/2/tokens?client_id=somebody-elses-app", "").decode(t)
	access := tokens["spotify"].(map[string]any)["accessToken"].(string)
	refresh := tokens["spotify"].(map[string]any)["refreshToken"].(string)
	if info := get(t, s, googleURL+"/tokeninfo?access_token="+tokens["google"].(map[string]any)["accessToken"].(string), "").decode(t); info["aud"] != sim.ForeignGoogleClientID {
		t.Errorf("the foreign token is for %v", info["aud"])
	}
	for _, step := range []struct {
		verb   string
		status int
	}{{"unregister", http.StatusForbidden}, {"register", http.StatusOK}} {
		admin(t, s, "POST", "/people/2/"+step.verb, "")
		if got := get(t, s, apiURL+"/me", access); got.status != step.status {
			t.Errorf("after %s: %d", step.verb, got.status)
		}
	}
	admin(t, s, "POST", "/people/2/revoke", "")
	wantOAuthError(t, exchange(t, s, refreshForm(refresh)), "invalid_grant", "Refresh token revoked")

	admin(t, s, "PUT", "/people/2/script", `{"items":[{"uri":"spotify:track:mine","title":"Mine","start":"2026-11-20T12:00:00Z"}]}`)
	if got := get(t, s, apiURL+playing, access).decode(t); got["item"].(map[string]any)["name"] != "Mine" {
		t.Errorf("the script has no effect: %v", got)
	}
	admin(t, s, "PUT", "/people/2/script", `{"items":null}`)
	if plays := s.Truth(2, start, start.Add(time.Hour)); len(plays) == 1 && plays[0].Track.Title == "Mine" {
		t.Error("the script is still active")
	}
	admin(t, s, "PATCH", "/quirks", `{"meWithoutAccountId":true}`)
	if me := get(t, s, apiURL+"/me", access).decode(t); me["account_id"] != nil {
		t.Errorf("me is %v", me)
	}
	if stats := admin(t, s, "GET", "/stats?person=2", "").decode(t); stats["lastCall"] != "2026-11-20T12:00:00Z" || stats["requests"].(map[string]any)["me"] == nil {
		t.Errorf("stats are %v", stats)
	}
	if person := admin(t, s, "GET", "/people/2", "").decode(t); person["googleId"] != s.Person(2).GoogleID {
		t.Errorf("person 2 is %v", person)
	}
}
