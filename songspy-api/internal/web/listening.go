package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// justStarted is how long the hero says that its track has just begun. js/now.js has the same.
const justStarted = 30 * time.Second

// windowSize is how many people the window has at most. js/now.js has the same.
const windowSize = 48

// mostPairs is how many pairs the front page shows at most. js/now.js has the same.
const mostPairs = 1

// Card is a person who is listening.
type Card struct {
	// Entry is the card in values of the contract. Scripts begin with it.
	Entry any
	// Person and Track are handles.
	Person, Track string
	Artists       []Artist
	StartedAt     time.Time
	EndsAt        *time.Time    // nil if unknown
	Duration      time.Duration // 0 if unknown
	// IsMine says that the person is the viewer.
	IsMine bool

	now time.Time
}

// Artist is an artist of a track.
type Artist struct{ URI, Name string }

// MarshalJSON implements json.Marshaler: scripts get the entry.
func (c Card) MarshalJSON() ([]byte, error) { return json.Marshal(c.Entry) }

// begin returns when the track would have begun without pauses and jumps.
func (c Card) begin() time.Time {
	if c.EndsAt == nil || c.Duration == 0 {
		return c.StartedAt
	}
	return c.EndsAt.Add(-c.Duration)
}

// played returns how much of the track has played; ok is false if that is unknown.
func (c Card) played() (_ time.Duration, ok bool) {
	return min(max(c.now.Sub(c.begin()), 0), c.Duration), c.EndsAt != nil && c.Duration > 0
}

// Time returns "1:12 / 3:40"; empty if it is unknown.
func (c Card) Time() string {
	played, ok := c.played()
	if !ok {
		return ""
	}
	return clock(played) + " / " + clock(c.Duration)
}

// Percent returns how much of the track has played, as the width of a line.
func (c Card) Percent() string {
	played, ok := c.played()
	if !ok {
		return "0%"
	}
	return strconv.FormatFloat(100*played.Seconds()/c.Duration.Seconds(), 'f', 2, 64) + "%"
}

// HasJustStarted reports whether the track began a few seconds ago.
func (c Card) HasJustStarted() bool { return c.now.Sub(c.StartedAt) < justStarted }

// clock writes a duration as 1:02 or 1:02:03.
func clock(d time.Duration) string {
	seconds := int(d / time.Second)
	if d < time.Hour {
		return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}

// Listening is who is listening.
type Listening struct {
	// Window and Following are the people of the front page. Nobody is in both.
	Window, Following []Card
	// Hero is the card in large type: that of the person whose track began last. Nil if there
	// are no people.
	Hero *Card
	// Together is the person of the hero with the viewer, or else with the closest person, who
	// plays the same track; nil if nobody does. The page shows it in large type.
	Together *Pair
	// Pairs are the others. Beside Together it is the viewer's own only.
	Pairs []Pair
}

// NewListening returns what the front page shows at a time.
func NewListening(window, following []Card, now time.Time) *Listening {
	l := &Listening{Window: append([]Card{}, window...), Following: append([]Card{}, following...)}
	for _, list := range [][]Card{l.Window, l.Following} {
		for i := range list {
			list[i].now = now
		}
	}
	all := slices.Concat(l.Following, l.Window)
	if len(all) == 0 {
		return l
	}
	hero := slices.MaxFunc(all, func(a, b Card) int { return a.StartedAt.Compare(b.StartedAt) })
	l.Hero = &hero
	l.Together, l.Pairs = together(hero, all), closest(all)
	if l.Together != nil {
		l.Pairs = slices.DeleteFunc(l.Pairs, func(p Pair) bool { return !p.IsMine() || p.B.Track == hero.Track })
	}
	return l
}

// Wall returns the cards of the window. The person of the hero is not among them, because the
// page shows that person in large type.
func (l *Listening) Wall() []Card {
	return slices.DeleteFunc(slices.Clone(l.Window), func(c Card) bool { return l.Hero != nil && c.Person == l.Hero.Person })
}

// IsFull reports whether the window has no place left, so that more people may be sharing.
func (l *Listening) IsFull() bool { return len(l.Window) >= windowSize }

// Pair is two people who play the same track, or the same artist.
type Pair struct {
	A, B    Card
	Seconds int
	// Artist is the name of the artist; empty if both play the same track.
	Artist string
}

// Members are the two.
func (p Pair) Members() []Card { return []Card{p.A, p.B} }

// IsMine reports whether the viewer is A. The viewer is never B.
func (p Pair) IsMine() bool { return p.A.IsMine }

// Other returns the first person that the sentence names: never the viewer.
func (p Pair) Other() Card {
	if p.IsMine() {
		return p.B
	}
	return p.A
}

// Text returns the key of the sentence about the pair.
func (p Pair) Text() string {
	switch {
	case p.Artist != "" && p.IsMine():
		return "now.selfArtist"
	case p.Artist != "":
		return "now.sameArtist"
	case p.IsMine() && p.Seconds == 0:
		return "now.selfTrackNow"
	case p.IsMine():
		return "now.selfTrack"
	case p.Seconds == 0:
		return "now.sameTrackNow"
	default:
		return "now.sameTrack"
	}
}

// together returns the pair of the hero, by the rule of js/match.js.
func together(hero Card, all []Card) *Pair {
	var other *Card
	for _, c := range all {
		if c.Track != hero.Track || c.Person == hero.Person {
			continue
		}
		if other == nil || c.IsMine || !other.IsMine && distance(c, hero) < distance(*other, hero) {
			other = &c
		}
	}
	if other == nil {
		return nil
	}
	p := Pair{A: *other, B: hero, Seconds: int(math.Round(distance(*other, hero).Seconds()))}
	if hero.IsMine || !other.IsMine && hero.begin().Before(other.begin()) {
		p.A, p.B = p.B, p.A
	}
	return &p
}

// distance returns the time between the starts of two tracks.
func distance(a, b Card) time.Duration { return a.begin().Sub(b.begin()).Abs() }

// closest returns the pairs that the front page shows, by the rule of js/match.js: the
// viewer's own first, then those with the smallest distance. If nobody plays the same track,
// they are pairs of people with the same artist.
func closest(cards []Card) []Pair {
	mineFirst := slices.Clone(cards)
	slices.SortStableFunc(mineFirst, func(a, b Card) int { return cmp.Compare(rank(a), rank(b)) })
	found := pairsBy(mineFirst, func(c Card) []Artist { return []Artist{{URI: c.Track}} })
	if len(found) == 0 {
		found = pairsBy(mineFirst, func(c Card) []Artist { return c.Artists })
	}
	return found[:min(len(found), mostPairs)]
}

// rank returns 0 for the viewer, and 1 for others.
func rank(c Card) int {
	if c.IsMine {
		return 0
	}
	return 1
}

// pairsBy returns one pair for each key that several cards have.
func pairsBy(cards []Card, keys func(Card) []Artist) (pairs []Pair) {
	groups, order := map[string][]Card{}, []Artist{}
	for _, c := range cards {
		for _, key := range keys(c) {
			if groups[key.URI] == nil {
				order = append(order, key)
			}
			groups[key.URI] = append(groups[key.URI], c)
		}
	}
	known := map[[2]string]bool{}
	for _, key := range order {
		if len(groups[key.URI]) < 2 {
			continue
		}
		p := nearest(groups[key.URI])
		p.Artist = key.Name
		people := [2]string{min(p.A.Person, p.B.Person), max(p.A.Person, p.B.Person)}
		if !known[people] {
			known[people] = true
			pairs = append(pairs, p)
		}
	}
	slices.SortStableFunc(pairs, func(a, b Pair) int {
		return cmp.Or(cmp.Compare(rank(a.A), rank(b.A)), cmp.Compare(a.Seconds, b.Seconds))
	})
	return pairs
}

// nearest returns the two of several cards whose tracks began at about the same time; one
// of them is the viewer if the viewer is among them.
func nearest(cards []Card) (best Pair) {
	isMine := slices.ContainsFunc(cards, func(c Card) bool { return c.IsMine })
	sorted := slices.Clone(cards)
	slices.SortStableFunc(sorted, func(a, b Card) int { return a.begin().Compare(b.begin()) })
	best.Seconds = math.MaxInt
	for i := 1; i < len(sorted); i++ {
		a, b := sorted[i-1], sorted[i]
		seconds := int(math.Round(b.begin().Sub(a.begin()).Seconds()))
		if isMine && !a.IsMine && !b.IsMine || seconds >= best.Seconds {
			continue
		}
		if b.IsMine {
			a, b = b, a
		}
		best = Pair{A: a, B: b, Seconds: seconds}
	}
	return best
}
