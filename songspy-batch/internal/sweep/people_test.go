package sweep

import (
	"maps"
	"testing"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestPeopleAreFoundAsInAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := people{rows: map[songspy.UserID]*row{}}
		want := map[songspy.UserID]*seat{}
		for range rapid.IntRange(0, 40).Draw(rt, "steps") {
			id := rapid.SampledFrom([]songspy.UserID{-1, 0, 1, 1023, 1024, 1025, 1 << 40}).Draw(rt, "id")
			if rapid.Bool().Draw(rt, "leaves") {
				p.remove(id)
				delete(want, id)
			} else {
				s := new(seat)
				p.put(id, s)
				want[id] = s
			}
			if p.get(id) != want[id] || p.len != len(want) {
				rt.Fatalf("%d is found as %p among %d, want %p among %d", id, p.get(id), p.len, want[id], len(want))
			}
		}
		if got := maps.Collect(p.all()); !maps.Equal(got, want) {
			rt.Fatalf("%d people are met, want %d", len(got), len(want))
		}
		for id := range p.all() {
			p.remove(id)
		}
		if p.len != 0 || len(p.rows) != 0 {
			rt.Fatalf("%d people in %d rows remain of none", p.len, len(p.rows))
		}
	})
}
