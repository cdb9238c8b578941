package delayqueue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkTakeAndSchedule takes the earliest key and schedules it again, as each poll does.
func BenchmarkTakeAndSchedule(b *testing.B) {
	for _, keys := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			q := New[int](time.Now)
			for key := range keys {
				q.Schedule(key, time.UnixMicro(rand.Int64N(180e6)))
			}
			b.ReportAllocs()
			for b.Loop() {
				i, _, _ := q.take(time.UnixMicro(1<<60), new(item[int]))
				q.Schedule(i.key, time.UnixMicro(i.micros+180e6+rand.Int64N(1e6)))
			}
		})
	}
}

// BenchmarkRun takes due keys with many workers at once, as after a pause of polling.
func BenchmarkRun(b *testing.B) {
	q := New[int](time.Now)
	for key := range 100_000 {
		q.Schedule(key, time.UnixMicro(int64(key)))
	}
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	var n atomic.Int64
	b.ReportAllocs()
	q.Run(ctx, 64, func(_ context.Context, key int, due time.Time) {
		if n.Add(1) >= int64(b.N) {
			stop()
		}
		runtime.Gosched() // as a worker does during a call
		q.Schedule(key, due.Add(time.Second))
	})
}
