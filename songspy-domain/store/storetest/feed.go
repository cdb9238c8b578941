package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func feed() suite {
	return suite{
		"Changes_AreNumberedFromOneInOrder": func(t *testing.T, b *bundle) {
			oldest, last, err := b.Feed(t.Context())
			must(t, err)
			same(t, "an empty feed", []int64{oldest, last}, []int64{0, 0})
			l := b.listener(t)
			b.clock.advance(time.Second)
			b.write(t, hears(l, song(1), start))
			same(t, "changes", value[[]songspy.Change](t)(b.Changes(t.Context(), 0, 10)), []songspy.Change{
				{Number: 1, UserID: l.UserID, Kind: songspy.ChangeLink, At: start},
				{Number: 2, UserID: l.UserID, Kind: songspy.ChangePlaying, At: start.Add(time.Second)},
			})
			same(t, "the first alone", len(value[[]songspy.Change](t)(b.Changes(t.Context(), 0, 1))), 1)
			same(t, "none after the last", b.changesAfter(t, 2), []string(nil))
		},
		"PruneChanges_KeepsTheLastSoThatAGapShows": func(t *testing.T, b *bundle) {
			for range 3 {
				b.listener(t)
				b.clock.advance(time.Hour)
			}
			same(t, "pruned", value[int64](t)(b.PruneChanges(t.Context(), start.Add(90*time.Minute))), 2)
			same(t, "pruned, all being old", value[int64](t)(b.PruneChanges(t.Context(), start.Add(24*time.Hour))), 0)
			oldest, last, err := b.Feed(t.Context())
			must(t, err)
			same(t, "oldest and last", []int64{oldest, last}, []int64{3, 3})
		},
		"WaitForChange_ReturnsAtOnceWhenOneWasMissed": func(t *testing.T, b *bundle) {
			b.listener(t)
			asked := b.statements.during(func() { must(t, b.WaitForChange(t.Context(), 0)) })
			same(t, "looks", len(asked), 1)
		},
		"WaitForChange_WakesForAnotherProcess": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			last := b.last(t)
			other := b.another(t)
			waiting := make(chan struct{})
			b.statements.stepIn("last FROM feed", func() { close(waiting) })
			woken := make(chan error, 1)
			go func() {
				for {
					err := other.WaitForChange(t.Context(), last)
					if _, now, ferr := other.Feed(t.Context()); err != nil || ferr != nil || now != last {
						woken <- errors.Join(err, ferr)
						return
					}
				}
			}()
			<-waiting
			b.write(t, hears(l, song(1), start))
			must(t, <-woken)
		},
		"WaitForChange_ReturnsInTheEndWithoutAChange": func(t *testing.T, b *bundle) {
			must(t, b.WaitForChange(t.Context(), b.last(t)))
		},
		"WaitForChange_EndsWithItsContext": func(t *testing.T, b *bundle) {
			ctx, cancel := context.WithCancel(t.Context())
			b.statements.stepIn("last FROM feed", cancel)
			if err := b.WaitForChange(ctx, 0); !errors.Is(err, context.Canceled) {
				t.Fatalf("the error is %v", err)
			}
		},
		"WaitForChange_EndsWithTheStore": func(t *testing.T, b *bundle) {
			s := b.another(t)
			done := make(chan error, 1)
			b.statements.stepIn("last FROM feed", func() { go func() { done <- s.Close() }() })
			Code(t, waitUntilRefused(t.Context(), s.WaitForChange), songspy.CodeUnavailable)
			must(t, <-done)
		},
	}
}

// waitUntilRefused waits again and again for a change after 0.
func waitUntilRefused(ctx context.Context, wait func(context.Context, int64) error) error {
	for {
		if err := wait(ctx, 0); err != nil {
			return err
		}
	}
}
