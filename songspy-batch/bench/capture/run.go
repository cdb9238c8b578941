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
	// before is how long everything runs before it is measured, so that no
	// first look is.
	defaultWarmUp = time.Hour
	// after is how long it goes on, so that what is noticed late still counts:
	// what a phone without a network played is told when history is next asked.
	coolDown = playback.HistoryFetchInterval + time.Hour
	// workers bounds the looks under way; in virtual time they take none.
	workers = 64
)

// record is one policy's run: what it was told to do, and what it saw.
type policyRun struct {
	options
	policy policy
	calls  int // an oracle's allowance; 0: no bound

	sim      *sim.Sim
	db       *recordingStore
	path     string
	client   *spotify.Apps
	from, to time.Time // what is measured
}

// run runs the policy in virtual time and judges it.
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

// build makes the world: people at the simulator who have signed up and linked.
func (r *policyRun) build(ctx context.Context) (err error) {
	r.from = time.Now().Add(r.policy.warmUp())
	r.to = r.from.Add(time.Duration(r.days) * 24 * time.Hour)
	r.db = &recordingStore{from: r.from, to: r.to, explain: r.explain, people: make([]observations, r.people)}
	if r.policy.wholePlays {
		r.habits.WholeOnly = 1
	}
	r.sim, err = sim.New(sim.Options{
		Seed: r.seed, People: r.people, Habits: &r.habits, Epoch: time.Now(), Observe: r.db.recordCall,
		// Renewals are not what is measured.
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

// userOf is the user that a person of the simulator is.
func userOf(person int) songspy.UserID { return songspy.UserID(person + 1) }

func (r *policyRun) addUser(ctx context.Context, person int) error {
	u, _, err := r.db.SignIn(ctx, songspy.GoogleProfile{Subject: fmt.Sprint(person)}, songspy.AudienceEveryone)
	if err != nil {
		return err
	}
	if u.ID != userOf(person) {
		return fmt.Errorf("person %d became user %d", person, u.ID)
	}
	access, refresh := r.sim.SpotifyTokens(person)
	_, err = r.db.SaveLink(ctx, store.NewLink{
		UserID: u.ID, App: sim.SpotifyClientID,
		Account: songspy.SpotifyAccount{AccountID: fmt.Sprintf("account-%d", person)},
		Grant: songspy.Grant{
			AccessToken: songspy.Secret(access), RefreshToken: songspy.Secret(refresh),
			ExpiresAt: r.to.Add(24 * time.Hour), Scope: strings.Join(songspy.NeededScopes(), " "), Auth: songspy.AuthBasic,
		},
	})
	return err
}

// live lets the policy work until everything measured is over.
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

// work wires the batch's sweep as songspy-batch does, and runs it.
func (r *policyRun) startPoller(ctx context.Context, group *errgroup.Group) {
	quiet, registry := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	users := poller.NewRegistry(time.Now, &poller.QuotaOptions{
		Account: r.client.QuotaAccount, Headroom: r.client.QuotaHeadroom, Share: func() float64 { return 1 },
	})
	renewer := &tokens.Renewer{
		Links: r.db, Provider: r.client, OnRenewed: users.UpdateLink, Now: time.Now, Logger: quiet, Metrics: tokens.NewMetrics(registry),
	}
	p := poller.New(poller.Options{
		Registry: users, Store: r.db, Feed: r.db, Player: r.client, Renewer: renewer,
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

// report says how far it is, once a virtual day.
func (r *policyRun) reportProgress(ctx context.Context) {
	for day := 1; delayqueue.Wait(ctx, 24*time.Hour); day++ {
		fmt.Fprintf(os.Stderr, "%s: day %d of %d is over\n", r.policy.name, day, r.days)
	}
}
