package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	"github.com/songspy/songspy/songspy-batch/internal/poller"
	"github.com/songspy/songspy/songspy-batch/internal/schedule"
	"github.com/songspy/songspy/songspy-batch/internal/tokens"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
	"github.com/songspy/songspy/songspy-domain/spotify"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-sim/sim"
)

const (
	// defaultWarmUp is how long a policy runs before the measurement starts, so
	// that the first polls of users are not measured.
	defaultWarmUp = time.Hour
	// coolDown is how long a policy runs after the measurement. Each user's history
	// is fetched once more in this time, because history lists some plays late, for
	// example those of a phone without a network.
	coolDown = playback.HistoryFetchInterval + time.Hour
	// workers limits the concurrent polls. It does not change the results, because
	// a poll takes no virtual time.
	workers = 64
)

// policyRun is one run of one policy.
type policyRun struct {
	options
	policy policy
	calls  int // the most calls that the oracle may make; 0 means no limit

	sim      *sim.Sim
	db       *recordingStore
	path     string
	client   *spotify.Apps
	from, to time.Time // the measured time
	viewing  []visit   // what viewers watch; nil for a policy without viewers
}

// run runs the policy in virtual time and returns its figures.
func (r *policyRun) run(t *testing.T) (figures result) {
	began := time.Now()
	r.path = filepath.Join(t.TempDir(), "songspy.db")
	synctest.Test(t, func(t *testing.T) {
		if err := r.build(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.runPolicy(t.Context()); err != nil {
			t.Error(err)
		}
		if err := r.db.Close(); err != nil {
			t.Error(err)
		}
	})
	if t.Failed() {
		return result{Policy: r.policy.name}
	}
	plays, err := storedPlays(r.path)
	if err != nil {
		t.Fatal(err)
	}
	figures = r.judge(plays)
	figures.Seconds = time.Since(began).Seconds()
	return figures
}

// build creates the simulator, the store and the client. All simulated people are users
// with a link.
func (r *policyRun) build(ctx context.Context) (err error) {
	r.from = time.Now().Add(r.policy.warmUp())
	r.to = r.from.Add(time.Duration(r.days) * 24 * time.Hour)
	if r.policy.viewers {
		r.viewing = r.visits(time.Now())
	}
	r.db = &recordingStore{from: r.from, to: r.to, explain: r.explain, people: make([]observations, r.people)}
	if r.policy.wholePlays {
		r.habits.WholeOnly = 1
	}
	r.sim, err = sim.New(sim.Options{
		Seed: r.seed, People: r.people, Habits: &r.habits, Epoch: time.Now(), Observe: r.db.recordCall,
		// No token expires, because renewals are not measured.
		AccessTokenLife: time.Until(r.to.Add(24 * time.Hour)),
		Quirks:          sim.Quirks{QuotaPer24h: r.policy.quota},
	})
	if err != nil {
		return err
	}
	quiet := slog.New(slog.DiscardHandler)
	r.db.Store, err = store.Open(ctx, store.Options{
		URL: "sqlite:" + r.path, SealKeys: []store.SealKey{{ID: "bench", Key: bytes.Repeat([]byte("b"), 32)}}, Logger: quiet,
	})
	if err != nil {
		return err
	}
	if err := r.db.Migrate(ctx); err != nil {
		return err
	}
	for person := range r.people {
		if err := r.addUser(ctx, person); err != nil {
			return err
		}
	}
	r.client = spotify.NewApps(spotify.Config{
		Transport: r.sim.Transport(), Logger: quiet,
		DailyCalls: int64(r.policy.perDay * r.people),
	}, spotify.App{ID: sim.SpotifyClientID, Secret: sim.SpotifyClientSecret})
	return nil
}

// userOf returns the user ID of a person of the simulator.
func userOf(person int) songspy.UserID { return songspy.UserID(person + 1) }

func (r *policyRun) addUser(ctx context.Context, person int) error {
	u, _, err := r.db.SignIn(ctx, songspy.GoogleProfile{Subject: fmt.Sprint(person)}, songspy.AudienceEveryone)
	if err != nil {
		return err
	}
	if u.ID != userOf(person) {
		return fmt.Errorf("person %d has user ID %d instead of the next number", person, u.ID)
	}
	access, refresh := r.sim.SpotifyTokens(person)
	_, err = r.db.SaveLink(ctx, songspy.NewLink{
		UserID: u.ID, App: sim.SpotifyClientID,
		Account: songspy.SpotifyAccount{AccountID: fmt.Sprintf("account-%d", person)},
		Grant: songspy.Grant{
			AccessToken: songspy.Secret(access), RefreshToken: songspy.Secret(refresh),
			ExpiresAt: r.to.Add(24 * time.Hour), Scope: strings.Join(songspy.NeededScopes(), " "), Auth: songspy.AuthBasic,
		},
	})
	return err
}

// runPolicy runs the policy until the cool-down has ended.
func (r *policyRun) runPolicy(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, r.to.Add(coolDown))
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { r.reportProgress(ctx); return nil })
	if r.policy.oracle {
		group.Go(func() error { return r.runOracle(ctx) })
	} else {
		r.startPoller(ctx, group)
	}
	return group.Wait()
}

// startPoller starts the batch's poller, with the same wiring as songspy-batch.
func (r *policyRun) startPoller(ctx context.Context, group *errgroup.Group) {
	quiet, registry := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	users := poller.NewRegistry(time.Now, &poller.QuotaOptions{
		Account: r.client.QuotaAccount, Headroom: r.client.QuotaHeadroom, Share: func() float64 { return 1 },
	})
	renewer := &tokens.Renewer{
		Links: r.db, Provider: r.client, OnRenewed: users.UpdateLink, Now: time.Now, Logger: quiet, Metrics: tokens.NewMetrics(registry),
	}
	var attention *poller.AttentionOptions
	if r.policy.attention > 0 {
		attention = &poller.AttentionOptions{Share: r.policy.attention, Store: &watchStore{visits: r.viewing, db: r.db, shown: make([]bool, r.people)}}
	}
	p := poller.New(poller.Options{
		Attention: attention,
		Registry:  users, Store: r.db, Feed: r.db, Player: r.client, Renewer: renewer,
		Interval: r.policy.interval, Spread: r.policy.planned, Workers: workers,
		Now: time.Now, Logger: quiet, Metrics: poller.NewMetrics(registry),
	})
	group.Go(func() error { p.Run(ctx); return nil })
	group.Go(func() error {
		return schedule.Run(ctx, schedule.Options{Logger: quiet}, schedule.Job{
			Name: "CurrentPlayingTrackScheduler", Interval: r.policy.interval, Run: p.Plan,
		})
	})
}

// reportProgress prints a line to stderr after each virtual day, from the warm-up to the
// cool-down.
func (r *policyRun) reportProgress(ctx context.Context) {
	const day = 24 * time.Hour
	days := int((r.policy.warmUp() + time.Duration(r.days)*day + coolDown) / day)
	for n := 1; delayqueue.Wait(ctx, day); n++ {
		fmt.Fprintf(os.Stderr, "%s: day %d of %d has ended\n", r.policy.name, n, days)
	}
}
