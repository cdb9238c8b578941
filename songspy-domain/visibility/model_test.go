package visibility_test

import (
	"fmt"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

// This file has a model of the rule: a second, simple implementation of the
// specification. The model divides time into ticks of 10 seconds and decides for each
// tick separately. The tests compare it with package visibility in random worlds. A
// world has a few people, their settings, what they hide, play and have played, and
// their relations. All random choices come from dice, so that the library rapid can
// shrink a world in which a test fails.

// dice returns a random number from 0 to n-1.
type dice func(n int) int

func (d dice) once(in int) bool { return d(in) == 0 }

func pick[T any](d dice, from ...T) T { return from[d(len(from))] }

const (
	people  = 3
	lastDay = 60      // the tick that is the present in every world
	forever = 1 << 20 // a tick that never comes
)

func tick(n int) time.Time {
	if n == forever {
		return songspy.HiddenForever
	}
	return minute(0).Add(time.Duration(n) * 10 * time.Second)
}

// settings are a person's sharing settings. The field from is the first tick at which
// they are in force. They end when the person's next settings begin. The fields now and
// history are audiences: 0 (everyone), 1 (link), 2 (followers) or 3 (nobody).
type settings struct {
	from, now, history        int
	hiddenUntil               int // the first tick at which the person is not hidden any more; 0 if these settings do not hide the person
	minTicks                  int // for how many ticks a track must have played before others see it: 0, 3 or 6
	local, episodes, chapters bool
	findable                  bool
}

// hidden says that a person hides an artist or track, hideable[item], at the ticks in the
// interval [from, until).
type hidden struct{ item, from, until int }

// listen is a play of catalogue[track] from the tick in the field from to the tick in the
// field until, both inclusive. If the track still plays, until is 0.
type listen struct {
	track, from, until int
	probable           bool
}

type person struct {
	name       int
	settings   []settings // in the order of time
	hidden     []hidden
	plays      []listen
	now        []listen // what plays now: at most one element
	byOperator bool
}

type world struct {
	people  [people]person
	follows [people][people]int  // by follower and followed person: 0 (none), 1 (requested) or 2 (approved)
	blocks  [people][people]bool // by blocking and blocked person
}

// spectator is a viewer in a world. The fields hold numbers of people. In a preview,
// the person previewed sees what a stranger or a follower sees of that person.
type spectator struct {
	self      int // -1 if the viewer is not signed in, or for a preview
	link      int // the owner of the share link that the viewer has; -1 if the viewer has none
	previewed int // -1 if this is not a preview
	as        int // the relation that a preview imitates: 0 (stranger) or 2 (follower)
}

var catalogue = []songspy.Track{
	{URI: "t0", Kind: songspy.KindTrack, Artists: "A, B", ArtistRefs: []songspy.Artist{{URI: "spotify:artist:a", Name: "A"}, {URI: "spotify:artist:b", Name: "B"}}},
	{URI: "t1", Kind: songspy.KindTrack, Artists: "B", ArtistRefs: []songspy.Artist{{URI: "spotify:artist:b", Name: "B"}}},
	{URI: "t2", Kind: songspy.KindTrack, Artists: "a, C"},
	{URI: "spotify:local:x", Kind: songspy.KindLocal},
	{URI: "t4", Kind: songspy.KindEpisode, Artists: "Show"},
	{URI: "t5", Kind: songspy.KindChapter, Artists: "Book"},
}

var hideable = []songspy.HiddenItem{{URI: "t0"}, {URI: "spotify:artist:a", Name: "A"}, {URI: "spotify:artist:b", Name: "B"}}

// hides says whether an item of hideable (row) hides a track of catalogue (column).
// Both artists hide the local file in column 3, because its artists are unknown.
var hides = [3][6]bool{
	{true, false, false, false, false, false},
	{true, false, true, true, false, false},
	{true, true, false, true, false, false},
}

func newSettings(d dice, from int) settings {
	s := settings{
		from: from, now: pick(d, 0, 0, 1, 2, 3), history: pick(d, 0, 0, 1, 2, 3), minTicks: pick(d, 0, 0, 0, 3, 6),
		local: d.once(2), episodes: d.once(4), chapters: d.once(4), findable: d.once(2),
	}
	if d.once(4) {
		s.hiddenUntil = pick(d, forever, from+1+d(30))
	}
	return s
}

func newHidden(d dice) hidden {
	from := d(lastDay)
	return hidden{d(len(hideable)), from, pick(d, forever, from+1+d(lastDay-from))}
}

func newPlay(d dice) listen {
	from := d(lastDay)
	return listen{d(len(catalogue)), from, from + d(min(12, lastDay-from)+1), d.once(8)}
}

func newNow(d dice) []listen {
	if d.once(4) {
		return nil
	}
	return []listen{{track: d(len(catalogue)), from: lastDay - d(20)}}
}

func newPerson(d dice) person {
	p := person{name: d(100), byOperator: d.once(16), now: newNow(d)}
	for from := d(10); from <= lastDay && len(p.settings) < 4; from += 1 + d(30) {
		p.settings = append(p.settings, newSettings(d, from))
	}
	if d.once(16) {
		p.settings = nil
	}
	for range d(3) {
		p.hidden = append(p.hidden, newHidden(d))
	}
	for range d(4) {
		p.plays = append(p.plays, newPlay(d))
	}
	return p
}

func newWorld(d dice) (w world) {
	for i := range w.people {
		w.people[i] = newPerson(d)
		for j := range w.people {
			w.follows[i][j], w.blocks[i][j] = d(3), i != j && d.once(8)
		}
		w.follows[i][i] = 0
	}
	return w
}

func newSpectator(d dice) spectator {
	switch d(8) {
	case 0:
		return spectator{-1, d(people+1) - 1, -1, 0}
	case 1:
		return spectator{-1, -1, d(people), pick(d, 0, 2)}
	}
	return spectator{d(people), d(people+1) - 1, -1, 0}
}

// clone returns a copy that shares no slice with p.
func (p person) clone() person {
	p.settings, p.hidden, p.plays, p.now = slices.Clone(p.settings), slices.Clone(p.hidden), slices.Clone(p.plays), slices.Clone(p.now)
	return p
}

func (w world) clone() world {
	for i := range w.people {
		w.people[i] = w.people[i].clone()
	}
	return w
}

// at returns the person's settings that are in force at the tick t. The second result is
// false before the first settings.
func (p *person) at(t int) (in settings, ok bool) {
	for _, s := range p.settings {
		if s.from <= t {
			in, ok = s, true
		}
	}
	return in, ok
}

// closeness returns the relation of a viewer to the person with a given number: 0
// (stranger), 1 (link holder), 2 (follower), 3 (self), or -1 if one of the two has blocked
// the other.
func (w *world) closeness(by spectator, of int) int {
	if by.self == of {
		return 3
	}
	if by.self >= 0 && (w.blocks[by.self][of] || w.blocks[of][by.self]) {
		return -1
	}
	if by.self >= 0 && w.follows[by.self][of] == 2 || by.previewed == of && by.as == 2 {
		return 2
	}
	if by.link == of {
		return 1
	}
	return 0
}

// hears reports whether the specification shows a play of a person to a viewer. The
// person's settings must allow that at every tick of the play, and today. If the argument
// playing is true, the track still plays, so the play lasts until today.
func (w *world) hears(by spectator, of int, l listen, playing bool, today int) bool {
	p, near := &w.people[of], w.closeness(by, of)
	if near == 3 {
		return true
	}
	if near < 0 || p.byOperator || l.probable {
		return false
	}
	until := l.until
	if playing {
		until = today
	}
	allowed := func(t int) bool {
		s, ok := p.at(t)
		need := s.history
		if playing {
			need = s.now
		}
		if !ok || near < need || t < s.hiddenUntil || until-l.from < s.minTicks {
			return false
		}
		if l.track == 3 && s.local || l.track == 4 && s.episodes || l.track == 5 && s.chapters {
			return false
		}
		for _, h := range p.hidden {
			if h.from <= t && t < h.until && hides[h.item][l.track] {
				return false
			}
		}
		return true
	}
	for t := l.from; t <= until; t++ {
		if !allowed(t) {
			return false
		}
	}
	return allowed(today)
}

// knows reports whether the specification shows the profile of a person to a viewer.
func (w *world) knows(by spectator, of, today int) bool {
	p, near := &w.people[of], w.closeness(by, of)
	s, ok := p.at(today)
	switch {
	case near == 3:
		return true
	case near < 0 || p.byOperator || !ok:
		return false
	case by.self >= 0 && w.follows[of][by.self] > 0, s.findable:
		return true
	}
	return near >= s.now || near >= s.history
}

// finds reports whether the specification lets a viewer find a person by search.
func (w *world) finds(by spectator, of, today int) bool {
	p, near := &w.people[of], w.closeness(by, of)
	s, ok := p.at(today)
	return near == 3 || near >= 0 && !p.byOperator && ok && s.findable && (by.self >= 0 || by.previewed >= 0)
}

// transcript returns all that a viewer gets of a world, encoded as bytes. The functions
// profile, search and plays decide what the viewer may see.
func (w *world) transcript(today int, profile, search func(of int) bool, plays func(of int, l listen, playing bool) (listen, bool)) (b []byte) {
	for of := range w.people {
		p := &w.people[of]
		if profile(of) {
			b = append(b, 'P', byte(of), byte(p.name))
		}
		if search(of) {
			b = append(b, 'S', byte(of), byte(p.name))
		}
		for _, l := range p.now {
			if l, ok := plays(of, l, true); ok {
				b = append(b, 'N', byte(of), byte(l.track), byte(l.from))
			}
		}
		for _, l := range p.plays {
			if l, ok := plays(of, l, false); ok {
				b = append(b, 'H', byte(of), byte(l.track), byte(l.from), byte(l.until))
			}
		}
	}
	return b
}

// specified returns the transcript that a viewer must get according to the model.
func (w *world) specified(by spectator, today int) []byte {
	return w.transcript(today,
		func(of int) bool { return w.knows(by, of, today) },
		func(of int) bool { return w.finds(by, of, today) },
		func(of int, l listen, playing bool) (listen, bool) { return l, w.hears(by, of, l, playing, today) })
}

// revealed returns the transcript that a viewer really gets from Reveal.
func (w *world) revealed(by spectator, today int) []byte {
	v, at := w.viewer(by), tick(today)
	var rules [people]visibility.Rule
	for i := range rules {
		rules[i] = w.rule(i)
	}
	user := func(of int, th visibility.Thing) bool {
		_, ok := visibility.Reveal(&w.people[of].name, id(of), rules[of], th, v, at)
		return ok
	}
	return w.transcript(today,
		func(of int) bool { return user(of, visibility.Profile()) },
		func(of int) bool { return user(of, visibility.Search()) },
		func(of int, l listen, playing bool) (listen, bool) {
			s, ok := visibility.Reveal(&l, id(of), rules[of], l.thing(playing), v, at)
			if !ok {
				return listen{}, false
			}
			return s.Value(), true
		})
}

func id(i int) songspy.UserID { return songspy.UserID(i + 1) }

func (l listen) thing(playing bool) visibility.Thing {
	track := &catalogue[l.track]
	if playing {
		return visibility.NowThing(track, tick(l.from))
	}
	return visibility.PlayThing(track, &songspy.Play{StartedAt: tick(l.from), EndedAt: tick(l.until), Probable: l.probable})
}

var audienceOf = [...]songspy.Audience{songspy.AudienceEveryone, songspy.AudienceLink, songspy.AudienceFollowers, songspy.AudienceNobody}

func (s settings) sharing() songspy.Sharing {
	row := songspy.Sharing{
		BeganAt: tick(s.from), Now: audienceOf[s.now], History: audienceOf[s.history], MinSeconds: 10 * s.minTicks,
		HideLocal: s.local, HideEpisodes: s.episodes, HideChapters: s.chapters, Findable: s.findable,
	}
	if s.hiddenUntil != 0 {
		row.HiddenUntil = ptr(tick(s.hiddenUntil))
	}
	return row
}

func (w *world) rule(of int) visibility.Rule {
	p := &w.people[of]
	r := visibility.Rule{Owner: id(of), HiddenByOperator: p.byOperator}
	for _, s := range p.settings {
		r.Periods = append(r.Periods, s.sharing())
	}
	for _, h := range p.hidden {
		item := hideable[h.item]
		item.BeganAt = tick(h.from)
		if h.until != forever {
			item.EndedAt = ptr(tick(h.until))
		}
		r.Hidden = append(r.Hidden, item)
	}
	return r
}

func (w *world) relations(of visibility.Self) visibility.Relations {
	var f []songspy.Follow
	var b []songspy.Block
	for i := range people {
		for j := range people {
			if w.follows[i][j] > 0 {
				f = append(f, songspy.Follow{FollowerID: id(i), UserID: id(j), State: pick(func(int) int { return w.follows[i][j] - 1 }, songspy.FollowRequested, songspy.FollowApproved)})
			}
			if w.blocks[i][j] {
				b = append(b, songspy.Block{UserID: id(i), BlockedID: id(j)})
			}
		}
	}
	return visibility.NewRelations(of, f, b)
}

func (w *world) viewer(by spectator) visibility.Viewer {
	v := visibility.Anonymous()
	switch {
	case by.previewed >= 0:
		v = visibility.PreviewOf(visibility.NewSelf(id(by.previewed)), map[int]visibility.Relation{0: visibility.Stranger, 2: visibility.Follower}[by.as])
	case by.self >= 0:
		self := visibility.NewSelf(id(by.self))
		v = visibility.SignedIn(self, w.relations(self))
	}
	if by.link >= 0 {
		v = visibility.LinkHolder(v, id(by.link))
	}
	return v
}

func (w *world) String() string {
	s := ""
	for i, p := range w.people {
		s += fmt.Sprintf("person %d: %+v\n", i, p)
	}
	return s + fmt.Sprintf("follows %v blocks %v", w.follows, w.blocks)
}
