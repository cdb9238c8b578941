package visibility_test

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var (
	pairs = flag.Int("pairs", 50_000, "pairs of worlds in the test of noninterference; -short tests a fifth")
	seed  = flag.Uint64("seed", 14, "seed of the pairs of worlds")
)

// changes holds functions by name. Each function changes a world (see model_test.go) at
// random: one or all properties of the given person, or the relation between two random
// people.
var changes = map[string]func(dice, *world, *person){
	"name":     func(d dice, _ *world, p *person) { p.name = d(100) },
	"operator": func(_ dice, _ *world, p *person) { p.byOperator = !p.byOperator },
	"now":      func(d dice, _ *world, p *person) { p.now = newNow(d) },
	"a play added": func(d dice, _ *world, p *person) {
		p.plays = slices.Insert(p.plays, d(len(p.plays)+1), newPlay(d))
	},
	"a play changed": func(d dice, _ *world, p *person) {
		if len(p.plays) > 0 {
			p.plays[d(len(p.plays))] = newPlay(d)
		}
	},
	"a play removed": func(d dice, _ *world, p *person) {
		if i := d(len(p.plays) + 1); i < len(p.plays) {
			p.plays = slices.Delete(p.plays, i, i+1)
		}
	},
	"an item hidden": func(d dice, _ *world, p *person) { p.hidden = append(p.hidden, newHidden(d)) },
	"an item shown": func(d dice, _ *world, p *person) {
		if len(p.hidden) > 0 {
			p.hidden = p.hidden[1:]
		}
	},
	"settings changed": func(d dice, _ *world, p *person) {
		if i := d(len(p.settings) + 1); i < len(p.settings) {
			p.settings[i] = newSettings(d, p.settings[i].from)
		}
	},
	"all of a person": func(d dice, _ *world, p *person) { *p = newPerson(d) },
	"a follow":        func(d dice, w *world, _ *person) { w.follows[d(people)][d(people)] = d(3) },
	"a block":         func(d dice, w *world, _ *person) { w.blocks[d(people)][d(people)] = d.once(2) },
}

// A viewer looks at two worlds. By the specification, they differ only in things that
// the viewer may not see. Reveal must give the viewer the same in both worlds, and in
// the first one exactly what the specification says.
func TestReveal_DoesNotDependOnAnythingThatTheViewerMayNotSee(t *testing.T) {
	n := *pairs
	if testing.Short() {
		n /= 5
	}
	var names []string
	kept, dropped := map[string]int{}, map[string]int{}
	for name := range changes {
		names = append(names, name)
	}
	slices.Sort(names)
	began, different, empty := time.Now(), 0, 0
	source := rand.NewPCG(0, 0)
	d := dice(rand.New(source).IntN)
	for i := range n {
		source.Seed(*seed, uint64(i))
		w, by := newWorld(d), newSpectator(d)
		want := w.specified(by, lastDay)
		got := w.revealed(by, lastDay)
		if !bytes.Equal(got, want) {
			t.Fatalf("seed %d, pair %d: %+v gets\n%q, want\n%q of\n%s", *seed, i, by, got, want, &w)
		}
		if len(want) == 0 {
			empty++
		}
		twin, changed := w, false
		for range 1 + d(5) {
			name := names[d(len(names))]
			next := twin.clone()
			changes[name](d, &next, &next.people[d(people)])
			for i := range people {
				next.follows[i][i], next.blocks[i][i] = 0, false
			}
			if bytes.Equal(next.specified(by, lastDay), want) {
				twin, changed = next, true
				kept[name]++
			} else {
				dropped[name]++
			}
		}
		if changed {
			different++
		}
		if other := twin.revealed(by, lastDay); !bytes.Equal(got, other) {
			t.Fatalf("seed %d, pair %d: %+v gets\n%q and\n%q of\n%s\nand\n%s", *seed, i, by, got, other, &w, &twin)
		}
	}
	t.Logf("seed %d, %d pairs, %d of them differ, %s", *seed, n, different, time.Since(began).Round(time.Millisecond))
	if different < n/2 || empty > n/2 {
		t.Errorf("%d of %d pairs differ, %d viewers see nothing; want at least and at most half", different, n, empty)
	}
	for _, name := range names {
		if kept[name] < n/100 || dropped[name] < n/1000 {
			t.Errorf("the change %q was not visible %d times, visible %d times: the pairs test too little", name, kept[name], dropped[name])
		}
	}
}
