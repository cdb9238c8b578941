package web

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// noon is the time at which these tests render the page.
var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// newCard returns the card of a person whose track lasts 200 s. The track began the given number
// of seconds (ago) before noon.
func newCard(person, track string, ago int) Card {
	start := noon.Add(-time.Duration(ago) * time.Second)
	end := start.Add(200 * time.Second)
	entry := emptyEntry{}
	entry.Person.Handle, entry.Person.NickName, entry.Track.Title = person, strings.ToUpper(person), track
	return Card{Entry: entry, Person: person, Track: track, StartedAt: start, EndsAt: &end, Duration: 200 * time.Second}
}

func render(t *testing.T, v View) string {
	t.Helper()
	var out bytes.Buffer
	v.Page, v.Language, v.Now, v.SignIn = Pages[0], "en", noon, "/sign-in"
	if err := newSite(t).Render(&out, v); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestCard_HasTheTimeAndTheLineOfItsTrack(t *testing.T) {
	unknown := newCard("a", "x", 70)
	unknown.EndsAt = nil
	long := newCard("a", "x", 3725)
	end := long.StartedAt.Add(2 * time.Hour)
	long.Duration, long.EndsAt = 2*time.Hour, &end
	for name, c := range map[string]struct {
		card          Card
		time, percent string
	}{
		"a song":          {newCard("a", "x", 50), "0:50 / 3:20", "25.00%"},
		"a late end":      {newCard("a", "x", 250), "3:20 / 3:20", "100.00%"},
		"a start to come": {newCard("a", "x", -5), "0:00 / 3:20", "0.00%"},
		"no end":          {unknown, "", "0%"},
		"hours":           {long, "1:02:05 / 2:00:00", "51.74%"},
	} {
		card := NewListening([]Card{c.card}, nil, noon).Hero
		if card.Time() != c.time || card.Percent() != c.percent {
			t.Errorf("%s: the time is %q and the line %s, want %q and %s", name, card.Time(), card.Percent(), c.time, c.percent)
		}
	}
}

func TestListening_TheWindowHasNoCardOfTheHero(t *testing.T) {
	window := []Card{newCard("a", "x", 10), newCard("b", "y", 20), newCard("c", "z", 30)}
	for name, c := range map[string]struct {
		following []Card
		want      string
	}{
		"in the window":    {nil, "a: | bc"},
		"among the others": {[]Card{newCard("d", "x", 5), newCard("e", "z", 6)}, "d: de | abc"},
	} {
		l := NewListening(window, c.following, noon)
		got := l.Hero.Person + ": "
		for _, card := range l.Following {
			got += card.Person
		}
		got = strings.TrimSpace(got) + " | "
		for _, card := range l.Wall() {
			got += card.Person
		}
		if got != c.want {
			t.Errorf("%s: the hero and the lists are %q, want %q", name, got, c.want)
		}
	}
}

func TestRender_LeadsToOthersOnlyIfSomebodyElseHearsTheTrackOfTheHero(t *testing.T) {
	alone := []Card{newCard("a", "x", 10), newCard("b", "y", 20), newCard("c", "y", 30)}
	shared := []Card{newCard("a", "x", 10), newCard("b", "x", 20)}
	for name, c := range map[string]struct {
		window []Card
		want   string
	}{
		"alone": {alone, `href="/t/x" hidden>`}, "shared": {shared, `href="/t/x">`},
	} {
		if html := render(t, View{Listening: NewListening(c.window, nil, noon)}); !strings.Contains(html, `<a data-who `+c.want) {
			t.Errorf("%s: the page lacks %s", name, c.want)
		}
	}
}

func TestRender_AsksToJoinWhereTheNumberOfListenersSays(t *testing.T) {
	many := []Card{newCard("a", "x", 10), newCard("b", "y", 20)}
	mine := newCard("a", "x", 10)
	mine.IsMine = true
	for name, c := range map[string]struct {
		view         View
		has, hasNone []string
	}{
		"nobody":      {View{Listening: NewListening(nil, nil, noon)}, []string{`<body class="few nobody">`, `<div class="join" data-sign-in>`, "data-join-end hidden>", "data-state>Be the first to answer.", "data-full hidden"}, nil},
		"nobody else": {View{SignedIn: true, IsLinked: true, Listening: NewListening(nil, nil, noon)}, []string{`<div class="join" data-sign-in hidden>`, "right now. Play a song on Spotify, and show it"}, []string{"Link Spotify,"}},
		"not linked":  {View{SignedIn: true, Listening: NewListening(nil, nil, noon)}, []string{`<div class="join" data-sign-in hidden>`, "right now. Link Spotify, and show"}, []string{"Play a song"}},
		"one":         {View{Listening: NewListening(many[:1], nil, noon)}, []string{`<body class="few">`, `<div class="join" data-sign-in>`, "Play the same song, and you and A both see", "Until then, nobody sees you", "data-share>"}, nil},
		"oneself":     {View{SignedIn: true, Listening: NewListening([]Card{mine}, nil, noon)}, []string{`<div class="join" data-sign-in hidden>`, "Only your song is here", "data-share>"}, []string{"Play the same song, and"}},
		"one and one": {View{Listening: NewListening(many[:1], many[1:], noon)}, []string{`<body class="many">`, "data-join-end>", "data-share>", "Is anyone playing your song right now?"}, []string{"Play the same song, and"}},
		"signed in":   {View{SignedIn: true, Listening: NewListening(many, nil, noon)}, []string{"data-share>", "data-join-end hidden>", `data-state></p>`}, nil},
		"many":        {View{Listening: NewListening(many, nil, noon)}, []string{`<body class="many">`, "data-join-end>"}, []string{"Play the same song, and"}},
		"unknown":     {View{}, []string{`<div class="join" data-sign-in>`, "data-state></p>"}, nil},
		"full":        {View{Listening: NewListening(slices.Repeat(many[:1], windowSize), nil, noon)}, []string{"data-full>"}, nil},
	} {
		html := render(t, c.view)
		for _, part := range c.has {
			if !strings.Contains(html, part) {
				t.Errorf("%s: the page lacks %s", name, part)
			}
		}
		for _, part := range c.hasNone {
			if strings.Contains(html, part) {
				t.Errorf("%s: the page has %s", name, part)
			}
		}
	}
}

// Go writes the first HTML, and the scripts change it later. So both must have the same limits.
func TestListening_HasTheLimitsOfTheScripts(t *testing.T) {
	script := string(newSite(t).files["js/now.js"].Body)
	for name, value := range map[string]int64{"justStarted": justStarted.Milliseconds(), "mostSlots": windowSize, "mostMatches": mostPairs} {
		if rule := fmt.Sprintf("const %s = %d;", name, value); !strings.Contains(script, rule) {
			t.Errorf("now.js lacks %q, so its limit differs from that of the first HTML", rule)
		}
	}
}
