package web_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// addresses is a script that returns the links to the users that the page shows as listening now:
// in the hero, in the window, and in the list of followed users.
const addresses = `Array.from(document.querySelectorAll(".answer:not([hidden]) .name a, #board .who a, [data-following] .who a"), (who) => who.getAttribute("href"))`

// The page must show at most 48 people. If it shows 48, it must say that this list shows only some of
// the people who share. It must show no count of listeners or of plays.
func TestPage_ShowsWhatTheNumberOfListenersSays(t *testing.T) {
	for listeners, want := range map[int]string{24: "24 people, full: false", 1000: "48 people, full: true", 100_000: "48 people, full: true"} {
		t.Run(fmt.Sprint(listeners), func(t *testing.T) {
			s := newPageTest(t, newLasting(listeners)...)
			tab := s.openTab(1280, 800, "")
			s.waitFor(tab, `(() => { const shown = `+addresses+`; return new Set(shown).size + " people, full: " + !document.querySelector("[data-full]").hidden; })() === "`+want+`"`)
			// The script removes links and names, then times, and returns the lines that still have a digit.
			const numbers = `(() => {
				const main = document.getElementById("main").cloneNode(true);
				main.querySelectorAll("a, [data-member], template").forEach((e) => e.remove());
				return main.textContent.replace(/\d+(:\d\d)+|\d+\s(sec|min|hr)\. ago|\d+\ss\sapart/g, "").match(/.*\d.*/g);
			})()`
			if got := evaluate[[]string](s, tab, numbers); got != nil {
				t.Errorf("the page has the numbers %q", got)
			}
		})
	}
}

func TestPage_ShowsFollowedPeopleFirstAndFindsPeople(t *testing.T) {
	entries, followed := withFollowed(1000)
	s := newPageTest(t, lasting(entries)...)
	s.feed.viewer, s.feed.followed = entries[0].User.ID, followed
	tab := s.openTab(1280, 800, "")
	var want []string
	for _, p := range entries {
		if slices.Contains(followed, p.User.ID) {
			want = append(want, "/u/"+songspy.Handle(p.User.PublicID))
		}
	}
	slices.Sort(want)
	s.waitFor(tab, `Array.from(document.querySelectorAll("[data-following] .who a"), (who) => who.getAttribute("href")).sort().join() === "`+strings.Join(want, ",")+`"`)
	if got := evaluate[string](s, tab, `[document.querySelector("[data-following-section]").compareDocumentPosition(document.querySelector("[data-window-section]")) & Node.DOCUMENT_POSITION_FOLLOWING, document.querySelector("[data-find]").checkVisibility()].join()`); got != "4,true" {
		t.Errorf("the people that the viewer follows and the search are at %s", got)
	}
}
