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
	say     func(format string, args ...any)
	world   *sim.Sim // the simulator's truth: the same seed gives the same people
	tokens  []string // access tokens by person
	dir     string   // of the binaries
	db      *database
	sim     *process
	failing context.CancelCauseFunc
}

// warmUp is how many calls are made before any is timed.
const warmUp = 20_000

// measure does it all, and leaves nothing behind.
func measure(ctx context.Context, o options, server string, say func(string, ...any)) (r *report, err error) {
	ctx, failing := context.WithCancelCause(ctx)
	defer failing(nil)
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx) // the reason comes before what it led to
		}
	}()
	b := &bench{options: o, say: say, failing: failing}
	if b.dir, err = os.MkdirTemp("", "songspy-bench-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	say("building songspy-batch and songspy-sim as they ship")
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

	say("warming up")
	warm, err := b.bare(ctx, min(o.people, warmUp))
	if err != nil {
		return nil, err
	}
	r = &report{People: o.people, Workers: o.workers}
	if err := b.sweepAndCall(ctx, warm.Rate, r); err != nil {
		return nil, err
	}
	if err := b.addBare(ctx, r); err != nil {
		return nil, err
	}
	r.sum()
	return r, nil
}

// addBare makes everyone's calls without the batch.
func (b *bench) addBare(ctx context.Context, r *report) error {
	run, err := b.bare(ctx, b.people)
	if err != nil {
		return err
	}
	b.say("bare loop: %d calls in %.1f s, %.0f/s", run.Calls, run.Seconds, run.Rate)
	r.Bare = append(r.Bare, run)
	return nil
}

// unmeasured is how many sweeps come before those that are measured: one that
// sees everyone for the first time, and one that proves what it saw.
const unmeasured = 2

// sweepAndCall lets the batch sweep, measures each of the rounds, and makes the
// bare calls in the pause before it, when the batch has nothing to do: the
// nearer in time, the more alike the machine. What the last round cost and wrote
// is looked at closely.
func (b *bench) sweepAndCall(ctx context.Context, bareRate float64, r *report) (err error) {
	alone := time.Duration(float64(b.people) / bareRate * float64(time.Second))
	interval := b.interval
	if interval == 0 {
		interval = intervalFor(alone)
	}
	r.IntervalSeconds = interval.Seconds()
	if err := b.awaitSlot(ctx, interval); err != nil {
		return err
	}
	began := time.Now()
	batch, err := b.startBatch(ctx, interval)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, batch.kill()) }()
	w := &watch{bench: b, url: "http://" + batch.address, interval: interval}

	sweeps := make([]sweepRun, unmeasured+b.rounds)
	for i := range unmeasured {
		if sweeps[i], err = w.sweep(ctx, i+1); err != nil {
			return err
		}
	}
	sweeps[0].Begin = began // it begins between two readings
	var before, after observed
	var profiled <-chan error
	for i := unmeasured; i < len(sweeps); i++ {
		slot := w.nextSlot(sweeps[i-1].End)
		if err := until(ctx, slot.Add(-2*alone-2*time.Second)); err != nil {
			return err
		}
		if err := b.addBare(ctx, r); err != nil {
			return err
		}
		// What the sweep before wrote has reached the statistics by now: they are
		// ten seconds late at most.
		if err := until(ctx, slot.Add(-time.Second)); err != nil {
			return err
		}
		if time.Now().After(slot) {
			return fmt.Errorf("the bare loop has not ended when the sweep is due: choose an -interval longer than %s", interval)
		}
		if i == len(sweeps)-1 {
			if before, err = b.observe(ctx, batch); err != nil {
				return err
			}
			profiled = w.profile(ctx, sweeps[i-1])
		}
		if sweeps[i], err = w.sweep(ctx, i+1); err != nil {
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
	written, err := b.db.since(ctx, before.mark)
	if err != nil {
		return err
	}
	r.Sweeps = sweeps[unmeasured:]
	last := r.last()
	r.PeakRSSBytes = after.peakRSS
	r.BatchMicros = after.batch.sub(before.batch).perCall(last.Looks)
	r.SimMicros = after.sim.sub(before.sim).perCall(last.Looks)
	r.PostgresMicros = after.postgres.sub(before.postgres).perCall(last.Looks)
	r.Rows = written.tables
	r.Listeners = judge(b.world, [3]sweepRun(sweeps[len(sweeps)-3:]), written.people)
	return nil
}

// observed is what everybody has used up at a moment.
type observed struct {
	mark                 mark
	batch, sim, postgres cpuTime
	peakRSS              uint64
}

func (b *bench) observe(ctx context.Context, batch *process) (o observed, err error) {
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
func intervalFor(alone time.Duration) time.Duration {
	const statistics, step = 15 * time.Second, 5 * time.Second
	return max((5*alone + statistics).Round(step), shortest)
}

// awaitSlot waits until nearly a whole interval is left before everyone is due
// again, at the next multiple of it. A song that was playing already at the
// first sight of a listener counts from then: were the second sight less than
// 30 s later, the third would be the one that proves it.
func (b *bench) awaitSlot(ctx context.Context, interval time.Duration) error {
	now := time.Now()
	next := slotAfter(now, interval)
	if next.Sub(now) > interval*9/10 {
		return nil
	}
	b.say("waiting %s for the interval of %s to begin", next.Sub(now).Round(time.Second), interval)
	return until(ctx, next)
}

// slotAfter is when the batch finds everyone due, after now.
func slotAfter(now time.Time, interval time.Duration) time.Time {
	return now.Add(interval - time.Duration(now.UnixNano()%int64(interval)))
}

// until waits for the time, or for the end of ctx.
func until(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting: %w", context.Cause(ctx))
	}
}
