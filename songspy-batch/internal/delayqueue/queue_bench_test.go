package delayqueue

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// BenchmarkTakeAndPlan takes the earliest key and plans it again, as each poll does.
func BenchmarkTakeAndPlan(b *testing.B) {
	for _, keys := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			q := New[int](time.Now)
			for key := range keys {
				q.Plan(key, time.UnixMicro(rand.Int64N(180e6)))
			}
			b.ReportAllocs()
			for b.Loop() {
				i, _, _ := q.take(time.UnixMicro(1 << 60))
				q.Plan(i.key, time.UnixMicro(i.micros+180e6+rand.Int64N(1e6)))
			}
		})
	}
}
