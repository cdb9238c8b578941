package spotify_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
	allowance "github.com/songspy/songspy/songspy-domain/quota"
	"github.com/songspy/songspy/songspy-domain/spotify"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// processGroup is what several simulated processes share: a database and a simulated Spotify.
// It is the BreakerStore of these processes, and can simulate failures of the database.
type processGroup struct {
	sim   *sim.Sim
	db    *store.Store
	down  atomic.Bool // all calls of the database fail
	lost  atomic.Bool // CountCalls stores the calls, but returns an error as if its answer was lost
	token songspy.Secret
}

func newProcessGroup(t *testing.T, o sim.Options) *processGroup {
	t.Helper()
	b := &processGroup{sim: newSim(t, o)}
	token, _ := b.sim.SpotifyTokens(0)
	b.token = songspy.Secret(token)
	b.db = storetest.Open(t, storetest.SQLite)
	return b
}

var errDown = errors.New("the database is down")

func (b *processGroup) Breakers(ctx context.Context, app string) (breaker.Stored, error) {
	if b.down.Load() {
		return breaker.Stored{}, errDown
	}
	return b.db.Breakers(ctx, app)
}

func (b *processGroup) SwapBreakers(ctx context.Context, app string, version int64, to breaker.SharedBreakers) (bool, error) {
	if b.down.Load() {
		return false, errDown
	}
	return b.db.SwapBreakers(ctx, app, version, to)
}

func (b *processGroup) CountCalls(ctx context.Context, account string, batch allowance.Batch, calls []allowance.Bucket, since time.Time) ([]allowance.Bucket, error) {
	if b.down.Load() {
		return nil, errDown
	}
	all, err := b.db.CountCalls(ctx, account, batch, calls, since)
	if b.lost.Load() {
		return nil, errDown
	}
	return all, err
}

func (b *processGroup) CountedSince(ctx context.Context, account string) (time.Time, error) {
	if b.down.Load() {
		return time.Time{}, errDown
	}
	return b.db.CountedSince(ctx, account)
}

func (b *processGroup) SaveRefusal(ctx context.Context, account string, r allowance.Refusal) error {
	if b.down.Load() {
		return errDown
	}
	return b.db.SaveRefusal(ctx, account, r)
}

func (b *processGroup) LastRefusal(ctx context.Context, account string) (allowance.Refusal, error) {
	if b.down.Load() {
		return allowance.Refusal{}, errDown
	}
	return b.db.LastRefusal(ctx, account)
}

// newProcess starts one more simulated process, which shares its circuit breakers with
// the others until the test ends, and returns its client.
func (b *processGroup) newProcess(t *testing.T, configure ...func(*spotify.Config)) *spotify.Client {
	t.Helper()
	client := simClient(b.sim, append([]func(*spotify.Config){func(c *spotify.Config) { c.Breakers = b }}, configure...)...)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); client.SyncBreakers(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return client
}

func (b *processGroup) poll(t *testing.T, client *spotify.Client) error {
	t.Helper()
	_, err := client.CurrentlyPlaying(t.Context(), b.token)
	return err
}

// requestCount returns how many polls have reached the simulated Spotify.
func (b *processGroup) requestCount() (n int64) {
	for _, count := range b.sim.Stats().Requests["currently-playing"] {
		n += count
	}
	return n
}

// tripBreaker makes Spotify refuse one poll of the client with a Retry-After of
// the given number of seconds.
func (b *processGroup) tripBreaker(t *testing.T, client *spotify.Client, seconds int) {
	t.Helper()
	b.sim.Fault(sim.Fault{Endpoint: "currently-playing", Person: sim.Everyone, Kind: sim.RateLimited, RetryAfter: &seconds, Times: 1})
	if b.poll(t, client) == nil {
		t.Fatal("the poll was not refused")
	}
}

// TestSharedBreakers_OneRefusalStopsEveryProcess: Spotify refuses one call of one process. For as long as
// Retry-After says, no process may call, not even one that starts in the meantime. Then only one of
// them may send a probe. With -short, Retry-After is 7,892 s instead of 79,892 s.
func TestSharedBreakers_OneRefusalStopsEveryProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := 79_892
		if testing.Short() {
			refused = 7_892
		}
		b := newProcessGroup(t, sim.Options{People: 1, AccessTokenLife: 100 * time.Hour})
		one, other := b.newProcess(t), b.newProcess(t)
		if err := b.poll(t, other); err != nil {
			t.Fatal(err)
		}
		b.tripBreaker(t, one, refused)
		<-time.After(time.Second)
		before := b.requestCount()
		restarted := b.newProcess(t)
		for _, c := range []*spotify.Client{one, other, restarted} {
			if err := b.poll(t, c); songspy.DispositionOf(err) != songspy.DispositionAppBlocked {
				t.Errorf("a poll with an open breaker returned %v", err)
			}
			if c.Ready(t.Context()) == nil {
				t.Error("Ready returned nil although the breaker is open")
			}
		}
		<-time.After(time.Duration(refused-5) * time.Second)
		for _, c := range []*spotify.Client{one, other, restarted} {
			_ = b.poll(t, c)
		}
		if got := b.requestCount(); got != before {
			t.Fatalf("%d calls passed an open breaker", got-before)
		}
		<-time.After(10 * time.Second)
		// Only one probe is sent. Until it returns, no other call passes.
		b.sim.Fault(sim.Fault{Endpoint: "currently-playing", Person: sim.Everyone, Kind: sim.Slow, Delay: 5 * time.Second, Times: 1})
		var allowed atomic.Int64
		var polls sync.WaitGroup
		for _, c := range []*spotify.Client{one, other, restarted} {
			polls.Go(func() {
				if b.poll(t, c) == nil {
					allowed.Add(1)
				}
			})
		}
		polls.Wait()
		if got := b.requestCount() - before; got != 1 || allowed.Load() != 1 {
			t.Fatalf("half open: %d calls were sent and %d were answered, want one probe", got, allowed.Load())
		}
		<-time.After(time.Second)
		for _, c := range []*spotify.Client{one, other, restarted} {
			if err := b.poll(t, c); err != nil {
				t.Errorf("after the successful probe: %v", err)
			}
		}
	})
}

func TestSharedBreakers_NoProbeWithoutStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newProcessGroup(t, sim.Options{People: 1, AccessTokenLife: 100 * time.Hour})
		one := b.newProcess(t)
		b.tripBreaker(t, one, 60)
		before := b.requestCount()
		b.down.Store(true)
		<-time.After(2 * time.Minute)
		if err := b.poll(t, one); songspy.DispositionOf(err) != songspy.DispositionAppBlocked || b.requestCount() != before {
			t.Fatalf("a probe that could not be stored: %v", err)
		}
		b.down.Store(false)
		<-time.After(10 * time.Second)
		if err := b.poll(t, one); err != nil {
			t.Fatalf("once the database is back: %v", err)
		}
	})
}

func TestSharedBreakers_CallsContinueWithoutDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newProcessGroup(t, sim.Options{People: 1, AccessTokenLife: 100 * time.Hour})
		one, other := b.newProcess(t), b.newProcess(t)
		if err := errors.Join(b.poll(t, one), b.poll(t, other)); err != nil {
			t.Fatal(err)
		}
		b.down.Store(true)
		if err := b.poll(t, other); err != nil {
			t.Fatalf("a closed breaker must not need the database: %v", err)
		}
		fresh := b.newProcess(t)
		if err := b.poll(t, fresh); songspy.CodeOf(err) != songspy.CodeUnavailable {
			t.Fatalf("a process that could not read the breakers returned %v", err)
		}
		b.tripBreaker(t, one, 3600)
		<-time.After(time.Minute)
		b.down.Store(false)
		<-time.After(2 * time.Second)
		before := b.requestCount()
		for _, c := range []*spotify.Client{one, other, fresh} {
			_ = b.poll(t, c)
		}
		if got := b.requestCount(); got != before {
			t.Fatalf("%d calls passed a breaker whose opening was stored late", got-before)
		}
	})
}

func TestSharedBreakers_ProcessesShareRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const allowed, processes = 150, 3 // Spotify allows 150 calls in 30 s
		b := newProcessGroup(t, sim.Options{People: 1, AccessTokenLife: 100 * time.Hour, Quirks: sim.Quirks{CallsPer30s: allowed}})
		var clients []*spotify.Client
		for range processes {
			clients = append(clients, b.newProcess(t, func(c *spotify.Config) { c.Share = func() float64 { return 1.0 / processes } }))
		}
		tick := time.NewTicker(time.Second / 40) // eight times the limit
		defer tick.Stop()
		span := 20 * time.Minute
		if testing.Short() {
			span = 5 * time.Minute
		}
		for i, begun := 0, time.Now(); time.Since(begun) < span; i++ {
			_ = b.poll(t, clients[i%processes])
			<-tick.C
		}
		calls := b.sim.Stats().Requests["currently-playing"]
		var answered int64
		for status, n := range calls {
			if status < 300 {
				answered += n
			}
		}
		most := int64(allowed * (span / (30 * time.Second)))
		if answered < most/3 || calls[429] > answered/50 {
			t.Fatalf("of %d allowed calls %d were answered, and %d were refused", most, answered, calls[429])
		}
	})
}

// TestSharedBreakers_CallsAreCountedTogether: two processes make as many calls as the operator allows in 24
// hours. Then no process may make a routine call until these calls are more than 24 hours old. With
// -short, the test ends before that.
func TestSharedBreakers_CallsAreCountedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newProcessGroup(t, sim.Options{People: 1, AccessTokenLife: 100 * time.Hour})
		bounded := func(c *spotify.Config) { c.DailyCalls = 20 }
		one, other := b.newProcess(t, bounded), b.newProcess(t, bounded)
		for range 10 {
			if err := errors.Join(b.poll(t, one), b.poll(t, other)); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(10 * time.Second)
		for _, c := range []*spotify.Client{one, other, b.newProcess(t, bounded)} {
			if err := b.poll(t, c); err == nil {
				t.Error("a poll exceeded the operator's limit")
			}
			if got := c.QuotaStatus().Calls; got.Sum() != 20 {
				t.Errorf("the known calls are %v, want 20", got)
			}
		}
		if _, err := one.Account(t.Context(), b.token); err != nil {
			t.Errorf("an urgent call must not be limited: %v", err)
		}
		if testing.Short() {
			return
		}
		<-time.After(24*time.Hour + allowance.BucketLength)
		if err := b.poll(t, other); err != nil {
			t.Errorf("after the calls have left the window: %v", err)
		}
	})
}

func TestSharedBreakers_CountsCallsOnceIfStoreAnswerIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newProcessGroup(t, sim.Options{People: 1, AccessTokenLife: 100 * time.Hour})
		one := b.newProcess(t)
		if err := b.poll(t, one); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Second)
		b.lost.Store(true)
		for range 4 {
			if err := b.poll(t, one); err != nil {
				t.Fatal(err)
			}
			<-time.After(10 * time.Second) // meanwhile the process writes the same batch again
		}
		b.lost.Store(false)
		<-time.After(10 * time.Second)
		for _, c := range []*spotify.Client{one, b.newProcess(t)} {
			if err := b.poll(t, c); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(10 * time.Second)
		if got := one.QuotaStatus().Calls.Sum(); got != 7 || b.requestCount() != 7 {
			t.Errorf("%d calls are counted and %d were made, want 7", got, b.requestCount())
		}
	})
}

// roundTrip is a function that serves as an http.RoundTripper.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSharedBreakers_DoesNotCountUnsentCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newProcessGroup(t, sim.Options{People: 1, AccessTokenLife: 100 * time.Hour})
		refuses := func(c *spotify.Config) {
			c.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
				return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
			})
		}
		one, other := b.newProcess(t), b.newProcess(t)
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.poll(t, one); err != nil {
			t.Fatal(err)
		}
		if _, err := one.CurrentlyPlaying(canceled, b.token); err == nil {
			t.Error("a canceled call was answered")
		}
		if err := b.poll(t, b.newProcess(t, func(c *spotify.Config) { c.MayCall = func() bool { return false } })); err == nil {
			t.Error("a call was answered although MayCall returned false")
		}
		if err := b.poll(t, b.newProcess(t, refuses)); err == nil {
			t.Error("a call was answered without a connection")
		}
		b.tripBreaker(t, one, 60) // this call is sent and refused, so it counts
		<-time.After(61 * time.Second)
		both := make(chan error, 2) // both processes may try to probe; one of the probes is withdrawn and must not count
		for _, c := range []*spotify.Client{one, other} {
			go func() { both <- b.poll(t, c) }()
		}
		if first, second := <-both, <-both; first != nil && second != nil {
			t.Fatal(first, second)
		}
		<-time.After(10 * time.Second)
		if got := one.QuotaStatus().Calls.Sum(); got != b.requestCount() {
			t.Errorf("%d calls are counted, %d reached Spotify", got, b.requestCount())
		}
	})
}

func TestSharedBreakers_LearnedQuotaIsSharedAndStored(t *testing.T) {
	if testing.Short() {
		t.Skip("many hours of virtual time: make test-days runs them")
	}
	synctest.Test(t, func(t *testing.T) {
		const size = 400
		b := newProcessGroup(t, sim.Options{People: 1, AccessTokenLife: 100 * time.Hour, Quirks: sim.Quirks{QuotaPer24h: size}})
		one, other := b.newProcess(t), b.newProcess(t)
		var refused error
		began := time.Now()
		for refused == nil {
			<-time.After(time.Minute)
			if refused = b.poll(t, one); refused == nil && time.Since(began) > 24*time.Hour {
				t.Fatal("the quota was never exceeded")
			}
		}
		// The simulated Spotify sends the time until the oldest call is 24 hours old as Retry-After.
		if wait, want := songspy.RetryAfterOf(refused), time.Until(began.Add(time.Minute+24*time.Hour)); (wait - want).Abs() > time.Second {
			t.Errorf("the breaker is open for %v, want %v", wait, want)
		}
		<-time.After(10 * time.Second)
		for _, c := range []*spotify.Client{one, other, b.newProcess(t)} {
			if err := b.poll(t, c); err == nil {
				t.Error("a poll passed the breaker that the quota opened")
			}
			last := c.QuotaStatus().LastRefusal
			if last.Quota != size || last.Endpoint != allowance.EndpointPlaying || last.Calls[allowance.EndpointPlaying] != size+1 || last.RetryAfterMS == 0 {
				t.Errorf("the last refusal is %+v", last)
			}
			if limit := c.QuotaStatus().Limit; limit != size*95/100 {
				t.Errorf("%d calls are planned, want 95 %% of %d", limit, size)
			}
		}
		<-time.After(24 * time.Hour)
		if err := b.poll(t, other); err != nil {
			t.Errorf("after the calls have left the window: %v", err)
		}
	})
}
