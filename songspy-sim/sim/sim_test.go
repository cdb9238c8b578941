package sim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/songspy/songspy/songspy-sim/sim"
)

const (
	redirect = "http://127.0.0.1:3000/callback"
	tokenURL = "http://sim/spotify/accounts/api/token"
	apiURL   = "http://sim/spotify/api/v1"
	playing  = "/me/player/currently-playing"
	recently = "/me/player/recently-played"
)

// start is the time that the clock of a test shows at first.
var start = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// clock is a clock that stands still until a test advances it.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time          { return c.now }
func (c *clock) Advance(d time.Duration) { c.now = c.now.Add(d) }

func newSim(t testing.TB, change ...func(*sim.Options)) (*sim.Sim, *clock) {
	t.Helper()
	c := &clock{start}
	o := sim.Options{Seed: 11, People: 50, Now: c.Now}
	for _, f := range change {
		f(&o)
	}
	s, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

// response is an HTTP response with its body as text.
type response struct {
	status int
	header http.Header
	body   string
}

func (r response) decode(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("the body with status %d is not a JSON object: %v\n%s", r.status, err, r.body)
	}
	return v
}

func do(t testing.TB, s *sim.Sim, r *http.Request) response {
	t.Helper()
	resp, err := s.Transport().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{resp.StatusCode, resp.Header, string(body)}
}

func request(t testing.TB, method, address, authorization string, form url.Values) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return r
}

func get(t testing.TB, s *sim.Sim, address, token string) response {
	t.Helper()
	if token != "" {
		token = "Bearer " + token
	}
	return do(t, s, request(t, http.MethodGet, address, token, nil))
}

// exchange posts the form to Spotify's token endpoint. Unless the form has a client_id, it
// authenticates as the first app with its secret.
func exchange(t testing.TB, s *sim.Sim, form url.Values) response {
	t.Helper()
	r := request(t, http.MethodPost, tokenURL, "", form)
	if !form.Has("client_id") {
		r.SetBasicAuth(sim.SpotifyClientID, sim.SpotifyClientSecret)
	}
	return do(t, s, r)
}

func song(n int, at time.Time) sim.Play {
	return sim.Play{Track: sim.Track{URI: "spotify:track:song" + string(rune('A'+n)), Title: "Song"}, Start: at}
}

func TestTransport_ServesTheProvidersRealAddresses(t *testing.T) {
	s, _ := newSim(t)
	access, _ := s.SpotifyTokens(3)
	me := get(t, s, "https://api.spotify.com/v1/me", access).decode(t)
	if me["account_id"] != s.Person(3).AccountID {
		t.Errorf("account_id is %v, want %s", me["account_id"], s.Person(3).AccountID)
	}
	info := get(t, s, "https://oauth2.googleapis.com/tokeninfo?access_token="+s.GoogleToken(3, sim.GoogleClientID), "").decode(t)
	if info["aud"] != sim.GoogleClientID {
		t.Errorf("aud is %v", info["aud"])
	}
}

func TestTransport_WorksInsideSynctest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := sim.New(sim.Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Fault(sim.Fault{Endpoint: "currently-playing", Person: sim.Everyone, Kind: sim.Slow, Delay: time.Hour})()
		access, _ := s.SpotifyTokens(0)
		client := http.Client{Transport: s.Transport(), Timeout: 10 * time.Second}
		before := time.Now()
		_, err = client.Do(request(t, http.MethodGet, apiURL+playing, "Bearer "+access, nil))
		if err == nil || time.Since(before) != 10*time.Second {
			t.Errorf("after %v: %v", time.Since(before), err)
		}
	})
}

func TestTokens_OfOneProcessAreGoodInAnother(t *testing.T) {
	a, _ := newSim(t)
	b, _ := newSim(t)
	access, _ := a.SpotifyTokens(9)
	if got := get(t, b, apiURL+"/me", access).decode(t)["id"]; got != a.Person(9).SpotifyID {
		t.Errorf("the token of person 9 belongs to %v", got)
	}
	c, _ := newSim(t, func(o *sim.Options) { o.Seed = 12 })
	if got := get(t, c, apiURL+"/me", access); got.status != http.StatusUnauthorized {
		t.Errorf("a simulation with another seed accepts the token: %d", got.status)
	}
}

func TestCurrentlyPlaying_AgreesWithTruth(t *testing.T) {
	s, c := newSim(t, func(o *sim.Options) { o.Population, o.People, o.Epoch = "lively", 200, start.Add(-48*time.Hour) })
	shown := 0
	for person := range 200 {
		access, _ := s.SpotifyTokens(person)
		got := get(t, s, apiURL+playing+"?additional_types=track,episode", access)
		truth := s.PlaybackAt(person, c.Now())
		if got.status == http.StatusNoContent {
			continue // the play is private or offline, the player is idle, or the 204 is false
		}
		shown++
		body := got.decode(t)
		if body["is_playing"] != (truth.State == sim.StatePlaying) {
			t.Errorf("person %d: is_playing is %v while the state is %s", person, body["is_playing"], truth.State)
		}
		if p, ok := body["progress_ms"].(float64); ok && time.Duration(p)*time.Millisecond != truth.Progress {
			t.Errorf("person %d: progress_ms is %v, truth %v", person, p, truth.Progress)
		}
		if item, ok := body["item"].(map[string]any); ok && item["uri"] != truth.Play.Track.URI {
			t.Errorf("person %d: plays %v, truth %s", person, item["uri"], truth.Play.Track.URI)
		}
		if !truth.Visible {
			t.Errorf("person %d is shown in a private session", person)
		}
	}
	if shown < 150 {
		t.Errorf("%d of 200 lively people are shown", shown)
	}
}

func TestObserve_ReceivesEveryCall(t *testing.T) {
	var calls []sim.Call
	s, c := newSim(t, func(o *sim.Options) { o.Observe = func(c sim.Call) { calls = append(calls, c) } })
	access, _ := s.SpotifyTokens(4)
	get(t, s, apiURL+"/me", access)
	get(t, s, apiURL+"/me", "nonsense")
	if len(calls) != 2 || calls[0].Person != 4 || calls[0].Status != 200 || calls[1].Person != sim.Everyone || calls[1].Status != 401 {
		t.Errorf("calls are %+v", calls)
	}
	stats := s.Stats()
	if stats.Total("me") != 2 || stats.Requests["me"][200] != 1 || !stats.LastCall(4).Equal(c.Now()) || !stats.LastCall(5).IsZero() {
		t.Errorf("stats are %+v", stats)
	}
}

func TestNew_RejectsInvalidOptions(t *testing.T) {
	for _, o := range []sim.Options{
		{People: -1}, {Population: "loud"}, {AccessTokenLife: time.Millisecond}, {Habits: &sim.Habits{}},
	} {
		if _, err := sim.New(o); err == nil {
			t.Errorf("accepted %+v", o)
		}
	}
}
