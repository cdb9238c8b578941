package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// asBatch has the test's own binary be a batch: replicas are processes.
const runAsBatchEnv = "SONGSPY_TEST_AS_BATCH"

// shortLease is what the replicas of these tests agree on. No call to the
// simulator takes nearly as long as its calls may.
var shortLease = leaseTimes{length: 5 * time.Second, callTimeout: 2 * time.Second}

func TestMain(m *testing.M) {
	if os.Getenv(runAsBatchEnv) != "" {
		replicaLease = shortLease
		os.Exit(start())
	}
	os.Exit(m.Run())
}

// wire is a TCP proxy that can be cut: nothing passes any more, and nobody is told.
type proxy struct {
	network, target string
	cut             atomic.Bool
}

// newWire lays a wire to the database's server, and gives its URL by way of it.
// A throwaway server may be reached by a socket in a folder alone.
func newProxy(t *testing.T, database string) (w *proxy, through string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	query, port := u.Query(), cmp.Or(u.Port(), u.Query().Get("port"), "5432")
	w = &proxy{network: "tcp", target: net.JoinHostPort(u.Hostname(), port)}
	if folder := query.Get("host"); folder != "" {
		w.network, w.target = "unix", filepath.Join(folder, ".s.PGSQL."+port)
	}
	query.Del("host")
	query.Del("port")
	query.Set("sslmode", "disable")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u.Host, u.RawQuery = l.Addr().String(), query.Encode()
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go w.forward(t.Context(), near)
		}
	}()
	return w, u.String()
}

func (w *proxy) forward(ctx context.Context, near net.Conn) {
	defer near.Close()
	far, err := (&net.Dialer{}).DialContext(ctx, w.network, w.target)
	if err != nil {
		return
	}
	defer far.Close()
	stop := context.AfterFunc(ctx, func() { _ = near.Close(); _ = far.Close() })
	defer stop()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() { _, _ = io.Copy(proxyWriter{w, way[1]}, way[0]) })
	}
	both.Wait()
}

// swallower passes on what is written, until its wire is cut.
type proxyWriter struct {
	proxy *proxy
	to    io.Writer
}

func (s proxyWriter) Write(p []byte) (int, error) {
	if s.proxy.cut.Load() {
		return len(p), nil
	}
	return s.to.Write(p)
}

// fleet is replicas of the batch over one Postgres and one simulated Spotify.
type replicaSet struct {
	t       *testing.T
	spotify *httptest.Server
	mu      sync.Mutex
	polls   map[int][]time.Time // at each person
}

func newReplicaSet(t *testing.T, people int, url string, key []byte) *replicaSet {
	t.Helper()
	f := &replicaSet{t: t, polls: map[int][]time.Time{}}
	s, err := sim.New(sim.Options{
		People: people, Epoch: time.Now().Add(24 * time.Hour), // nobody plays anything: every look is the floor's
		Observe: func(c sim.Call) {
			if c.Endpoint.String() == "currently-playing" {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.polls[c.Person] = append(f.polls[c.Person], c.At)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	f.spotify = httptest.NewServer(s.Handler())
	t.Cleanup(f.spotify.Close)
	db, err := store.Open(t.Context(), store.Options{URL: url, SealKeys: []store.SealKey{{ID: "test", Key: key}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for person := range people {
		u, _, err := db.SignIn(t.Context(), songspy.GoogleProfile{Subject: fmt.Sprint(person)}, songspy.AudienceEveryone)
		if err != nil {
			t.Fatal(err)
		}
		access, refresh := s.SpotifyTokens(person)
		_, err = db.SaveLink(t.Context(), store.NewLink{
			UserID: u.ID, App: sim.SpotifyClientID, Account: songspy.SpotifyAccount{AccountID: fmt.Sprint(person)},
			Grant: songspy.Grant{
				AccessToken: songspy.Secret(access), RefreshToken: songspy.Secret(refresh), ExpiresAt: time.Now().Add(time.Hour),
				Scope: strings.Join(songspy.NeededScopes(), " "), Auth: songspy.AuthBasic,
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// replica starts one more batch; kill ends it without a word.
func (f *replicaSet) startReplica(url string, key []byte, interval time.Duration) (addr string, kill func()) {
	f.t.Helper()
	addr = freeAddr(f.t)
	cmd := exec.CommandContext(f.t.Context(), os.Args[0])
	cmd.Dir = f.t.TempDir()
	cmd.Env = []string{
		runAsBatchEnv + "=1", "PATH=" + os.Getenv("PATH"), "SONGSPY_ENV=development",
		"SONGSPY_DATABASE_URL=" + url, "SONGSPY_BATCH_ADDR=" + addr,
		"SONGSPY_SEAL_KEYS=test:" + base64.StdEncoding.EncodeToString(key),
		"SONGSPY_POLL_INTERVAL=" + interval.String(),
		"SONGSPY_SPOTIFY_CLIENT_ID=" + sim.SpotifyClientID, "SONGSPY_SPOTIFY_CLIENT_SECRET=" + sim.SpotifyClientSecret,
		"SONGSPY_SPOTIFY_AUTHORIZE_URL=" + f.spotify.URL + "/spotify/accounts/authorize",
		"SONGSPY_SPOTIFY_ACCOUNTS_URL=" + f.spotify.URL + "/spotify/accounts", "SONGSPY_SPOTIFY_API_URL=" + f.spotify.URL + "/spotify/api",
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	kill = sync.OnceFunc(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	f.t.Cleanup(func() {
		kill()
		if f.t.Failed() {
			f.t.Logf("replica at %s:\n%s", addr, said.String())
		}
	})
	return addr, kill
}

// says waits until the readiness of the replica at the address holds the words.
func (f *replicaSet) waitForReadyz(addr string, words func(string) bool) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 40*time.Second)
	defer cancel()
	var answer string
	for ctx.Err() == nil {
		if answer = fetchBody(ctx, "http://"+addr+"/readyz"); words(answer) {
			return
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	f.t.Fatalf("the replica at %s says %q", addr, answer)
}

// get is the body of an answer; empty without one.
func fetchBody(ctx context.Context, address string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return ""
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

// TestReplicasCoverForEachOther kills one of three replicas and cuts another
// off its database in mid-sweep, and holds every look against what was planned:
// each person's place in each interval has one look, as late as a lease at most,
// and a second one only if the first was of the last second that nobody told of.
// It measures by the wall clock, so it never runs next to other tests: it is not
// parallel, and make test runs it after all others.
func TestReplicasCoverForEachOther(t *testing.T) {
	storetest.Server(t)
	const people, interval = 400, 8 * time.Second
	late := shortLease.length + 2*time.Second
	const untold = time.Second + 200*time.Millisecond // and what a look takes
	key := bytes.Repeat([]byte("k"), 32)
	database := storetest.New(t, storetest.Postgres)
	cutProxy, through := newProxy(t, database.URL)

	f := newReplicaSet(t, people, database.URL, key)
	_, killFirst := f.startReplica(database.URL, key, interval)
	cutOff, _ := f.startReplica(through, key, interval)
	last, _ := f.startReplica(database.URL, key, interval)
	for _, addr := range []string{cutOff, last} {
		f.waitForReadyz(addr, func(s string) bool {
			return strings.HasPrefix(s, "ready") && strings.Contains(s, "looks after 2") && strings.Contains(s, "3 in all")
		})
	}
	settled := time.Now()
	<-time.After(interval + 2*time.Second)
	killed := time.Now()
	killFirst()
	<-time.After(2 * time.Second)
	cut := time.Now()
	cutProxy.cut.Store(true)
	f.waitForReadyz(last, func(s string) bool { return strings.Contains(s, "looks after 64 of 64") })
	if took := time.Since(cut); took > 2*shortLease.length {
		t.Errorf("the last replica took %v to take everyone over", took)
	}
	f.waitForReadyz(cutOff, func(s string) bool { return strings.Contains(s, "has not renewed this replica's leases") })
	<-time.After(interval)
	until := time.Now()

	f.mu.Lock()
	defer f.mu.Unlock()
	again := 0
	for person := range people {
		planned := songspy.PhaseOf(songspy.UserID(person+1), interval)
		polls := map[int64][]time.Time{} // by the time that they were planned for
		for _, at := range f.polls[person] {
			slot := delayqueue.NextAtPhase(at, planned, interval).Add(-interval).UnixNano()
			polls[slot] = append(polls[slot], at)
		}
		for slot := delayqueue.NextAtPhase(settled, planned, interval); slot.Add(late).Before(until); slot = slot.Add(interval) {
			made := polls[slot.UnixNano()]
			if len(made) == 0 || made[0].Sub(slot) > late {
				t.Errorf("person %d was to be looked at at %v, and was at %v", person, slot, made)
				continue
			}
			for i := range made[1:] {
				inFlight := func(event time.Time) bool { return made[i].Sub(event).Abs() < untold }
				if again++; !inFlight(killed) && !inFlight(cut) {
					t.Errorf("person %d was looked at %v after the kill and %v after the cut, and again %v later",
						person, made[i].Sub(killed), made[i].Sub(cut), made[i+1].Sub(made[i]))
				}
			}
		}
	}
	// A second's looks of a third of the people, of each of the two.
	if most := 2 * people / 3 / int(interval/time.Second) * 3; again > most {
		t.Errorf("%d looks were made again, more than %d", again, most)
	}
	t.Logf("%d looks of the last second were made again", again)
}
