package rows

import (
	"maps"
	"testing"

	"pgregory.net/rapid"
)

func TestWhatIsKeptIsFoundAsInAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var kept Of[int64, string]
		want := map[int64]string{}
		for range rapid.IntRange(0, 40).Draw(rt, "steps") {
			id := rapid.SampledFrom([]int64{-1025, -1, 0, 1, 63, 64, 1023, 1024, 1025, 1 << 40}).Draw(rt, "id")
			if rapid.Bool().Draw(rt, "leaves") {
				kept.Remove(id)
				delete(want, id)
			} else {
				v := rapid.SampledFrom([]string{"", "one", "two"}).Draw(rt, "value")
				kept.Put(id, v)
				want[id] = v
			}
			v, ok := kept.Get(id)
			if expected, there := want[id]; v != expected || ok != there || kept.Len() != len(want) {
				rt.Fatalf("%d is found as %q, %t among %d, want %q, %t among %d", id, v, ok, kept.Len(), expected, there, len(want))
			}
		}
		if got := maps.Collect(kept.All()); !maps.Equal(got, want) {
			rt.Fatalf("%v is kept, want %v", got, want)
		}
		for id := range kept.All() {
			kept.Remove(id)
		}
		if kept.Len() != 0 || len(maps.Collect(kept.All())) != 0 {
			rt.Fatalf("%d remain of none", kept.Len())
		}
	})
}
