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

// runAsBatchEnv is an environment variable. If it is set, the test binary runs as a batch, so
// that each replica in these tests is a process of its own.
const runAsBatchEnv = "SONGSPY_TEST_AS_BATCH"

// shortLease holds the lease times of the replicas in these tests, which are shorter than in
// production. Calls to the simulator are much shorter than callTimeout.
var shortLease = leaseTimes{length: 5 * time.Second, callTimeout: 2 * time.Second}

func TestLeases_OutlastTheLastCallsWhenTheyAreShortened(t *testing.T) {
	for _, l := range []leaseTimes{replicaLease, shortLease} {
		if shortened, lastCallEnds := l.length*3/4, time.Second+l.callTimeout; shortened < lastCallEnds {
			t.Errorf("a shortened lease ends after %s, and a call of its replica %s after the last renewal", shortened, lastCallEnds)
		}
	}
}

func TestMain(m *testing.M) {
	if os.Getenv(runAsBatchEnv) != "" {
		replicaLease = shortLease
		os.Exit(cli.Main(run))
	}
	os.Exit(m.Run())
}

// proxy is a TCP proxy. After cut is set, it drops all data without closing the
// connections.
type proxy struct {
	network, target string
	cut             atomic.Bool
}

// newProxy starts a proxy to the database's server. It returns the proxy, and the URL of the
// database through the proxy. The server may listen on a TCP port or on a Unix socket.
func newProxy(t *testing.T, database string) (p *proxy, through string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	query, port := u.Query(), cmp.Or(u.Port(), u.Query().Get("port"), "5432")
	p = &proxy{network: "tcp", target: net.JoinHostPort(u.Hostname(), port)}
	if folder := query.Get("host"); folder != "" {
		p.network, p.target = "unix", filepath.Join(folder, ".s.PGSQL."+port)
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
			go p.forward(t.Context(), near)
		}
	}()
	return p, u.String()
}

func (p *proxy) forward(ctx context.Context, near net.Conn) {
	defer near.Close()
	far, err := (&net.Dialer{}).DialContext(ctx, p.network, p.target)
	if err != nil {
		return
	}
	defer far.Close()
	stop := context.AfterFunc(ctx, func() { _ = near.Close(); _ = far.Close() })
	defer stop()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() { _, _ = io.Copy(proxyWriter{p, way[1]}, way[0]) })
	}
	both.Wait()
}

// proxyWriter forwards what is written to it until the proxy is cut.
type proxyWriter struct {
	proxy *proxy
	to    io.Writer
}

func (w proxyWriter) Write(b []byte) (int, error) {
	if w.proxy.cut.Load() {
		return len(b), nil
	}
	return w.to.Write(b)
}

// replicaSet is several replicas of the batch with one Postgres and one simulated Spotify.
type replicaSet struct {
	t       *testing.T
	spotify *httptest.Server
	mu      sync.Mutex
	polls   map[int][]time.Time // by person
}

func newReplicaSet(t *testing.T, people int, url string, key []byte) *replicaSet {
	t.Helper()
	f := &replicaSet{t: t, polls: map[int][]time.Time{}}
	s, err := sim.New(sim.Options{
		People: people, Epoch: time.Now().Add(24 * time.Hour), // nobody plays anything before tomorrow, so each person is polled once per interval
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
		_, err = db.SaveLink(t.Context(), songspy.NewLink{
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

// startReplica starts another batch in its own process. The returned function kill ends that
// process at once.
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
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	kill = sync.OnceFunc(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	f.t.Cleanup(func() {
		kill()
		if f.t.Failed() {
			f.t.Logf("replica at %s:\n%s", addr, output.String())
		}
	})
	return addr, kill
}

// waitForReadyz waits until the /readyz answer of the replica satisfies the condition.
func (f *replicaSet) waitForReadyz(addr string, satisfies func(string) bool) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 40*time.Second)
	defer cancel()
	var answer string
	for ctx.Err() == nil {
		if answer = fetchBody(ctx, "http://"+addr+"/readyz"); satisfies(answer) {
			return
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	f.t.Fatalf("/readyz of the replica at %s returns %q", addr, answer)
}

// fetchBody returns the body of a GET request, or an empty string if it fails.
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

// TestReplicasCoverForEachOther kills one of three replicas and cuts another off from the
// database. Then it compares the polls with the planned times: each person must be polled once
// per interval, and each poll may be late by the length of a lease plus two seconds at most. A
// second poll in an interval is allowed only if the first was made in the last second before a
// replica was lost, because that replica had not yet stored that the poll was made.
//
// The test measures real time. So it is not parallel, and "make test" runs it and similar tests
// after all others.
func TestReplicasCoverForEachOther(t *testing.T) {
	storetest.Server(t)
	const people, interval = 400, 8 * time.Second
	late := shortLease.length + 2*time.Second
	const unreported = time.Second + 200*time.Millisecond // the last second, whose polls a lost replica has not stored yet, plus the time that a poll takes
	key := bytes.Repeat([]byte("k"), 32)
	database := storetest.New(t, storetest.Postgres)
	cutProxy, through := newProxy(t, database.URL)

	f := newReplicaSet(t, people, database.URL, key)
	_, killFirst := f.startReplica(database.URL, key, interval)
	cutOff, _ := f.startReplica(through, key, interval)
	last, _ := f.startReplica(database.URL, key, interval)
	for _, addr := range []string{cutOff, last} {
		f.waitForReadyz(addr, func(s string) bool {
			return strings.HasPrefix(s, "ready") && strings.Contains(s, "holds 2") && strings.Contains(s, "Running replicas: 3")
		})
	}
	settled := time.Now()
	<-time.After(interval + 2*time.Second)
	killed := time.Now()
	killFirst()
	<-time.After(2 * time.Second)
	cut := time.Now()
	cutProxy.cut.Store(true)
	f.waitForReadyz(last, func(s string) bool { return strings.Contains(s, "holds 64 of 64") })
	if took := time.Since(cut); took > 2*shortLease.length {
		t.Errorf("the last replica needed %v to acquire all shards", took)
	}
	f.waitForReadyz(cutOff, func(s string) bool { return strings.Contains(s, "has not renewed this replica's leases") })
	<-time.After(interval)
	until := time.Now()

	f.mu.Lock()
	defer f.mu.Unlock()
	repeated := 0
	for person := range people {
		phase := songspy.PhaseOf(songspy.UserID(person+1), interval)
		polls := map[int64][]time.Time{} // by planned time, in nanoseconds
		for _, at := range f.polls[person] {
			due := delayqueue.NextAtPhase(at, phase, interval).Add(-interval).UnixNano()
			polls[due] = append(polls[due], at)
		}
		for due := delayqueue.NextAtPhase(settled, phase, interval); due.Add(late).Before(until); due = due.Add(interval) {
			made := polls[due.UnixNano()]
			if len(made) == 0 || made[0].Sub(due) > late {
				t.Errorf("person %d was to be polled at %v, and was polled at %v", person, due, made)
				continue
			}
			for i := range made[1:] {
				inFlight := func(event time.Time) bool { return made[i].Sub(event).Abs() < unreported }
				if repeated++; !inFlight(killed) && !inFlight(cut) {
					t.Errorf("person %d was polled %v after the kill and %v after the cut, and again %v later",
						person, made[i].Sub(killed), made[i].Sub(cut), made[i+1].Sub(made[i]))
				}
			}
		}
	}
	// Each of the two lost replicas polled a third of the users, and the polls of its last
	// second may be repeated. The test accepts three times as many repetitions.
	if most := 2 * people / 3 / int(interval/time.Second) * 3; repeated > most {
		t.Errorf("%d polls were repeated, want at most %d", repeated, most)
	}
	t.Logf("%d polls were repeated", repeated)
}
