package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/songspy/songspy/songspy-sim/sim"
)

// bench is one measurement with one number of users.
type bench struct {
	options
	logf   func(format string, args ...any)
	world  *sim.Sim // the same people and plays as in the simulator's process, because the seed is the same
	tokens []string // access tokens by person
	dir    string   // holds the binaries
	db     *database
	sim    *process
	fail   context.CancelCauseFunc
}

// warmUpCalls is how many calls the bare loop makes at the start, to estimate
// the rate.
const warmUpCalls = 20_000

// measure runs the whole measurement, and removes its files, processes and database.
func measure(ctx context.Context, o options, server string, logf func(string, ...any)) (r *report, err error) {
	ctx, failing := context.WithCancelCause(ctx)
	defer failing(nil)
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx) // the cause says more than the errors that follow from it
		}
	}()
	b := &bench{options: o, logf: logf, fail: failing}
	if b.dir, err = os.MkdirTemp("", "songspy-bench-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	logf("building songspy-batch and songspy-sim with the release's flags")
	if err := build(ctx, b.dir, "songspy-batch", "songspy-sim"); err != nil {
		return nil, err
	}
	// The access tokens stay valid longer than the run, so that no renewal
	// disturbs it.
	b.world, err = sim.New(sim.Options{Seed: seed, People: o.people, Population: population, AccessTokenLife: 24 * time.Hour})
	if err != nil {
		return nil, err
	}
	if b.db, err = newDatabase(ctx, server); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.db.drop(ctx)) }()
	if err := b.load(ctx); err != nil {
		return nil, err
	}
	if b.sim, err = b.startSim(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.sim.stop()) }()

	logf("warming up")
	warm, err := b.runBare(ctx, min(o.people, warmUpCalls))
	if err != nil {
		return nil, err
	}
	r = &report{People: o.people, Workers: o.workers}
	if err := b.measureRounds(ctx, warm.Rate, r); err != nil {
		return nil, err
	}
	if err := b.addBareRun(ctx, r); err != nil {
		return nil, err
	}
	r.finish()
	return r, nil
}

// addBareRun makes one call for each user without the batch (the bare loop) and
// adds the result to r.
func (b *bench) addBareRun(ctx context.Context, r *report) error {
	run, err := b.runBare(ctx, b.people)
	if err != nil {
		return err
	}
	b.logf("bare loop: %d calls in %.1f s, %.0f/s", run.Calls, run.Seconds, run.Rate)
	r.BareRuns = append(r.BareRuns, run)
	return nil
}

// warmUpRounds is the number of rounds before the measured ones. The first observes all
// users for the first time; the second confirms the plays that the first observed.
const warmUpRounds = 2

// measureRounds starts the batch and measures each round. It makes the bare calls in the
// pause just before the round, when the batch is idle, so that the bare calls and the
// round run under a similar load of the machine. For the last round it also measures the
// processor time and the rows written.
func (b *bench) measureRounds(ctx context.Context, bareRate float64, r *report) (err error) {
	single := time.Duration(float64(b.people) / bareRate * float64(time.Second))
	interval := b.interval
	if interval == 0 {
		interval = intervalFor(single)
	}
	r.IntervalSeconds = interval.Seconds()
	if err := b.awaitInterval(ctx, interval); err != nil {
		return err
	}
	began := time.Now()
	batch, err := b.startBatch(ctx, interval)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, batch.kill()) }()
	w := &metricsWatch{bench: b, url: "http://" + batch.address, interval: interval}

	rounds := make([]pollRound, warmUpRounds+b.rounds)
	for i := range warmUpRounds {
		if rounds[i], err = w.followRound(ctx, i+1); err != nil {
			return err
		}
	}
	rounds[0].Begin = began // the first round has no known due time
	var before, after usage
	var profiled <-chan error
	for i := warmUpRounds; i < len(rounds); i++ {
		dueAt := w.nextDue(rounds[i-1].End)
		if err := waitUntil(ctx, dueAt.Add(-2*single-2*time.Second)); err != nil {
			return err
		}
		if err := b.addBareRun(ctx, r); err != nil {
			return err
		}
		// Postgres's statistics are at most ten seconds late, so they hold all writes of
		// the previous round by now.
		if err := waitUntil(ctx, dueAt.Add(-time.Second)); err != nil {
			return err
		}
		if time.Now().After(dueAt) {
			return fmt.Errorf("the bare loop had not ended when the next round was due: choose an -interval longer than %s", interval)
		}
		if i == len(rounds)-1 {
			if before, err = b.observe(ctx, batch); err != nil {
				return err
			}
			profiled = w.profile(ctx, rounds[i-1])
		}
		if rounds[i], err = w.followRound(ctx, i+1); err != nil {
			return err
		}
	}
	if after, err = b.observe(ctx, batch); err != nil {
		return err
	}
	if err := <-profiled; err != nil {
		return err
	}
	// Kill the batch, so that it writes nothing more. Postgres's statistics are
	// complete once the batch's connections have ended.
	if err := batch.kill(); err != nil {
		return err
	}
	written, err := b.db.writtenSince(ctx, before.mark)
	if err != nil {
		return err
	}
	r.Rounds = rounds[warmUpRounds:]
	last := r.lastRound()
	r.PeakRSSBytes = after.peakRSS
	r.BatchMicros = after.batch.sub(before.batch).perCall(last.Polls)
	r.SimMicros = after.sim.sub(before.sim).perCall(last.Polls)
	r.PostgresMicros = after.postgres.sub(before.postgres).perCall(last.Polls)
	r.Rows = written.tables
	r.Writes = auditWrites(b.world, [3]pollRound(rounds[len(rounds)-3:]), written.users)
	return nil
}

// usage is the processor time of all processes and the batch's peak memory, at one moment.
type usage struct {
	mark                 mark
	batch, sim, postgres cpuTime
	peakRSS              uint64
}

func (b *bench) observe(ctx context.Context, batch *process) (o usage, err error) {
	if o.mark, err = b.db.mark(ctx); err != nil {
		return o, err
	}
	if o.postgres, err = b.db.cpu(ctx); err != nil {
		return o, err
	}
	if o.batch, err = cpuOf(batch.pid()); err != nil {
		return o, err
	}
	if o.sim, err = cpuOf(b.sim.pid()); err != nil {
		return o, err
	}
	o.peakRSS, err = peakRSS(batch.pid())
	return o, err
}

// intervalFor returns an interval that has room for three things: a round that
// takes twice as long as the bare calls, the bare calls, and the delay of the
// database's statistics. The argument single is the time that the bare calls take.
func intervalFor(single time.Duration) time.Duration {
	const statistics, step = 15 * time.Second, 5 * time.Second
	return max((5*single + statistics).Round(step), minInterval)
}

// awaitInterval waits until at least nine tenths of an interval are left before all users are
// due. They are due at each multiple of the interval, and for the first time when the batch
// starts. If a song is already playing in a user's first poll, its listening time counts from
// that poll. If the second poll came less than 30 s later, only the third, which is measured,
// would prove the play and write a row.
func (b *bench) awaitInterval(ctx context.Context, interval time.Duration) error {
	now := time.Now()
	next := nextDueAfter(now, interval)
	if next.Sub(now) > interval*9/10 {
		return nil
	}
	b.logf("waiting %s until the next interval of %s begins", next.Sub(now).Round(time.Second), interval)
	return waitUntil(ctx, next)
}

// nextDueAfter returns the first time after now at which all users are due for
// a poll.
func nextDueAfter(now time.Time, interval time.Duration) time.Time {
	return now.Add(interval - time.Duration(now.UnixNano()%int64(interval)))
}

// waitUntil waits until t. It returns an error if ctx ends first.
func waitUntil(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the wait was interrupted: %w", context.Cause(ctx))
	}
}
