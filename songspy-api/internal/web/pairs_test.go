package web_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Followed users have a list of their own above the window (the list of other listeners), and must
// not be in the window as well. When the page opens, both lists must be in the order of the starts,
// newest first. A user who starts another track later must stay at the same place in the list.
func TestPage_ListsFollowedPeopleNewestStartFirstAndKeepsTheirPlaces(t *testing.T) {
	s := newPageTest(t, newEntry(1, "own", 40), newEntry(2, "two", 20), newEntry(3, "three", 60), newEntry(4, "four", 30), newEntry(5, "five", 50), newEntry(6, "six", 10))
	s.feed.viewer, s.feed.followed = 1, []songspy.UserID{3, 4, 5, 6, 7, 8}
	tab := s.openTab(1280, 800, `document.addEventListener("readystatechange", () => {
		window.lists = () => Array.from(document.querySelectorAll("[data-following], #board"), (list) => Array.from(list.children, (slot) => slot.querySelector("h3")?.textContent || "-").join()).join(" | ");
		if (document.readyState === "interactive") window.first = lists(); // scripts run later
	});`)
	for _, step := range []struct {
		name   string
		change func()
		want   string
	}{
		{"at first", func() {}, "six,four,five,three | two,own"},
		{"a followed person starts a track", func() { s.put(newEntry(5, "fifth", 0)) }, "six,four,fifth,three | two,own"},
		{"another followed person appears", func() { s.put(newEntry(7, "seven", 5)) }, "six,four,fifth,three,seven | two,own"},
		{"somebody else appears", func() { s.put(newEntry(9, "nine", 5)) }, "six,four,fifth,three,seven | two,own,nine"},
		{"a followed person leaves", func() { s.remove(4) }, "six,-,fifth,three,seven | two,own,nine"},
		{"a followed person takes the place", func() { s.put(newEntry(8, "eight", 70)) }, "six,eight,fifth,three,seven | two,own,nine"},
	} {
		step.change()
		s.waitFor(tab, `lists() === "`+step.want+`"`)
	}
	if got := evaluate[string](s, tab, `first`); got != "six,four,five,three | two,own" {
		t.Errorf("the lists of the first HTML are %s", got)
	}
}

// pairOf returns a unchanged, and b as an entry that plays the track of a and began it 14 seconds
// after a.
func pairOf(a, b songspy.BoardEntry) (songspy.BoardEntry, songspy.BoardEntry) {
	end := a.Playing.EndsAt.Add(14 * time.Second)
	b.Track, b.Playing.StartedAt, b.Playing.EndsAt = a.Track, a.Playing.StartedAt.Add(14*time.Second), &end
	return a, b
}

func TestPage_AScreenReaderFindsThePairsWithTheirLinks(t *testing.T) {
	a, b := pairOf(newEntry(1, "one", 40), newEntry(2, "two", 0))
	hero, other := pairOf(newEntry(3, "three", 16), newEntry(4, "four", 0))
	hero.Track.ArtistRefs = hero.Track.ArtistRefs[:1]
	other.Track.ArtistRefs = hero.Track.ArtistRefs
	for name, c := range map[string]struct {
		entries      []songspy.BoardEntry
		region, want string
	}{
		"a pair with the same song":   {[]songspy.BoardEntry{a, b, newEntry(9, "hero", 0)}, "Same track, same moment", "image Spotify|link Listener A|link Listener B|link one|link Somebody|link Somebody Else|link See who is playing this song"},
		"a pair with the same artist": {[]songspy.BoardEntry{newEntry(1, "one", 10), newEntry(2, "two", 20)}, "Same track, same moment", "image Spotify|link Listener B|link Listener A|link two|link one"},
		"the pair of the hero":        {[]songspy.BoardEntry{hero, other}, "What are you listening to right now?", "heading What are you listening to right now?|link Listener C|link Listener D|link three|link Somebody|link An Album|image Spotify|link Listen on Spotify|link See who is playing this song"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newPageTest(t, c.entries...)
			tab := s.openTab(1280, 800, "")
			s.waitFor(tab, `document.querySelectorAll("#board li h3").length === `+strconv.Itoa(len(c.entries)-1))
			var found []string
			depth := -1
			for _, line := range s.accessible(tab) {
				text := strings.TrimLeft(line, " ")
				switch at := len(line) - len(text); {
				case depth >= 0 && at > depth:
					found = append(found, text)
				case depth >= 0:
					depth = -1
				case text == "region "+c.region:
					depth = at
				}
			}
			if got := strings.Join(found, "|"); got != c.want {
				t.Errorf("a screen reader finds %s, want %s", got, c.want)
			}
		})
	}
}

// Go writes the pairs below the hero, and scripts replace them. Both must write the same elements.
func TestPage_ThePairsOfTheFirstHTMLAreThoseOfTheScripts(t *testing.T) {
	a, b := pairOf(newEntry(1, "one", 40), newEntry(2, "two", 0))
	bare := newEntry(4, "bare", 20)
	bare.Track.ImageURL = ""
	for name, entries := range map[string][]songspy.BoardEntry{
		"the same song": {a, b, newEntry(9, "hero", 0)}, "the same artist": {newEntry(1, "one", 10), newEntry(2, "two", 20)}, "no cover": {newEntry(1, "one", 10), bare},
	} {
		t.Run(name, func(t *testing.T) {
			person := entries[0]
			s := newPageTest(t, entries...)
			tab := s.openTab(1280, 800, `
				window.parts = () => Array.from(document.querySelectorAll("[data-matches] *:not(rect)"), (e) => [e.localName, ...["class", "href", "src", "width", "tabindex", "aria-hidden", "target"].map((name) => e.getAttribute(name)), e.children.length ? "" : e.textContent.replace(/^[0-9:]+ /, "")].join(" ")).join("\n");
				document.addEventListener("readystatechange", () => { if (document.readyState === "interactive") { window.first = parts(); window.pair = document.querySelector("[data-pair]"); } });`)
			s.waitFor(tab, `document.querySelectorAll("#board li h3").length === `+strconv.Itoa(len(entries)-1))
			// The pair disappears when one of its users leaves the board. So when the user comes back, the
			// scripts have to build the pair themselves.
			s.remove(1)
			s.waitFor(tab, `!pair.isConnected`)
			s.put(person)
			s.waitFor(tab, `document.querySelector("[data-pair]")?.dataset.pair === pair.dataset.pair`)
			if first, got := evaluate[string](s, tab, `first`), evaluate[string](s, tab, `parts()`); first != got || !strings.Contains(got, "img logo") {
				t.Errorf("the first HTML has\n%s\nand the scripts build\n%s", first, got)
			}
		})
	}
}
