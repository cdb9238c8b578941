package idmap

import (
	"maps"
	"testing"

	"pgregory.net/rapid"
)

func TestMap_BehavesLikeABuiltinMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var m Map[int64, string]
		want := map[int64]string{}
		for range rapid.IntRange(0, 40).Draw(rt, "steps") {
			id := rapid.SampledFrom([]int64{-1025, -1, 0, 1, 63, 64, 1023, 1024, 1025, 1 << 40}).Draw(rt, "id")
			if rapid.Bool().Draw(rt, "remove") {
				m.Remove(id)
				delete(want, id)
			} else {
				v := rapid.SampledFrom([]string{"", "one", "two"}).Draw(rt, "value")
				m.Put(id, v)
				want[id] = v
			}
			v, ok := m.Get(id)
			if expected, present := want[id]; v != expected || ok != present || m.Len() != len(want) {
				rt.Fatalf("Get(%d) returned %q, %t and Len %d; want %q, %t and %d", id, v, ok, m.Len(), expected, present, len(want))
			}
		}
		if got := maps.Collect(m.All()); !maps.Equal(got, want) {
			rt.Fatalf("the map holds %v, want %v", got, want)
		}
		for id := range m.All() {
			m.Remove(id)
		}
		if m.Len() != 0 || len(maps.Collect(m.All())) != 0 {
			rt.Fatalf("%d values remain after all were removed", m.Len())
		}
	})
}
