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

// spent is what a bare loop's calls may warm up before they are timed.
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
	if _, err := b.bare(ctx, min(o.people, warmUp)); err != nil {
		return nil, err
	}
	r = &report{People: o.people, Workers: o.workers}
	before, err := b.bare(ctx, o.people)
	if err != nil {
		return nil, err
	}
	say("bare loop: %.0f calls/s", before.Rate)
	if err := b.sweepThrice(ctx, before.Rate, r); err != nil {
		return nil, err
	}
	after, err := b.bare(ctx, o.people)
	if err != nil {
		return nil, err
	}
	say("bare loop again: %.0f calls/s", after.Rate)
	r.Bare = []bareRun{before, after}
	r.sum()
	return r, nil
}

// sweepThrice lets the batch sweep, and measures the third time.
func (b *bench) sweepThrice(ctx context.Context, bareRate float64, r *report) (err error) {
	interval := b.interval
	if interval == 0 {
		interval = intervalFor(b.people, bareRate)
	}
	r.IntervalSeconds = interval.Seconds()
	if err := b.awaitSlot(ctx, interval); err != nil {
		return err
	}
	batch, err := b.startBatch(ctx, interval)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, batch.kill()) }()
	w := &watch{bench: b, url: "http://" + batch.address, interval: interval}

	var sweeps [3]sweepRun
	for i := range 2 {
		if sweeps[i], err = w.sweep(ctx, i+1); err != nil {
			return err
		}
	}
	// What the second sweep wrote reaches the statistics within ten seconds.
	if err := until(ctx, w.nextSlot(sweeps[1].End).Add(-time.Second)); err != nil {
		return err
	}
	mark, err := b.db.mark(ctx)
	if err != nil {
		return err
	}
	cpu, err := cpuOf(batch, b.sim)
	if err != nil {
		return err
	}
	profiled := w.profile(ctx, sweeps[1])
	if sweeps[2], err = w.sweep(ctx, 3); err != nil {
		return err
	}
	spent, err := cpuOf(batch, b.sim)
	if err != nil {
		return err
	}
	if r.PeakRSSBytes, err = peakRSS(batch); err != nil {
		return err
	}
	if err := <-profiled; err != nil {
		return err
	}
	// Killed, it writes nothing more; its connections' ends complete the statistics.
	if err := batch.kill(); err != nil {
		return err
	}
	written, err := b.db.since(ctx, mark)
	if err != nil {
		return err
	}
	r.Sweep = sweeps[2]
	r.BatchMicros = spent[0].sub(cpu[0]).perCall(r.Sweep.Looks)
	r.SimMicros = spent[1].sub(cpu[1]).perCall(r.Sweep.Looks)
	r.Rows = written.tables
	r.Listeners = judge(b.world, sweeps, written.people)
	return nil
}

// intervalFor keeps sweeps apart that run at a third of the bare loop's rate,
// with the time that the database's statistics take to settle.
func intervalFor(people int, bareRate float64) time.Duration {
	const settled, step = 15 * time.Second, 5 * time.Second
	d := time.Duration(3*float64(people)/bareRate*float64(time.Second)) + settled
	return max(d.Round(step)+step, shortest)
}

// awaitSlot waits until the first sweep has time enough before everyone is due
// again, at the next whole multiple of the interval.
func (b *bench) awaitSlot(ctx context.Context, interval time.Duration) error {
	now := time.Now()
	next := slotAfter(now, interval)
	if next.Sub(now) > interval*3/4 {
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
