package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/songspy/songspy/songspy-sim/sim"
)

// bench is one measurement: what all its steps use.
type bench struct {
	options
	logf   func(format string, args ...any)
	world  *sim.Sim // the simulator's truth: the same seed gives the same people
	tokens []string // access tokens by person
	dir    string   // of the binaries
	db     *database
	sim    *process
	fail   context.CancelCauseFunc
}

// warmUp is how many calls are made before any is timed.
const warmUpCalls = 20_000

// measure does it all, and leaves nothing behind.
func measure(ctx context.Context, o options, server string, logf func(string, ...any)) (r *report, err error) {
	ctx, failing := context.WithCancelCause(ctx)
	defer failing(nil)
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx) // the reason comes before what it led to
		}
	}()
	b := &bench{options: o, logf: logf, fail: failing}
	if b.dir, err = os.MkdirTemp("", "songspy-bench-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	logf("building songspy-batch and songspy-sim as they ship")
	if err := build(ctx, b.dir, "songspy-batch", "songspy-sim"); err != nil {
		return nil, err
	}
	// Tokens that outlive the run: no renewal disturbs it.
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

// addBare makes everyone's calls without the batch.
func (b *bench) addBareRun(ctx context.Context, r *report) error {
	run, err := b.runBare(ctx, b.people)
	if err != nil {
		return err
	}
	b.logf("bare loop: %d calls in %.1f s, %.0f/s", run.Calls, run.Seconds, run.Rate)
	r.BareRuns = append(r.BareRuns, run)
	return nil
}

// unmeasured is how many sweeps come before those that are measured: one that
// sees everyone for the first time, and one that proves what it saw.
const warmUpRounds = 2

// sweepAndCall lets the batch sweep, measures each of the rounds, and makes the
// bare calls in the pause before it, when the batch has nothing to do: the
// nearer in time, the more alike the machine. What the last round cost and wrote
// is looked at closely.
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
	rounds[0].Begin = began // it begins between two readings
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
		// What the sweep before wrote has reached the statistics by now: they are
		// ten seconds late at most.
		if err := waitUntil(ctx, dueAt.Add(-time.Second)); err != nil {
			return err
		}
		if time.Now().After(dueAt) {
			return fmt.Errorf("the bare loop has not ended when the sweep is due: choose an -interval longer than %s", interval)
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
	// Killed, it writes nothing more; its connections' ends complete the statistics.
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

// observed is what everybody has used up at a moment.
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

// intervalFor keeps sweeps apart that take twice as long as the calls alone,
// with time between them for those and for the database's statistics.
func intervalFor(single time.Duration) time.Duration {
	const statistics, step = 15 * time.Second, 5 * time.Second
	return max((5*single + statistics).Round(step), minInterval)
}

// awaitSlot waits until nearly a whole interval is left before everyone is due
// again, at the next multiple of it. A song that was playing already at the
// first sight of a listener counts from then: were the second sight less than
// 30 s later, the third would be the one that proves it.
func (b *bench) awaitInterval(ctx context.Context, interval time.Duration) error {
	now := time.Now()
	next := nextDueAfter(now, interval)
	if next.Sub(now) > interval*9/10 {
		return nil
	}
	b.logf("waiting %s for the interval of %s to begin", next.Sub(now).Round(time.Second), interval)
	return waitUntil(ctx, next)
}

// slotAfter is when the batch finds everyone due, after now.
func nextDueAfter(now time.Time, interval time.Duration) time.Time {
	return now.Add(interval - time.Duration(now.UnixNano()%int64(interval)))
}

// until waits for the time, or for the end of ctx.
func waitUntil(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting: %w", context.Cause(ctx))
	}
}
