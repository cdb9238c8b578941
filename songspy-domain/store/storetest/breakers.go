package storetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
)

func breakers() suite {
	tripped := breaker.SharedBreakers{API: breaker.SharedBreaker{
		Cause: breaker.CauseRateLimited, OpenUntil: start.Add(79_892 * time.Second), BackoffStep: 2, ProbeUntil: start.Add(time.Microsecond), Epoch: 7, Learned: 12.5,
	}}
	return suite{
		"SwapBreakers_StoresWhatOtherProcessesRead": func(t *testing.T, b *fixture) {
			same(t, "before", value[breaker.Stored](t)(b.Breakers(t.Context(), "app")), breaker.Stored{})
			same(t, "first", value[bool](t)(b.SwapBreakers(t.Context(), "app", 0, tripped)), true)
			other := b.openAnother(t)
			same(t, "stored", value[breaker.Stored](t)(other.Breakers(t.Context(), "app")), breaker.Stored{Version: 1, Shared: tripped})
			same(t, "of another app", value[breaker.Stored](t)(other.Breakers(t.Context(), "other")), breaker.Stored{})
			open := breaker.SharedBreakers{API: breaker.SharedBreaker{Epoch: 9, Learned: 12.5}}
			same(t, "second", value[bool](t)(other.SwapBreakers(t.Context(), "app", 1, open)), true)
			same(t, "late", value[bool](t)(b.SwapBreakers(t.Context(), "app", 1, tripped)), false)
			same(t, "late, as the first", value[bool](t)(b.SwapBreakers(t.Context(), "app", 0, tripped)), false)
			same(t, "stored at last", value[breaker.Stored](t)(b.Breakers(t.Context(), "app")), breaker.Stored{Version: 2, Shared: open})
		},
		"PruneBreakers_DeletesThoseOfUnusedUserApps": func(t *testing.T, b *fixture) {
			tried, linked := songspy.UserApp("tried"), songspy.UserApp("linked")
			must(t, b.linkThroughApp(t, b.newUser(t).ID, songspy.AppSeats{App: linked}))
			for _, app := range []string{tried, linked, "app"} {
				must(t, errorOf(b.SwapBreakers(t.Context(), app, 0, tripped)))
			}
			same(t, "too early", value[int64](t)(b.PruneBreakers(t.Context(), start)), 0)
			b.clock.advance(time.Hour)
			same(t, "pruned", value[int64](t)(b.PruneBreakers(t.Context(), b.clock.Now())), 1)
			for app, version := range map[string]int64{tried: 0, linked: 1, "app": 1} {
				same(t, app, value[breaker.Stored](t)(b.Breakers(t.Context(), app)).Version, version)
			}
			// The breakers of the user-supplied app were deleted. If a process still has their
			// version, its swap must fail, as if another process had changed the breakers.
			same(t, "late", value[bool](t)(b.SwapBreakers(t.Context(), tried, 1, tripped)), false)
		},
		"SwapBreakers_LetsOneOfManyWin": func(t *testing.T, b *fixture) {
			must(t, errorOf(b.SwapBreakers(t.Context(), "app", 0, breaker.SharedBreakers{})))
			var won atomic.Int64
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if ok, err := b.SwapBreakers(t.Context(), "app", 1, tripped); err != nil {
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

func errorOf[T any](_ T, err error) error { return err }
