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
		"Changes_AreNumberedFromOneInOrder": func(t *testing.T, b *fixture) {
			oldest, last, err := b.FeedBounds(t.Context())
			must(t, err)
			same(t, "an empty feed", []int64{oldest, last}, []int64{0, 0})
			l := b.newLinkedUser(t)
			b.clock.advance(time.Second)
			b.write(t, playingUpdate(l, song(1), start))
			same(t, "changes", value[[]songspy.Change](t)(b.Changes(t.Context(), 0, 10)), []songspy.Change{
				{Number: 1, UserID: l.UserID, Kind: songspy.ChangeLink, At: start},
				{Number: 2, UserID: l.UserID, Kind: songspy.ChangePlaying, At: start.Add(time.Second)},
			})
			same(t, "only the first", len(value[[]songspy.Change](t)(b.Changes(t.Context(), 0, 1))), 1)
			same(t, "none after the last", b.changesAfter(t, 2), []string(nil))
		},
		"OnChanges_ReportsPublishedChangesBeforeTheirFunctionReturns": func(t *testing.T, b *fixture) {
			one, two := b.newUser(t).ID, b.newUser(t).ID
			number := b.lastChange(t)
			var reported []songspy.Change
			b.OnChanges(func(c []songspy.Change) {
				same(t, "the number of the last change, when it is reported", b.lastChange(t), c[len(c)-1].Number) // a change is reported only after its commit, so the feed must contain it
				reported = append(reported, c...)
			})
			must(t, b.Block(t.Context(), one, two))
			same(t, "reported", len(reported), 2)
			session := value[songspy.Session](t)(b.CreateSession(t.Context(), newSession(one, "one")))
			same(t, "reported of a sign-in", len(reported), 2)
			must(t, b.RevokeFamily(t.Context(), session.Family, songspy.ActorSelf))
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), two))
			RequireCode(t, b.Block(t.Context(), one, two), songspy.CodeNotFound) // this transaction is rolled back, so its changes must not be reported
			same(t, "reported", reported, value[[]songspy.Change](t)(b.Changes(t.Context(), number, 10)))
		},
		"PruneChanges_KeepsTheLastChange": func(t *testing.T, b *fixture) {
			for range 3 {
				b.newLinkedUser(t)
				b.clock.advance(time.Hour)
			}
			same(t, "pruned", value[int64](t)(b.PruneChanges(t.Context(), start.Add(90*time.Minute))), 2)
			same(t, "pruned when all are old", value[int64](t)(b.PruneChanges(t.Context(), start.Add(24*time.Hour))), 0)
			oldest, last, err := b.FeedBounds(t.Context())
			must(t, err)
			same(t, "oldest and last", []int64{oldest, last}, []int64{3, 3})
		},
		"WaitForChange_ReturnsAtOnceForAMissedChange": func(t *testing.T, b *fixture) {
			b.newLinkedUser(t)
			executed := b.statements.recordDuring(func() { must(t, b.WaitForChange(t.Context(), 0)) })
			same(t, "polls", len(executed), 1)
		},
		"WaitForChange_WakesForAnotherProcess": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			last := b.lastChange(t)
			other := b.openAnother(t)
			waiting := make(chan struct{})
			b.statements.runAfter("last FROM feed", func() { close(waiting) })
			woken := make(chan error, 1)
			go func() {
				for {
					err := other.WaitForChange(t.Context(), last)
					if _, now, ferr := other.FeedBounds(t.Context()); err != nil || ferr != nil || now != last {
						woken <- errors.Join(err, ferr)
						return
					}
				}
			}()
			<-waiting
			b.write(t, playingUpdate(l, song(1), start))
			must(t, <-woken)
		},
		"WaitForChange_ReturnsWithoutAChangeAfterAWhile": func(t *testing.T, b *fixture) {
			must(t, b.WaitForChange(t.Context(), b.lastChange(t)))
		},
		"WaitForChange_EndsWithItsContext": func(t *testing.T, b *fixture) {
			ctx, cancel := context.WithCancel(t.Context())
			b.statements.runAfter("last FROM feed", cancel)
			if err := b.WaitForChange(ctx, 0); !errors.Is(err, context.Canceled) {
				t.Fatalf("the error is %v", err)
			}
		},
		"WaitForChange_EndsWithTheStore": func(t *testing.T, b *fixture) {
			s := b.openAnother(t)
			done := make(chan error, 1)
			b.statements.runAfter("last FROM feed", func() { go func() { done <- s.Close() }() })
			RequireCode(t, waitUntilError(t.Context(), s.WaitForChange), songspy.CodeUnavailable)
			must(t, <-done)
		},
	}
}

// waitUntilError calls wait, the method WaitForChange of a store, until it returns an error,
// and returns that error. It passes 0 as the number of the last change that was read.
func waitUntilError(ctx context.Context, wait func(context.Context, int64) error) error {
	for {
		if err := wait(ctx, 0); err != nil {
			return err
		}
	}
}
