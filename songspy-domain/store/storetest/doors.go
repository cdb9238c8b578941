package storetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/gate"
)

func doors() suite {
	shut := gate.Shared{API: gate.SharedDoor{
		Why: gate.WhyThrottled, ClosedUntil: start.Add(79_892 * time.Second), Step: 2, ProbeUntil: start.Add(time.Microsecond), Epoch: 7, Learnt: 12.5,
	}}
	return suite{
		"SwapDoor_KeepsWhatTheOtherProcessesRead": func(t *testing.T, b *bundle) {
			same(t, "before", value[gate.Kept](t)(b.Door(t.Context(), "app")), gate.Kept{})
			same(t, "first", value[bool](t)(b.SwapDoor(t.Context(), "app", 0, shut)), true)
			other := b.another(t)
			same(t, "kept", value[gate.Kept](t)(other.Door(t.Context(), "app")), gate.Kept{Version: 1, Shared: shut})
			same(t, "of another app", value[gate.Kept](t)(other.Door(t.Context(), "other")), gate.Kept{})
			open := gate.Shared{API: gate.SharedDoor{Epoch: 9, Learnt: 12.5}}
			same(t, "second", value[bool](t)(other.SwapDoor(t.Context(), "app", 1, open)), true)
			same(t, "late", value[bool](t)(b.SwapDoor(t.Context(), "app", 1, shut)), false)
			same(t, "late to begin", value[bool](t)(b.SwapDoor(t.Context(), "app", 0, shut)), false)
			same(t, "kept at last", value[gate.Kept](t)(b.Door(t.Context(), "app")), gate.Kept{Version: 2, Shared: open})
		},
		"PruneDoors_ForgetsThoseOfBroughtAppsThatNobodyIsLinkedThrough": func(t *testing.T, b *bundle) {
			tried, linked := songspy.OwnApp("tried"), songspy.OwnApp("linked")
			must(t, b.linkThrough(t, b.person(t).ID, songspy.AppSeats{App: linked}))
			for _, app := range []string{tried, linked, "app"} {
				must(t, second(b.SwapDoor(t.Context(), app, 0, shut)))
			}
			same(t, "too early", value[int64](t)(b.PruneDoors(t.Context(), start)), 0)
			b.clock.advance(time.Hour)
			same(t, "pruned", value[int64](t)(b.PruneDoors(t.Context(), b.clock.Now())), 1)
			for app, version := range map[string]int64{tried: 0, linked: 1, "app": 1} {
				same(t, app, value[gate.Kept](t)(b.Door(t.Context(), app)).Version, version)
			}
			// A process that knew of it goes on, as if another had been faster.
			same(t, "late", value[bool](t)(b.SwapDoor(t.Context(), tried, 1, shut)), false)
		},
		"SwapDoor_LetsOneOfManyWin": func(t *testing.T, b *bundle) {
			must(t, second(b.SwapDoor(t.Context(), "app", 0, gate.Shared{})))
			var won atomic.Int64
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if ok, err := b.SwapDoor(t.Context(), "app", 1, shut); err != nil {
						t.Error(err)
					} else if ok {
						won.Add(1)
					}
				})
			}
			all.Wait()
			same(t, "winners", won.Load(), 1)
		},
	}
}

func second[T any](_ T, err error) error { return err }
