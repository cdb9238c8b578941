package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-domain/telemetry"

	"github.com/songspy/songspy/songspy-api/internal/contracttest"
)

// newReplica starts another replica of the API on the same database, and returns a client of it.
func (w *testAPI) newReplica(t *testing.T) *contracttest.Client {
	t.Helper()
	c, _, _ := w.startReplica(t)
	return c
}

// startReplica does what newReplica does. It also returns the replica, and a function that stops
// the replica and returns when it has ended.
func (w *testAPI) startReplica(t *testing.T) (c *contracttest.Client, replica *service, end func()) {
	t.Helper()
	var s settings
	if err := config.Load(&s, w.env); err != nil {
		t.Fatal(err)
	}
	replica, err := newService(t.Context(), s, telemetry.NewLogger(w.log, "debug", "json"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- replica.run(ctx) }()
	end = sync.OnceFunc(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the replica ended with error %v", err)
		}
	})
	t.Cleanup(end)
	c = contracttest.New(t, "http://"+replica.publicListener.Addr().String(), contract)
	w.eventually(t, "the replica", func() bool { return c.Call("GET", "/readyz", nil).Status == 200 })
	return c, replica, end
}

// This test measures wall-clock time, so the Makefile runs it alone.
func TestReplicas_HideAUserWithinASecond(t *testing.T) {
	w := newTestAPI(t, storetest.Postgres, "SONGSPY_WRITES_PER_MINUTE", "0")
	replicas := []*contracttest.Client{w.Client, w.newReplica(t)}
	ann := w.signIn(t, 0)
	// everywhere compares the replicas with the argument shown. If shown is true, everywhere reports
	// whether all replicas have the song on the board and in the list. If shown is false, it reports
	// whether all replicas lack the song in both.
	everywhere := func(title string, shown bool) bool {
		for _, r := range replicas {
			for _, path := range []string{"/tracks/current-playing", "/listening"} {
				if strings.Contains(string(r.Call("GET", prefix+path, nil).Data), title) != shown {
					return false
				}
			}
		}
		return true
	}
	const tries = 200
	var took []time.Duration
	for i := range tries {
		w.share(t, ann, map[string]any{"now": "everyone"})
		title := fmt.Sprintf("Song %d.", i)
		w.play(t, ann, title)
		w.eventually(t, title, func() bool { return everywhere(title, true) })
		hidden := time.Now()
		w.share(t, ann, map[string]any{"now": "nobody"})
		w.eventually(t, title+" to disappear", func() bool { return everywhere(title, false) })
		took = append(took, time.Since(hidden))
	}
	slices.Sort(took)
	p99 := took[tries*99/100-1]
	t.Logf("until no replica shows the user: median %v, p99 %v, longest %v", took[tries/2], p99, took[tries-1])
	if p99 > time.Second {
		t.Errorf("p99 is %v, want at most 1 s", p99)
	}
}

// This test measures wall-clock time, so the Makefile runs it alone.
func TestReplicas_RefuseEndedSessionsAndBlockedUsersWithinASecond(t *testing.T) {
	w := newTestAPI(t, storetest.Postgres, "SONGSPY_WRITES_PER_MINUTE", "0", "SONGSPY_SIGN_INS_PER_MINUTE", "0")
	replicas := []*contracttest.Client{w.Client, w.newReplica(t)}
	ann, bob := w.signIn(t, 0), w.signIn(t, 1)
	w.share(t, ann, map[string]any{"now": "everyone"})
	w.play(t, ann, "A song")
	// sees reports whether the replica shows Ann to Bob. From then on, the replica has Bob's session
	// and relations in its viewer cache, so later changes must also change the cache.
	sees := func(r *contracttest.Client) bool {
		return strings.Contains(string(r.Call("GET", prefix+"/listening", nil, bob.bearer()...).Data), ann.handle())
	}
	everywhere := func(holds func(*contracttest.Client) bool) func() bool {
		return func() bool {
			return !slices.ContainsFunc(replicas, func(r *contracttest.Client) bool { return !holds(r) })
		}
	}
	took := map[string][]time.Duration{}
	// measure sends the request to the first replica, where the function holds must return true at
	// once, and measures how long it takes until it returns true for the other replica.
	measure := func(what, method, path string, by signedIn, holds func(*contracttest.Client) bool) {
		t.Helper()
		began := time.Now()
		w.wantStatus(t, w.Call(method, prefix+path, nil, by.bearer()...), 200, "")
		if !holds(replicas[0]) {
			t.Errorf("%s: the same replica still answers as before", what)
		}
		for !holds(replicas[1]) {
			if time.Since(began) > 20*time.Second {
				t.Fatalf("%s: the other replica still answers as before", what)
			}
		}
		took[what] = append(took[what], time.Since(began))
	}
	blocked := func(r *contracttest.Client) bool { return !sees(r) }
	refused := func(r *contracttest.Client) bool {
		return r.Call("GET", prefix+"/listening?audience=following", nil, bob.bearer()...).Status == 401
	}
	w.share(t, ann, map[string]any{"findable": true})
	w.share(t, bob, map[string]any{"findable": true})
	const rounds = 40
	for range rounds {
		w.eventually(t, "Ann at both replicas", everywhere(sees))
		measure("block", "PUT", "/people/"+bob.handle()+"/block", ann, blocked)
		measure("unblock", "DELETE", "/people/"+bob.handle()+"/block", ann, sees)
		measure("logout", "POST", "/logout", bob, refused)
		bob = w.signIn(t, 1)
		w.eventually(t, "Bob at both replicas", everywhere(func(r *contracttest.Client) bool { return !refused(r) }))
		measure("end of all sessions", "DELETE", "/me/sessions", bob, refused)
		bob = w.signIn(t, 1)
	}
	w.eventually(t, "Bob at both replicas", everywhere(sees))
	measure("erasure", "DELETE", "/me", bob, refused)
	for what, times := range took {
		slices.Sort(times)
		t.Logf("%s, until the other replica shows it: median %v, longest %v", what, times[len(times)/2], times[len(times)-1])
		if longest := times[len(times)-1]; longest > time.Second {
			t.Errorf("%s: it took %v, want at most 1 s", what, longest)
		}
	}
}

var replicasStreams = flag.Int("replicas.streams", 200, "how many streams are open in TestReplicas_StreamsEndWhatTheyShowWithinASecond")

// liveStream is an open stream of the topic "window": at most 48 of all listeners.
type liveStream struct {
	showsSomebody atomic.Bool
	isOver        atomic.Bool
	changedAt     atomic.Int64 // when showsSomebody or isOver last changed, Unix nanoseconds
}

func (s *liveStream) set(b *atomic.Bool, to bool) {
	if b.Load() != to {
		s.changedAt.Store(time.Now().UnixNano())
		b.Store(to)
	}
}

// openStream opens a stream, and reads it in the background until it ends.
func openStream(ctx context.Context, t *testing.T, reading *sync.WaitGroup, base string, header ...string) *liveStream {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+prefix+"/listening/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	for pair := range slices.Chunk(header, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	resp, err := (&http.Transport{}).RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("the answer is %v, error %v", resp, err)
	}
	s := &liveStream{}
	reading.Go(func() {
		defer func() { _ = resp.Body.Close() }()
		s.read(bufio.NewScanner(resp.Body))
		s.set(&s.isOver, true)
	})
	return s
}

// read reads the stream until it ends, and updates showsSomebody.
func (s *liveStream) read(lines *bufio.Scanner) {
	shown, event := map[string]bool{}, ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		if name == "event" {
			event = value
		}
		var data struct {
			Items   []struct{ Person struct{ Handle string } }
			Handles []string
		}
		if name != "data" || json.Unmarshal([]byte(value), &data) != nil {
			continue
		}
		if event == "snapshot" {
			clear(shown)
		}
		for _, item := range data.Items {
			shown[item.Person.Handle] = true
		}
		for _, handle := range data.Handles {
			delete(shown, handle)
		}
		s.set(&s.showsSomebody, len(shown) > 0)
	}
}

// This test measures wall-clock time, so the Makefile runs it alone.
func TestReplicas_StreamsEndWhatTheyShowWithinASecond(t *testing.T) {
	const rounds, perAccount = 5, 32 // perAccount is the default of SONGSPY_STREAMS_PER_ACCOUNT
	w := newTestAPI(t, storetest.Postgres, "SONGSPY_WRITES_PER_MINUTE", "0", "SONGSPY_SIGN_INS_PER_MINUTE", "0", "SONGSPY_STREAMS_PER_ADDRESS", "0")
	bases := []string{w.Base(), w.newReplica(t).Base()}
	ctx, leave := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	defer reading.Wait()
	defer leave()
	ann, bob := w.signIn(t, 0), w.signIn(t, 1)
	open := func(n int, header ...string) (streams []*liveStream) {
		for i := range n {
			streams = append(streams, openStream(ctx, t, &reading, bases[i%len(bases)], header...))
		}
		return streams
	}
	strangers, bobs := open(*replicasStreams-perAccount), open(perAccount, bob.bearer()...)
	all := func() []*liveStream { return slices.Concat(strangers, bobs) }
	until := func(what string, streams []*liveStream, holds func(*liveStream) bool) {
		t.Helper()
		w.eventually(t, what, func() bool {
			return !slices.ContainsFunc(streams, func(s *liveStream) bool { return !holds(s) })
		})
	}
	shows := func(s *liveStream) bool { return s.showsSomebody.Load() }
	hidden := func(s *liveStream) bool { return !s.showsSomebody.Load() }
	over := func(s *liveStream) bool { return s.isOver.Load() }
	took := map[string][]time.Duration{}
	// measure calls the function act, and measures how long it takes until each stream shows the
	// effect of the call.
	measure := func(what string, act func(), streams []*liveStream, holds func(*liveStream) bool) {
		t.Helper()
		began := time.Now()
		act()
		until(what, streams, holds)
		for _, s := range streams {
			took[what] = append(took[what], time.Unix(0, s.changedAt.Load()).Sub(began))
		}
	}
	call := func(user signedIn, method, path string) func() {
		return func() { w.wantStatus(t, w.Call(method, prefix+path, nil, user.bearer()...), 200, "") }
	}
	for range rounds {
		(&worldPair{t: t}).link(w.db, ann.UserID)
		w.writePlayback(t, ann.UserID, "A song")
		until("Ann on all streams", all(), shows)

		measure("hiding", func() { w.share(t, ann, map[string]any{"now": "nobody"}) }, all(), hidden)
		w.share(t, ann, map[string]any{"now": "everyone"})
		w.writePlayback(t, ann.UserID, "Another song")
		until("Ann on all streams again", all(), shows)

		measure("block", call(ann, "PUT", "/people/"+bob.handle()+"/block"), bobs, hidden)
		call(ann, "DELETE", "/people/"+bob.handle()+"/block")()
		until("Ann on the streams of Bob", bobs, shows)

		measure("logout", call(bob, "POST", "/logout"), bobs, over)
		bob = w.signIn(t, 1)
		bobs = open(len(bobs), bob.bearer()...)
		until("Ann on the new streams of Bob", bobs, shows)

		measure("erasure", call(ann, "DELETE", "/me"), all(), hidden)
		ann = w.signIn(t, 0)
	}
	for what, times := range took {
		slices.Sort(times)
		p99 := times[len(times)*99/100-1]
		t.Logf("%s, %d open streams: median %v, p99 %v, longest %v", what, *replicasStreams, times[len(times)/2], p99, times[len(times)-1])
		if p99 > time.Second {
			t.Errorf("%s: p99 is %v, want at most 1 s", what, p99)
		}
	}
}
