package visibility_test

import (
	"testing"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

// law calls the function check many times, each time with a random world (see
// model_test.go), a random viewer and the number of a random owner. The check draws further
// random numbers from the dice, and fails the test if the law does not hold. The operator
// hides nobody in these worlds.
func law(t *testing.T, check func(t *rapid.T, d dice, w *world, by spectator, of int)) {
	rapid.Check(t, func(t *rapid.T) {
		d := dice(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "die") })
		w := newWorld(d)
		for i := range w.people {
			w.people[i].byOperator = false
		}
		by, of := newSpectator(d), d(people)
		t.Logf("%+v looks at %d in\n%s", by, of, &w)
		check(t, d, &w, by, of)
	})
}

// things returns everything that a viewer may ask to see of a person: the profile, the
// search result, the link preview, the past plays and what plays now.
func (p *person) things() []visibility.Thing {
	all := []visibility.Thing{visibility.Profile(), visibility.Search(), visibility.LinkPreview()}
	for _, l := range p.plays {
		all = append(all, l.thing(false))
	}
	for _, l := range p.now {
		all = append(all, l.thing(true))
	}
	return all
}

func reveals(of int, r visibility.Rule, th visibility.Thing, by visibility.Viewer, t int) bool {
	_, ok := visibility.Reveal(new(int), id(of), r, th, by, tick(t))
	return ok
}

// appended returns a copy of the rule with one more sharing period. It does not change r.
func appended(r visibility.Rule, s songspy.Sharing) visibility.Rule {
	r.Periods = append(r.Periods[:len(r.Periods):len(r.Periods)], s)
	return r
}

func TestReveal_NarrowingNeverRevealsMoreAtAnyTime(t *testing.T) {
	law(t, func(t *rapid.T, d dice, w *world, viewer spectator, of int) {
		by := w.viewer(viewer)
		p, before := &w.people[of], w.rule(of)
		s, ok := p.at(lastDay)
		if !ok || s.from == lastDay {
			t.Skip("no settings to narrow")
		}
		s.from = lastDay
		s.now, s.history = s.now+d(4-s.now), s.history+d(4-s.history)
		s.hiddenUntil = max(s.hiddenUntil, pick(d, 0, lastDay+5, forever))
		s.minTicks = max(s.minTicks, pick(d, 0, 3, 6))
		s.local, s.episodes, s.chapters = s.local || d.once(2), s.episodes || d.once(2), s.chapters || d.once(2)
		s.findable = s.findable && d.once(2)
		after := appended(before, s.sharing())
		if d.once(2) {
			item := hideable[d(len(hideable))]
			item.BeganAt = tick(lastDay)
			after.Hidden = append(before.Hidden[:len(before.Hidden):len(before.Hidden)], item)
		}
		for i, th := range p.things() {
			for at := lastDay; at < lastDay+20; at++ {
				if reveals(of, after, th, by, at) && !reveals(of, before, th, by, at) {
					t.Fatalf("thing %d is visible at %d only after narrowing to %+v", i, at, s)
				}
			}
		}
	})
}

// A track plays, and then the owner changes the sharing settings. If the settings that
// were in force while the track played hid it from a viewer, the later settings must
// not show it to that viewer at any time.
func TestReveal_WideningNeverRevealsThePast(t *testing.T) {
	law(t, func(t *rapid.T, d dice, w *world, viewer spectator, of int) {
		by := w.viewer(viewer)
		p, l := &w.people[of], newPlay(d)
		l.probable = false
		var then person // the settings and hidden items that were stored when the play ended
		for _, s := range p.settings {
			if s.from <= l.until {
				then.settings = append(then.settings, s)
			}
		}
		for _, h := range p.hidden {
			if h.from <= l.until {
				if h.until > l.until {
					h.until = forever
				}
				then.hidden = append(then.hidden, h)
			}
		}
		var past world
		past.people[of] = then
		later := appended(w.rule(of), newSettings(d, lastDay+1).sharing())
		later.Periods[len(later.Periods)-1].Now, later.Periods[len(later.Periods)-1].History = pick(d, audienceOf[0], audienceOf[2]), pick(d, audienceOf[0], audienceOf[2])
		for at := lastDay + 1; at < lastDay+40; at += 3 {
			if reveals(of, later, l.thing(false), by, at) && !reveals(of, past.rule(of), l.thing(false), by, l.until) {
				t.Fatalf("%+v is visible at %d, and was not by the settings of its time", l, at)
			}
		}
	})
}

func TestReveal_AskingToFollowGrantsNothing(t *testing.T) {
	law(t, func(t *rapid.T, _ dice, w *world, viewer spectator, of int) {
		if viewer.self < 0 || viewer.self == of {
			t.Skip("nobody asks")
		}
		asked := *w
		w.follows[viewer.self][of], asked.follows[viewer.self][of] = 0, 1
		for i, th := range w.people[of].things() {
			before := reveals(of, w.rule(of), th, w.viewer(viewer), lastDay)
			if after := reveals(of, asked.rule(of), th, asked.viewer(viewer), lastDay); before != after {
				t.Fatalf("thing %d is visible: %t without the request, %t with it", i, before, after)
			}
		}
	})
}

func TestReveal_HidingAndShowingNeverRevealsWhatPlayedWhileHidden(t *testing.T) {
	law(t, func(t *rapid.T, d dice, w *world, viewer spectator, of int) {
		by := w.viewer(viewer)
		r := w.rule(of)
		if len(r.Periods) == 0 || viewer.self == of {
			t.Skip("nothing to hide")
		}
		hide, shown := lastDay+1+d(5), lastDay+10+d(5)
		until := pick(d, forever, hide+1+d(10))
		hiding := newSettings(d, hide)
		hiding.hiddenUntil = until
		r = appended(r, hiding.sharing())
		wide := settings{from: shown, findable: true}
		r = appended(r, wide.sharing())
		for from := range d(15) + 60 {
			for length := range 10 {
				l := listen{track: d(len(catalogue)), from: lastDay - 10 + from, until: lastDay - 10 + from + length}
				if l.from >= min(until, shown) || l.until < hide {
					continue
				}
				for at := shown; at < shown+30; at += 7 {
					if reveals(of, r, l.thing(false), by, at) || at >= l.from && reveals(of, r, l.thing(true), by, at) {
						t.Fatalf("%+v is visible at %d, and was hidden from %d until %d", l, at, hide, min(until, shown))
					}
				}
			}
		}
	})
}

func TestReveal_ABlockHidesBothFromEachOther(t *testing.T) {
	law(t, func(t *rapid.T, d dice, w *world, _ spectator, _ int) {
		for a := range people {
			for b := range people {
				if a == b || !w.blocks[a][b] {
					continue
				}
				for _, pair := range [][2]int{{a, b}, {b, a}} {
					by := w.viewer(spectator{pair[0], pick(d, -1, pair[1]), -1, 0})
					for i, th := range w.people[pair[1]].things() {
						if reveals(pair[1], w.rule(pair[1]), th, by, lastDay) {
							t.Fatalf("%d blocks %d, and %d sees thing %d of %d", a, b, pair[0], i, pair[1])
						}
					}
				}
			}
		}
	})
}

func TestPreviewOf_EqualsARealViewerOfThatRelation(t *testing.T) {
	law(t, func(t *rapid.T, d dice, w *world, _ spectator, of int) {
		const visitor songspy.UserID = 100
		for as, real := range map[visibility.Relation]visibility.Viewer{
			visibility.Stranger: signedIn(visitor, nil, nil),
			visibility.Follower: signedIn(visitor, follows(visitor, id(of), songspy.FollowApproved), nil),
		} {
			preview := visibility.PreviewOf(visibility.NewSelf(id(of)), as)
			for who := range people {
				for i, th := range w.people[who].things() {
					if got, want := reveals(who, w.rule(who), th, preview, lastDay), reveals(who, w.rule(who), th, real, lastDay); got != want {
						t.Fatalf("the preview of %d as %d sees thing %d of %d: %t, want %t", of, as, i, who, got, want)
					}
				}
			}
		}
	})
}

// skewed returns the rule with random times, as processes with wrong clocks may have stored
// them: some times are in the future, and hidden items may end before they begin. Periods
// stay in order, because the store keeps them in order. skewed changes the slices of r in
// place.
func skewed(d dice, r visibility.Rule) visibility.Rule {
	shift := func(t *songspy.Sharing, from int) int { t.BeganAt = tick(from); return from }
	from := 0
	for i := range r.Periods {
		from = shift(&r.Periods[i], from+1+d(lastDay/2))
	}
	for i := range r.Hidden {
		r.Hidden[i].BeganAt = tick(d(lastDay + 10))
		if r.Hidden[i].EndedAt != nil {
			r.Hidden[i].EndedAt = ptr(tick(d(lastDay + 10)))
		}
	}
	return r
}

func TestVisibleFrom_IsTheOnlyTimeAtWhichTimeAloneChangesTheAnswer(t *testing.T) {
	law(t, func(t *rapid.T, d dice, w *world, viewer spectator, of int) {
		by := w.viewer(viewer)
		r := w.rule(of)
		if d.once(2) {
			r = skewed(d, r)
		}
		for i, th := range append(w.people[of].things(), listen{track: d(len(catalogue)), from: lastDay - 5 + d(10)}.thing(true)) {
			start := lastDay - d(20)
			from := visibility.VisibleFrom(id(of), r, th, by, tick(start))
			for at := start; at < start+120; at++ {
				if got, want := reveals(of, r, th, by, at), !from.IsZero() && !tick(at).Before(from); got != want {
					t.Fatalf("thing %d at %d: visible is %t; VisibleFrom at %d says %s", i, at, got, start, from)
				}
			}
		}
	})
}

// The settings have random times, as processes with wrong clocks may store them. Such times
// must never show more: a thing may be visible only if each period that has not ended would
// show it if it were the only period. A play may be visible only if, in addition, no such
// period hides the owner now. If two periods begin at the same time or are out of order, no
// thing of the owner may be visible.
func TestReveal_SkewedClocksNeverRevealMore(t *testing.T) {
	law(t, func(t *rapid.T, d dice, w *world, viewer spectator, of int) {
		by := w.viewer(viewer)
		r, now := skewed(d, w.rule(of)), d(lastDay+10)
		l := newPlay(d)
		l.from, l.until = d(lastDay), d(lastDay)
		if viewer.self == of {
			t.Skip("the owner sees everything")
		}
		if l.until < l.from && reveals(of, r, l.thing(false), by, now) {
			t.Fatalf("a play that ended before it began is visible: %+v", l)
		}
		for i, th := range append(w.people[of].things(), l.thing(false), l.thing(true)) {
			if !reveals(of, r, th, by, now) {
				continue
			}
			for j, p := range r.Periods {
				if j+1 < len(r.Periods) && !r.Periods[j+1].BeganAt.After(tick(now)) {
					continue
				}
				alone := r
				alone.Periods = []songspy.Sharing{p}
				alone.Periods[0].BeganAt = tick(-1000)
				alone.Periods[0].HiddenUntil = nil
				if !reveals(of, alone, th, by, now) {
					t.Fatalf("thing %d is visible at %d, but not by period %d, which has not ended", i, now, j)
				}
				if p.HiddenUntil != nil && p.HiddenUntil.After(tick(now)) && i >= 3 {
					t.Fatalf("thing %d is visible at %d, while period %d hides the owner", i, now, j)
				}
			}
		}
		if len(r.Periods) > 1 {
			i := d(len(r.Periods) - 1)
			if d.once(2) {
				r.Periods[i].BeganAt = r.Periods[i+1].BeganAt
			} else {
				r.Periods[i], r.Periods[i+1] = r.Periods[i+1], r.Periods[i]
			}
			for j, th := range w.people[of].things() {
				if reveals(of, r, th, by, now) {
					t.Fatalf("thing %d is visible with periods out of order", j)
				}
			}
		}
	})
}

func TestHistorySince_IsNotAfterAPlayThatTheViewerSees(t *testing.T) {
	law(t, func(t *rapid.T, d dice, w *world, viewer spectator, of int) {
		by, r := w.viewer(viewer), w.rule(of)
		if d.once(2) {
			r = skewed(d, r)
		}
		for range 10 {
			w.people[of].plays = append(w.people[of].plays, newPlay(d))
		}
		for at := lastDay - d(10); at < lastDay+40; at += 1 + d(20) {
			since := visibility.HistorySince(id(of), r, by, tick(at))
			for _, l := range w.people[of].plays {
				if tick(l.from).Before(since) && reveals(of, r, l.thing(false), by, at) {
					t.Fatalf("the play %+v is visible at %d and began before %s", l, at, since)
				}
			}
		}
	})
}
