package web_test

import (
	"net/http"
	"strings"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestDetails_APersonsPageShowsWhatTheyHearAndDropsItWithTheLastPlaysOnceHidden(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20))
	tab := s.openPage("/u/"+songspy.Handle(1), 1280, 800, "")
	const shown = `document.getElementById("name").textContent + "|" + (document.querySelector(".answer").hidden ? "" : document.querySelector(".answer .title").textContent)`
	s.waitFor(tab, shown+` === "Listener A|one" && document.querySelector("[data-plays] .title")?.textContent === "before"`)
	if got := evaluate[string](s, tab, artFaults); got != "" {
		t.Error(got)
	}
	s.put(newEntry(1, "first", 0))
	s.waitFor(tab, shown+` === "Listener A|first"`)
	s.remove(1)
	s.waitFor(tab, shown+` === "Page not found. The address is wrong, or the page is not public.|" && !document.querySelector("[data-plays]").hasChildNodes()`)
}

func TestDetails_APersonsPageDropsTheLastPlaysIfTheyAreHiddenBeforeTheStreamAnswers(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10))
	hidden := make(chan struct{})
	s.setAnswer(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/stream") {
			<-hidden
		}
		s.handler.ServeHTTP(w, r)
	})
	tab := s.openPage("/u/"+songspy.Handle(1), 1280, 800, "")
	s.waitFor(tab, `document.querySelector(".answer .title")?.textContent === "one" && document.querySelector("[data-plays] .title")?.textContent === "before"`)
	s.remove(1)
	close(hidden)
	s.waitFor(tab, `!document.querySelector("[data-plays]").hasChildNodes()`)
}

func TestDetails_APersonsPageAsksWithoutPush(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10))
	s.setAnswer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	tab := s.openPage("/u/"+songspy.Handle(1), 1280, 800, "")
	s.put(newEntry(1, "first", 0))
	s.waitFor(tab, `document.querySelector(".answer .title")?.textContent === "first"`)
	s.put(newEntry(1, "second", 0))
	s.waitFor(tab, `document.querySelector(".answer .title")?.textContent === "second" && document.getElementById("connection").hidden`)
}

func TestDetails_TheLastSongsOfTheOnlyListenerGoWithThem(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10))
	tab := s.openTab(1280, 800, "")
	const songs = `(document.querySelector("[data-before-section]").hidden ? "" : document.querySelector("#before-title").textContent + ": ") +
		Array.from(document.querySelectorAll("[data-before] .title"), (title) => title.textContent).join()`
	s.waitFor(tab, songs+` === "Recently played by Listener A: before"`)
	s.put(newEntry(2, "two", 0))
	s.waitFor(tab, titles+` === "two,one" && `+songs+` === ""`)
	s.remove(1)
	s.waitFor(tab, songs+` === "Recently played by Listener B: before"`)
	evaluate[any](s, tab, `document.querySelector("[data-before] .title a").focus()`)
	s.remove(2)
	s.waitFor(tab, `document.activeElement.ariaLabel === "No longer shown." && !document.querySelector("[data-before] .title")`)
	evaluate[any](s, tab, `document.activeElement.blur()`)
	s.waitFor(tab, songs+` === "" && document.querySelector("[data-before-section]").hidden`)
}

func TestTrack_ShowsWhoHearsIt(t *testing.T) {
	a, b := newEntry(1, "one", 10), newEntry(2, "two", 20)
	b.Track = a.Track
	s := newPageTest(t, a, b)
	tab := s.openPage("/t/"+songspy.Handle(a.Track.PublicID), 1280, 800, "")
	const who = `document.getElementById("name").textContent + ": " + Array.from(document.querySelectorAll("[data-listeners] .who"), (a) => a.textContent).sort().join()`
	s.waitFor(tab, who+` === "one: Listener A,Listener B" && Array.from(document.images).every((i) => i.complete)`)
	if got := evaluate[string](s, tab, artFaults); got != "" {
		t.Error(got)
	}
	s.remove(1)
	s.waitFor(tab, who+` === "one: Listener B"`)
	s.remove(2)
	s.waitFor(tab, who+` === "Nobody who shares is playing this right now.: "`)
}

func TestDetails_TheServiceWorkerKeepsAssetsAndAnEmptyPageOnly(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20))
	tab := s.openTab(1280, 800, "")
	s.waitFor(tab, titles+` === "two,one" && navigator.serviceWorker.controller !== null`)
	kept := evaluate[string](s, tab, `(async () => {
		const all = [];
		for (const name of await caches.keys()) for (const request of await (await caches.open(name)).keys()) all.push(new URL(request.url).pathname.replace(/^\/assets\/[0-9a-f]+/, ""));
		return all.sort().join();
	})()`)
	if want := "/css/base.css,/img/icon.svg,/offline.html"; kept != want {
		t.Errorf("the service worker keeps %s, want %s", kept, want)
	}
}
