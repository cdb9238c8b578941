package spotify_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/gate"
	allowance "github.com/songspy/songspy/songspy-domain/quota"
	"github.com/songspy/songspy/songspy-domain/spotify"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// building is several processes over one database.
type building struct {
	sim   *sim.Sim
	db    *store.Store
	down  atomic.Bool // the database cannot be asked
	lost  atomic.Bool // the database counts calls, but its answer is lost
	token songspy.Secret
}

func newBuilding(t *testing.T, o sim.Options) *building {
	t.Helper()
	b := &building{sim: newSim(t, o)}
	token, _ := b.sim.SpotifyTokens(0)
	b.token = songspy.Secret(token)
	db, err := store.Open(t.Context(), store.Options{
		URL: "sqlite:" + filepath.Join(t.TempDir(), "doors.db"), SealKeys: []store.SealKey{{ID: "k", Key: bytes.Repeat([]byte("k"), 32)}},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.db = db
	return b
}

var errDown = errors.New("the database is down")

func (b *building) Door(ctx context.Context, app string) (gate.Kept, error) {
	if b.down.Load() {
		return gate.Kept{}, errDown
	}
	return b.db.Door(ctx, app)
}

func (b *building) SwapDoor(ctx context.Context, app string, version int64, to gate.Shared) (bool, error) {
	if b.down.Load() {
		return false, errDown
	}
	return b.db.SwapDoor(ctx, app, version, to)
}

func (b *building) CountCalls(ctx context.Context, account string, batch allowance.Batch, calls []allowance.Bucket, since time.Time) ([]allowance.Bucket, error) {
	if b.down.Load() {
		return nil, errDown
	}
	all, err := b.db.CountCalls(ctx, account, batch, calls, since)
	if b.lost.Load() {
		return nil, errDown
	}
	return all, err
}

func (b *building) CountedSince(ctx context.Context, account string) (time.Time, error) {
	if b.down.Load() {
		return time.Time{}, errDown
	}
	return b.db.CountedSince(ctx, account)
}

func (b *building) SaveRefusal(ctx context.Context, account string, r allowance.Refusal) error {
	if b.down.Load() {
		return errDown
	}
	return b.db.SaveRefusal(ctx, account, r)
}

func (b *building) LastRefusal(ctx context.Context, account string) (allowance.Refusal, error) {
	if b.down.Load() {
		return allowance.Refusal{}, errDown
	}
	return b.db.LastRefusal(ctx, account)
}

// process is one more process; it shares its doors until the test ends.
func (b *building) process(t *testing.T, configure ...func(*spotify.Config)) *spotify.Client {
	t.Helper()
	client := against(b.sim, append([]func(*spotify.Config){func(c *spotify.Config) { c.Doors = b }}, configure...)...)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); client.Keep(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return client
}

func (b *building) look(t *testing.T, client *spotify.Client) error {
	t.Helper()
	_, err := client.CurrentlyPlaying(t.Context(), b.token)
	return err
}

// asked is how many looks have reached Spotify.
func (b *building) asked() (n int64) {
	for _, count := range b.sim.Stats().Requests["currently-playing"] {
		n += count
	}
	return n
}

// close has Spotify refuse one look of the client for so long.
func (b *building) close(t *testing.T, client *spotify.Client, seconds int) {
	t.Helper()
	b.sim.Fault(sim.Fault{Endpoint: "currently-playing", Person: sim.Everyone, Kind: sim.RateLimited, RetryAfter: &seconds, Times: 1})
	if b.look(t, client) == nil {
		t.Fatal("the look was not refused")
	}
}

func TestSharedDoors_OneRefusalStopsEveryProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const refused = 79_892
		b := newBuilding(t, sim.Options{People: 1, AccessTokenLife: 100 * time.Hour})
		one, other := b.process(t), b.process(t)
		if err := b.look(t, other); err != nil {
			t.Fatal(err)
		}
		b.close(t, one, refused)
		<-time.After(time.Second)
		before := b.asked()
		restarted := b.process(t)
		for _, c := range []*spotify.Client{one, other, restarted} {
			if err := b.look(t, c); songspy.DispositionOf(err) != songspy.DispositionAppPaused {
				t.Errorf("a look through the closed door gave %v", err)
			}
			if c.Ready(t.Context()) == nil {
				t.Error("somebody would spend a code at the closed door")
			}
		}
		<-time.After((refused - 5) * time.Second)
		for _, c := range []*spotify.Client{one, other, restarted} {
			_ = b.look(t, c)
		}
		if got := b.asked(); got != before {
			t.Fatalf("%d calls went through a closed door", got-before)
		}
		<-time.After(10 * time.Second)
		// One probe in all; until it is back nobody else passes.
		b.sim.Fault(sim.Fault{Endpoint: "currently-playing", Person: sim.Everyone, Kind: sim.Slow, Delay: 5 * time.Second, Times: 1})
		var allowed atomic.Int64
		var looks sync.WaitGroup
		for _, c := range []*spotify.Client{one, other, restarted} {
			looks.Go(func() {
				if b.look(t, c) == nil {
					allowed.Add(1)
				}
			})
		}
		looks.Wait()
		if got := b.asked() - before; got != 1 || allowed.Load() != 1 {
			t.Fatalf("%d calls left and %d were answered as the door came due, want the one probe", got, allowed.Load())
		}
		<-time.After(time.Second)
		for _, c := range []*spotify.Client{one, other, restarted} {
			if err := b.look(t, c); err != nil {
				t.Errorf("once the probe has opened the door: %v", err)
			}
		}
	})
}

func TestSharedDoors_NobodyProbesUnlessEverybodyCanKnow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, sim.Options{People: 1, AccessTokenLife: 100 * time.Hour})
		one := b.process(t)
		b.close(t, one, 60)
		before := b.asked()
		b.down.Store(true)
		<-time.After(2 * time.Minute)
		if err := b.look(t, one); songspy.DispositionOf(err) != songspy.DispositionAppPaused || b.asked() != before {
			t.Fatalf("a probe that nobody could be told of: %v", err)
		}
		b.down.Store(false)
		<-time.After(10 * time.Second)
		if err := b.look(t, one); err != nil {
			t.Fatalf("once the database is back: %v", err)
		}
	})
}

func TestSharedDoors_WithoutTheDatabaseCallsGoOnUnderWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, sim.Options{People: 1, AccessTokenLife: 100 * time.Hour})
		one, other := b.process(t), b.process(t)
		if err := errors.Join(b.look(t, one), b.look(t, other)); err != nil {
			t.Fatal(err)
		}
		b.down.Store(true)
		if err := b.look(t, other); err != nil {
			t.Fatalf("an open door needs no database: %v", err)
		}
		fresh := b.process(t)
		if err := b.look(t, fresh); songspy.CodeOf(err) != songspy.CodeUnavailable {
			t.Fatalf("a process that does not know whether the door is closed gave %v", err)
		}
		b.close(t, one, 3600)
		<-time.After(time.Minute)
		b.down.Store(false)
		<-time.After(2 * time.Second)
		before := b.asked()
		for _, c := range []*spotify.Client{one, other, fresh} {
			_ = b.look(t, c)
		}
		if got := b.asked(); got != before {
			t.Fatalf("%d calls passed a door whose closing could be told only late", got-before)
		}
	})
}

func TestSharedDoors_ProcessesTogetherKeepThePaceThatSpotifyAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const allowed, processes = 150, 3 // calls in 30 s
		b := newBuilding(t, sim.Options{People: 1, AccessTokenLife: 100 * time.Hour, Variants: sim.Variants{CallsPer30s: allowed}})
		var clients []*spotify.Client
		for range processes {
			clients = append(clients, b.process(t, func(c *spotify.Config) { c.Share = func() float64 { return 1.0 / processes } }))
		}
		tick := time.NewTicker(time.Second / 40) // eight times what is allowed
		defer tick.Stop()
		const span = 20 * time.Minute
		for i, begun := 0, time.Now(); time.Since(begun) < span; i++ {
			_ = b.look(t, clients[i%processes])
			<-tick.C
		}
		calls := b.sim.Stats().Requests["currently-playing"]
		var answered int64
		for status, n := range calls {
			if status < 300 {
				answered += n
			}
		}
		most := int64(allowed * span / (30 * time.Second))
		if answered < most/3 || calls[429] > answered/50 {
			t.Fatalf("of %d allowed %d calls were answered and %d refused", most, answered, calls[429])
		}
	})
}

func TestSharedDoors_CallsAreCountedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, sim.Options{People: 1, AccessTokenLife: 100 * time.Hour})
		bounded := func(c *spotify.Config) { c.DailyCalls = 20 }
		one, other := b.process(t, bounded), b.process(t, bounded)
		for range 10 {
			if err := errors.Join(b.look(t, one), b.look(t, other)); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(10 * time.Second)
		for _, c := range []*spotify.Client{one, other, b.process(t, bounded)} {
			if err := b.look(t, c); err == nil {
				t.Error("a poll passed beyond the calls that the operator allows")
			}
			if got := c.QuotaStanding().Calls; got.Sum() != 20 {
				t.Errorf("the calls that are known are %v, want 20", got)
			}
		}
		if _, err := one.Account(t.Context(), b.token); err != nil {
			t.Errorf("somebody waits for this call: %v", err)
		}
		<-time.After(24*time.Hour + allowance.BucketLength)
		if err := b.look(t, other); err != nil {
			t.Errorf("once they have left the window: %v", err)
		}
	})
}

func TestSharedDoors_CallsAreCountedOnceThoughTheDatabasesAnswerIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, sim.Options{People: 1, AccessTokenLife: 100 * time.Hour})
		one := b.process(t)
		if err := b.look(t, one); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Second)
		b.lost.Store(true)
		for range 4 {
			if err := b.look(t, one); err != nil {
				t.Fatal(err)
			}
			<-time.After(10 * time.Second) // and written again each time
		}
		b.lost.Store(false)
		<-time.After(10 * time.Second)
		for _, c := range []*spotify.Client{one, b.process(t)} {
			if err := b.look(t, c); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(10 * time.Second)
		if got := one.QuotaStanding().Calls.Sum(); got != 7 || b.asked() != 7 {
			t.Errorf("%d calls are counted and %d were made, want 7", got, b.asked())
		}
	})
}

// roundTrip is a transport that is a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSharedDoors_CallsThatNeverLeftAreNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, sim.Options{People: 1, AccessTokenLife: 100 * time.Hour})
		refuses := func(c *spotify.Config) {
			c.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
				return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
			})
		}
		one, other := b.process(t), b.process(t)
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.look(t, one); err != nil {
			t.Fatal(err)
		}
		if _, err := one.CurrentlyPlaying(canceled, b.token); err == nil {
			t.Error("a canceled call was answered")
		}
		if err := b.look(t, b.process(t, func(c *spotify.Config) { c.May = func() bool { return false } })); err == nil {
			t.Error("a call was answered that this process may not make")
		}
		if err := b.look(t, b.process(t, refuses)); err == nil {
			t.Error("a call was answered that reached nobody")
		}
		b.close(t, one, 60) // counts
		<-time.After(61 * time.Second)
		both := make(chan error, 2) // of two probes one is withdrawn
		for _, c := range []*spotify.Client{one, other} {
			go func() { both <- b.look(t, c) }()
		}
		if first, second := <-both, <-both; first != nil && second != nil {
			t.Fatal(first, second)
		}
		<-time.After(10 * time.Second)
		if got := one.QuotaStanding().Calls.Sum(); got != b.asked() {
			t.Errorf("%d calls are counted, %d reached Spotify", got, b.asked())
		}
	})
}

func TestSharedDoors_WhatARefusalTeachesIsEverybodysAndOutlastsARestart(t *testing.T) {
	if testing.Short() {
		t.Skip("many hours of virtual time: make test-days runs them")
	}
	synctest.Test(t, func(t *testing.T) {
		const size = 400
		b := newBuilding(t, sim.Options{People: 1, AccessTokenLife: 100 * time.Hour, Variants: sim.Variants{QuotaPer24h: size}})
		one, other := b.process(t), b.process(t)
		var refused error
		began := time.Now()
		for refused == nil {
			<-time.After(time.Minute)
			if refused = b.look(t, one); refused == nil && time.Since(began) > 24*time.Hour {
				t.Fatal("the quota was never exceeded")
			}
		}
		// The oldest call leaves the window a day after it was made.
		if wait, want := songspy.RetryAfterOf(refused), time.Until(began.Add(time.Minute+24*time.Hour)); (wait - want).Abs() > time.Second {
			t.Errorf("the door is closed for %v, want %v", wait, want)
		}
		<-time.After(10 * time.Second)
		for _, c := range []*spotify.Client{one, other, b.process(t)} {
			if err := b.look(t, c); err == nil {
				t.Error("a poll passed the door that the quota closed")
			}
			last := c.QuotaStanding().Last
			if last.Quota != size || last.Endpoint != allowance.EndpointPlaying || last.Calls[allowance.EndpointPlaying] != size+1 || last.RetryAfterMS == 0 {
				t.Errorf("known of the refusal is %+v", last)
			}
			if limit := c.QuotaStanding().Limit; limit != size*95/100 {
				t.Errorf("%d calls are planned, want 95 %% of %d", limit, size)
			}
		}
		<-time.After(24 * time.Hour)
		if err := b.look(t, other); err != nil {
			t.Errorf("once the calls have left the window: %v", err)
		}
	})
}
