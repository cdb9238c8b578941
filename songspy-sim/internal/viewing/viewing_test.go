package viewing

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/population"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// fakeSongspy implements, in memory, the part of Songspy's API that viewers need. Person n
// has the handle (public id) "hn", for example "h3". If n is odd, the person must approve
// followers. Nobody may see person 4.
type fakeSongspy struct {
	sim *sim.Sim
	// answers has one function for each of the first streams, in order, which answers it.
	// Later streams stay open.
	answers []func(ctx context.Context, w *io.PipeWriter) (status int, retryAfter string)

	mu       sync.Mutex
	signIns  int
	people   map[string]int      // the numbers of people, by token
	follows  map[string][]string // the handles of the followed people, by the follower's handle
	approved []string            // such as "h0 of h3": h3 has approved the follower h0
	streams  []*opened           // in the order in which they were opened
}

// opened is one stream that a viewer has opened.
type opened struct {
	handle, topics string    // the handle is empty if the request has no token
	at, until      time.Time // when the stream was opened, and when its request ended
}

func (a *fakeSongspy) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == "sim" {
		return a.sim.Transport().RoundTrip(r)
	}
	path := strings.TrimPrefix(r.URL.Path, "/v1/songspy")
	handle := ""
	a.mu.Lock()
	defer a.mu.Unlock()
	if person, known := a.people[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]; known {
		handle = fmt.Sprint("h", person)
	}
	switch {
	case path == "/readyz":
		return answer(200, ""), nil
	case path == "/google-auth":
		return a.signIn(r), nil
	case path == "/listening/stream":
		return a.stream(r, handle), nil
	case handle == "":
		return answer(401, ""), nil
	case path == "/me":
		return answer(200, `{"handle":"`+handle+`"}`), nil
	}
	parts := strings.Split(path, "/")
	switch {
	case r.Method == http.MethodPut && parts[1] == "people" && parts[3] == "follow" && parts[2] == "h4":
		return answer(404, ""), nil
	case r.Method == http.MethodPut && parts[1] == "people" && parts[3] == "follow":
		a.follows[handle] = append(a.follows[handle], parts[2])
		state := "approved"
		if strings.ContainsAny(parts[2][len(parts[2])-1:], "13579") {
			state = "requested"
		}
		return answer(200, `{"state":"`+state+`"}`), nil
	case r.Method == http.MethodPut && parts[2] == "followers":
		a.approved = append(a.approved, parts[3]+" of "+handle)
		return answer(200, `{"state":"approved"}`), nil
	}
	return answer(404, ""), nil
}

// answer returns a response of Songspy's API: an envelope with the data, which is JSON.
func answer(status int, data string) *http.Response {
	result := "SUCCESS"
	if status != 200 {
		result = "ERROR"
	}
	if data == "" {
		data = "null"
	}
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"result":"` + result + `","data":` + data + `}`))}
}

// signIn answers a sign-in with a new token. It asks the simulator to which person the
// Google token belongs.
func (a *fakeSongspy) signIn(r *http.Request) *http.Response {
	var body struct{ AccessToken string }
	_ = json.NewDecoder(r.Body).Decode(&body)
	info, _ := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://sim/google/oauth2/v1/userinfo", nil)
	info.Header.Set("Authorization", "Bearer "+body.AccessToken)
	resp, err := a.sim.Transport().RoundTrip(info)
	if err != nil {
		return answer(503, "")
	}
	var user struct{ ID string }
	_ = json.NewDecoder(resp.Body).Decode(&user)
	for n := range a.sim.People() {
		if a.sim.Person(n).GoogleID == user.ID {
			a.signIns++
			token := fmt.Sprint("token-", a.signIns)
			a.people[token] = n
			return answer(200, `{"token":"`+token+`"}`)
		}
	}
	return answer(401, "")
}

func (a *fakeSongspy) stream(r *http.Request, handle string) *http.Response {
	o := &opened{handle: handle, topics: r.URL.Query().Get("topics"), at: time.Now()}
	a.streams = append(a.streams, o)
	play := staysOpen
	if n := len(a.streams) - 1; n < len(a.answers) {
		play = a.answers[n]
	}
	out, in := io.Pipe()
	status, retryAfter := play(r.Context(), in)
	context.AfterFunc(r.Context(), func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		o.until = time.Now()
		_ = in.CloseWithError(r.Context().Err())
	})
	resp := answer(status, "")
	if resp.Header.Set("Retry-After", retryAfter); status == 200 {
		resp.Body = out
	}
	return resp
}

// staysOpen answers with a stream that sends a snapshot, and then a comment every 5 s until
// ctx ends. That is more often than silentAfter, so viewers do not reconnect.
func staysOpen(ctx context.Context, w *io.PipeWriter) (int, string) {
	go func() {
		_, err := io.WriteString(w, "retry: 1000\n\nevent: snapshot\ndata: {}\n\n")
		for err == nil {
			select {
			case <-time.After(5 * time.Second):
				_, err = io.WriteString(w, ":\n\n")
			case <-ctx.Done():
				return
			}
		}
	}()
	return 200, ""
}

// writes returns a function that answers with a stream. The stream sends the text and ends.
func writes(text string) func(context.Context, *io.PipeWriter) (int, string) {
	return func(_ context.Context, w *io.PipeWriter) (int, string) {
		go func() {
			_, _ = io.WriteString(w, text)
			_ = w.Close()
		}()
		return 200, ""
	}
}

// view edits the default options with the function change, runs viewers against the API for
// the given length of time, and returns their output.
func view(t *testing.T, api *fakeSongspy, length time.Duration, change func(*Options)) string {
	t.Helper()
	s, err := sim.New(sim.Options{People: 8})
	if err != nil {
		t.Fatal(err)
	}
	api.sim, api.people, api.follows = s, map[string]int{}, map[string][]string{}
	var out bytes.Buffer
	o := Options{
		API: "http://api", Simulator: "http://sim", Seed: 7, Speed: 1, ReadyTimeout: time.Minute, GoogleRedirect: "http://127.0.0.1:3000/g",
		Output: &out, Client: &http.Client{Transport: api},
	}
	change(&o)
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), length)
	defer stop()
	if err := v.Run(ctx); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return out.String()
}

func TestViewing_FollowsTheHabitsOfEachPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const people, length = 8, 24 * time.Hour
		api, start := &fakeSongspy{}, time.Now()
		printed := view(t, api, length, func(o *Options) { o.People = people })
		visits := 0
		for person := range people {
			habits, handle := population.NewViewer(7, people, person), fmt.Sprint("h", person)
			var follows []string
			for _, other := range habits.Follows {
				if other == 4 {
					continue
				}
				follows = append(follows, fmt.Sprint("h", other))
				if approval := fmt.Sprintf("%s of h%d", handle, other); slices.Contains(api.approved, approval) != (other%2 == 1) {
					t.Errorf("of the approvals %q, %q is wanted from people with odd numbers", api.approved, approval)
				}
			}
			if !slices.Equal(api.follows[handle], follows) {
				t.Errorf("%s follows %q, want %q", handle, api.follows[handle], follows)
			}
			var streams []*opened
			for _, o := range api.streams {
				if o.handle == handle {
					streams = append(streams, o)
				}
			}
			for at := range habits.Visits(start) {
				if !at.Before(start.Add(length)) {
					break
				}
				visits++
				if len(streams) == 0 || !streams[0].at.Equal(at) || streams[0].topics != "window,following" {
					t.Fatalf("%s opens the streams %+v, want one at %v", handle, streams, at)
				}
				if want := min(population.VisitLength, start.Add(length).Sub(at)); streams[0].until.Sub(at) != want {
					t.Errorf("the visit of %s at %v takes %v, want %v", handle, at, streams[0].until.Sub(at), want)
				}
				streams = streams[1:]
			}
			if len(streams) > 0 {
				t.Errorf("%s opens the streams %+v too", handle, streams)
			}
		}
		if last := fmt.Sprintf("visits %d, open streams 0, events %d, resets 0, reconnects 0\n", visits, visits); !strings.HasSuffix(printed, last) || visits < 6*people-people {
			t.Errorf("it prints %q, want %q at the end", printed, last)
		}
	})
}

func TestViewing_VisitsMoreOftenAtAHigherSpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, start := &fakeSongspy{}, time.Now()
		view(t, api, time.Hour, func(o *Options) { o.People, o.Speed = 1, 24 })
		if len(api.streams) != 6 {
			t.Fatalf("a person visits the page %d times in an hour that counts as a day, want 6 times", len(api.streams))
		}
		i := 0
		for at := range population.NewViewer(7, 1, 0).Visits(start) {
			due := start.Add(at.Sub(start) / 24)
			if i > 0 && due.Before(api.streams[i-1].until) { // a visit that is due during another one begins after it
				due = api.streams[i-1].until
			}
			if got := api.streams[i].at.Sub(due).Abs(); got > time.Microsecond {
				t.Errorf("visit %d begins at %v, want %v", i, api.streams[i].at, due)
			}
			if i++; i == 6 {
				break
			}
		}
	})
}

func TestViewing_ReconnectsByTheRules(t *testing.T) {
	refuses := func(status int, retryAfter string) func(context.Context, *io.PipeWriter) (int, string) {
		return func(context.Context, *io.PipeWriter) (int, string) { return status, retryAfter }
	}
	const snapshot = "retry: 4000\n\nevent: snapshot\ndata: {}\n\n"
	const retry = 4 * time.Second
	// between holds the shortest and the longest allowed time from the beginning of a
	// connection to the beginning of the next one.
	type between [2]time.Duration
	steps := []struct {
		answer func(context.Context, *io.PipeWriter) (int, string)
		wait   between
	}{
		{writes(snapshot + "event: end\ndata: {\"reason\":\"restart\"}\n\n"), between{0, retry}},
		{writes(snapshot + "event: play"), between{0, retry}}, // the connection breaks within an event
		{writes(snapshot + "event: reset\ndata: {}\n\n"), between{0, retry}},
		{refuses(503, "7"), between{7 * time.Second, 7*time.Second + 2*retry}},
		{refuses(429, ""), between{0, 4 * retry}},
		{func(context.Context, *io.PipeWriter) (int, string) { return 200, "" }, between{silentAfter, silentAfter + 8*retry}}, // a stream that sends nothing
		{refuses(400, ""), between{}},
	}
	synctest.Test(t, func(t *testing.T) {
		api := &fakeSongspy{}
		for _, s := range steps {
			api.answers = append(api.answers, s.answer)
		}
		printed := view(t, api, 10*time.Minute, func(o *Options) { o.Hostile = 1 })
		if len(api.streams) != len(steps) {
			t.Fatalf("it opens %d streams, want %d: the last answer is final", len(api.streams), len(steps))
		}
		for i, s := range steps[:len(steps)-1] {
			if got := api.streams[i+1].at.Sub(api.streams[i].at); got < s.wait[0] || got > s.wait[1] {
				t.Errorf("after answer %d the next connection comes after %v, want %v", i, got, s.wait)
			}
			if o := api.streams[i]; o.handle != "" || o.topics != "window" {
				t.Errorf("a viewer without an account opens %+v", o)
			}
		}
		if want := "visits 0, open streams 0, events 5, resets 1, reconnects 6\n"; !strings.HasSuffix(printed, want) {
			t.Errorf("it prints %q, want %q at the end", printed, want)
		}
	})
}

func TestViewing_SignsInAgainAfterTheEndOfASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeSongspy{answers: []func(context.Context, *io.PipeWriter) (int, string){
			writes("retry: 1000\n\nevent: end\ndata: {\"reason\":\"session\"}\n\n"),
		}}
		view(t, api, 24*time.Hour, func(o *Options) { o.People = 1 })
		if api.signIns != 2 || len(api.streams) != 7 || api.streams[1].handle != "h0" {
			t.Errorf("%d sign-ins and the streams %+v, want 2 sign-ins, and one stream more than visits", api.signIns, api.streams)
		}
	})
}

func TestNew_RejectsNoViewersAndNoSpeed(t *testing.T) {
	for _, o := range []Options{{Speed: 1}, {People: 1}, {People: 1, Speed: -1}, {People: -1, Hostile: 2, Speed: 1}} {
		o.API, o.Simulator = "http://api", "http://sim"
		if _, err := New(o); err == nil {
			t.Errorf("accepted %+v", o)
		}
	}
}
