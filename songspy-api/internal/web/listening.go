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

// justStarted is how long a track counts as just begun after its start. While the track of the
// hero (the user in large type) counts so, the front page says that its user just started it.
// js/now.js has the same limit.
const justStarted = 30 * time.Second

// windowSize is the largest number of users in the window. It must be equal to mostSlots in
// js/now.js.
const windowSize = 48

// mostPairs is the largest number of pairs that the front page shows, apart from the pair in the
// hero. It must be equal to mostMatches in js/now.js.
const mostPairs = 1

// Card is a user who is listening, with the track that the user plays.
type Card struct {
	// Entry has the user, the track and the times in the form of the contract, for the templates
	// and the scripts.
	Entry any
	// Person and Track are the handles (public ids) of the user and of the track.
	Person, Track string
	Artists       []Artist
	StartedAt     time.Time
	EndsAt        *time.Time    // nil if unknown
	Duration      time.Duration // 0 if unknown
	// IsMine reports whether the user is the viewer.
	IsMine bool

	now time.Time // when the page is written
}

// Artist is an artist of a track.
type Artist struct{ URI, Name string }

// MarshalJSON implements json.Marshaler. It writes only Entry, because the scripts need nothing
// else.
func (c Card) MarshalJSON() ([]byte, error) { return json.Marshal(c.Entry) }

// begin returns when the track would have begun without pauses and jumps: its end minus its
// duration, or StartedAt if one of these is unknown.
func (c Card) begin() time.Time {
	if c.EndsAt == nil || c.Duration == 0 {
		return c.StartedAt
	}
	return c.EndsAt.Add(-c.Duration)
}

// played returns how much of the track has played. It returns false if that is unknown, because
// the end or the duration is.
func (c Card) played() (_ time.Duration, ok bool) {
	return min(max(c.now.Sub(c.begin()), 0), c.Duration), c.EndsAt != nil && c.Duration > 0
}

// Time returns how much of the track has played, and its duration: "1:12 / 3:40". It is empty if
// one of these is unknown.
func (c Card) Time() string {
	played, ok := c.played()
	if !ok {
		return ""
	}
	return clock(played) + " / " + clock(c.Duration)
}

// Percent returns how much of the track has played, as the width of a line: "32.73%". It is "0%"
// if that is unknown.
func (c Card) Percent() string {
	played, ok := c.played()
	if !ok {
		return "0%"
	}
	return strconv.FormatFloat(100*played.Seconds()/c.Duration.Seconds(), 'f', 2, 64) + "%"
}

// HasJustStarted reports whether the track began less than justStarted ago. It is false if the
// end or the duration is unknown: then the scripts show when the track started, so the page need
// not say that it just did.
func (c Card) HasJustStarted() bool {
	_, ok := c.played()
	return ok && c.now.Sub(c.StartedAt) < justStarted
}

// clock writes a duration as 1:02 or 1:02:03.
func clock(d time.Duration) string {
	seconds := int(d / time.Second)
	if d < time.Hour {
		return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}

// Listening is what the front page shows: the users who are listening, and the pairs among them.
type Listening struct {
	// Window has the viewer's part of all listeners, a limited number. Other viewers may have
	// another part. Following has the listening users that the viewer follows. No user is in
	// both.
	Window, Following []Card
	// Hero is the card that the page shows in large type: that of the user whose track began
	// last. It is nil if there is no listener.
	Hero *Card
	// Together is a pair of the hero's user and another user who plays the same track. The other
	// user is the viewer if possible, else the user whose track began closest in time to the
	// hero's. The page shows this pair in the hero. It is nil if nobody else plays the hero's
	// track.
	Together *Pair
	// Pairs are the other pairs that the page shows. If Together is set, Pairs has only pairs of
	// the viewer with a user who does not play the hero's track.
	Pairs []Pair
}

// NewListening returns what the front page shows at the time now. The caller ensures that no
// user is in both lists.
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

// Wall returns the cards of Window, except that of the hero's user: the page already shows this user
// as the hero.
func (l *Listening) Wall() []Card {
	return slices.DeleteFunc(slices.Clone(l.Window), func(c Card) bool { return l.Hero != nil && c.Person == l.Hero.Person })
}

// IsEmpty reports whether nobody is listening. It is false if l is nil, which means that this is
// unknown.
func (l *Listening) IsEmpty() bool { return l != nil && l.Hero == nil }

// IsFull reports whether the window has its largest size. Then there may be listening users that
// it does not show.
func (l *Listening) IsFull() bool { return len(l.Window) >= windowSize }

// Pair is two users who play the same track, or tracks of the same artist.
type Pair struct {
	A, B    Card
	Seconds int // the time between the starts of their tracks, in seconds
	// Artist is the name of the artist that both play; empty if both play the same track.
	Artist string
}

// Members returns A and B.
func (p Pair) Members() []Card { return []Card{p.A, p.B} }

// IsMine reports whether the viewer is A. The viewer is never B.
func (p Pair) IsMine() bool { return p.A.IsMine }

// Other returns the first user that the sentence about the pair mentions by name. It returns B
// if A is the viewer, because the sentence says "you" for the viewer. Otherwise it returns A.
func (p Pair) Other() Card {
	if p.IsMine() {
		return p.B
	}
	return p.A
}

// Text returns the key of the sentence about the pair, such as now.sameTrack, in the files of
// texts.
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

// together returns the pair for Listening.Together, or nil if nobody else plays the hero's
// track. js/match.js has the same rule.
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

// distance returns the time between the starts of two tracks, computed as if nobody had paused
// or jumped (see begin).
func distance(a, b Card) time.Duration { return a.begin().Sub(b.begin()).Abs() }

// closest returns up to mostPairs pairs of users who play the same track or, if there are none,
// of users who play tracks of the same artist. The viewer's pairs come first. The other
// pairs are sorted by the time between the starts of their tracks, shortest first. js/match.js has the same rule.
func closest(cards []Card) []Pair {
	mineFirst := slices.Clone(cards)
	slices.SortStableFunc(mineFirst, func(a, b Card) int { return cmp.Compare(rank(a), rank(b)) })
	found := pairsBy(mineFirst, func(c Card) []Artist { return []Artist{{URI: c.Track}} })
	if len(found) == 0 {
		found = pairsBy(mineFirst, func(c Card) []Artist { return c.Artists })
	}
	return found[:min(len(found), mostPairs)]
}

// rank returns 0 for the viewer's card, and 1 for other cards. Cards and pairs are sorted by
// rank, so that the viewer comes first.
func rank(c Card) int {
	if c.IsMine {
		return 0
	}
	return 1
}

// pairsBy groups the cards by the keys that the function keys returns for each card: its track,
// or its artists. It returns one pair for each key that several cards have, in the order of
// closest. Two users who share several keys are a pair only once.
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

// nearest returns the two cards whose tracks began closest together in time. If the viewer is
// among the cards, it considers only pairs with the viewer, and A is the viewer.
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
