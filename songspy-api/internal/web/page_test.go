package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/web"
)

// titles is a script that returns the titles of the cards in the list #board, in order, and then the
// title of the hero (the user that the page shows in large type), joined by commas. "-" stands for a
// list item without a card.
const titles = `Array.from(document.querySelectorAll("#board li"), (li) => li.querySelector("h3")?.textContent || "-")
	.concat(Array.from(document.querySelectorAll(".answer:not([hidden]) .title"), (title) => title.textContent)).join()`

// lost answers every request with 502, as a proxy does while the server behind it is down.
var lost http.HandlerFunc = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }

func TestPage_CardsKeepTheirPlaceAndTheFocus(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20), newEntry(3, "three", 30), newEntry(4, "four", 40))
	tab := s.openTab(1280, 800, "")
	s.waitFor(tab, titles+` === "two,three,four,one"`)
	evaluate[any](s, tab, `
		window.inserted = [];
		new MutationObserver((all) => all.forEach((m) => inserted.push(...Array.from(m.addedNodes, (n) => n.querySelector("h3")?.textContent || "-"))))
			.observe(document.getElementById("board"), { childList: true });
		document.querySelectorAll("#board h3 a")[1].focus();`)
	const state = `JSON.stringify([document.activeElement.closest("li")?.querySelector("h3")?.textContent ?? document.activeElement.nodeName, inserted.splice(0)])`
	for _, step := range []struct {
		name        string
		change      func()
		board, want string
	}{
		{"another user starts a track", func() { s.put(newEntry(4, "fourth", 0)) }, "two,three,fourth,one", `["three",[]]`},
		{"the focused user starts a track", func() { s.put(newEntry(3, "third", -1)) }, "two,third,fourth,one", `["third",[]]`},
		{"a user appears", func() { s.put(newEntry(5, "five", 15)) }, "two,third,fourth,five,one", `["third",["five"]]`},
		{"another user leaves", func() { s.remove(2) }, "-,third,fourth,five,one", `["third",["-"]]`},
		{"a user takes the empty place", func() { s.put(newEntry(6, "six", 5)) }, "six,third,fourth,five,one", `["third",["six"]]`},
		{"the focused user leaves", func() { s.remove(3) }, "six,-,fourth,five,one", `["LI",["-"]]`},
		{"nobody takes the focused place", func() { s.put(newEntry(7, "seven", 5)) }, "six,-,fourth,five,seven,one", `["LI",["seven"]]`},
		{"the focus leaves the empty place", func() { evaluate[any](s, tab, `document.activeElement.blur()`); s.put(newEntry(8, "eight", 5)) }, "six,eight,fourth,five,seven,one", `["BODY",["eight"]]`},
	} {
		step.change()
		s.waitFor(tab, titles+` === "`+step.board+`"`)
		if got := evaluate[string](s, tab, state); got != step.want {
			t.Errorf("%s: focus and inserted cards are %s, want %s", step.name, got, step.want)
		}
		if strings.Contains(step.want, "BODY") {
			continue
		}
		// The key Tab must move the focus to the next control on the page.
		evaluate[any](s, tab, nextFocus)
		if err := chromedp.Do(tab, chromedp.KeyEvent(kb.Tab)); err != nil {
			t.Fatal(err)
		}
		if got := evaluate[string](s, tab, `document.activeElement === expected ? "" : document.activeElement.outerHTML + " instead of " + expected.outerHTML`); got != "" {
			t.Errorf("%s: the key Tab leads to %s", step.name, got)
		}
		evaluate[any](s, tab, `inserted.splice(0); from.focus()`)
	}
}

// nextFocus is a script that sets two variables of the page: "from" is the element that has the focus,
// and "expected" is the element to which the key Tab should move it.
const nextFocus = `window.from = document.activeElement;
	window.expected = Array.from(document.querySelectorAll("a[href], button, input, summary")).find((e) => e.tabIndex === 0 && e.getClientRects().length > 0 &&
		from.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING); 0`

// hurry is a script that makes the timeouts of the page end four times as fast, so that the page
// notices a lost connection sooner.
const hurry = `const slow = window.setTimeout; window.setTimeout = (run, ms, ...rest) => slow(run, ms / 4, ...rest);`

// answer is a script that returns the name of the hero's user and the title of the track, such as
// "Listener A: one". It returns an empty text if there is no hero.
const answer = `(document.querySelector(".answer").hidden ? "" : document.querySelector(".answer .name").textContent + ": " + document.querySelector(".answer .title").textContent)`

func TestHero_PassesAtAChangeOnlyAndNeverWhileItIsUsed(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 100), newEntry(2, "two", 200))
	tab := s.openTab(1280, 800, `window.later = 0; const now = Date.now; Date.now = () => now() + later;`)
	s.waitFor(tab, answer+` === "Listener A: one"`)
	s.put(newEntry(2, "second", 0))
	s.waitFor(tab, titles+` === "second,one"`)
	if got := evaluate[string](s, tab, answer); got != "Listener A: one" {
		t.Errorf("within 20 s the hero passes to %s", got)
	}
	evaluate[any](s, tab, `later = 21000; document.querySelector(".answer .title a").focus()`)
	s.put(newEntry(2, "third", -5))
	s.waitFor(tab, titles+` === "third,one"`)
	if got := evaluate[string](s, tab, answer); got != "Listener A: one" {
		t.Errorf("while it is focused the hero passes to %s", got)
	}
	s.put(newEntry(1, "again", 90))
	s.waitFor(tab, answer+` === "Listener A: again"`) // the hero's own user has begun another track: the hero shows it at once, even while it is focused
	evaluate[any](s, tab, `document.activeElement.blur()`)
	s.put(newEntry(2, "fourth", -6))
	s.waitFor(tab, answer+` === "Listener B: fourth"`)
	if got := evaluate[int](s, tab, `document.getAnimations().filter((a) => a.effect.target.closest(".art")).length`); got != 0 {
		t.Error("album art is animated")
	}
	s.remove(2)
	s.waitFor(tab, answer+` === "Listener A: again"`)
	s.remove(1)
	s.waitFor(tab, answer+` === "" && document.querySelector("[data-state]").textContent.startsWith("Be the first to answer.")`)
}

func TestHero_TakesItsCardFromTheListUnlessTheCardIsInUse(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 100), newEntry(2, "two", 200), newEntry(3, "three", 300))
	tab := s.openTab(1280, 800, `window.later = 0; const now = Date.now; Date.now = () => now() + later;`)
	s.waitFor(tab, titles+` === "two,three,one"`)
	evaluate[any](s, tab, `later = 21000; document.querySelector("#board li h3 a").focus()`)
	s.put(newEntry(2, "second", 0))
	s.waitFor(tab, titles+` === "second,three,one,second"`)
	if got := evaluate[string](s, tab, `document.activeElement.textContent`); got != "second" {
		t.Errorf("the focus is on %q, want the card whose user is the hero now", got)
	}
	evaluate[any](s, tab, `document.activeElement.blur()`)
	s.put(newEntry(4, "four", 50))
	s.waitFor(tab, titles+` === "four,three,one,second"`)
	evaluate[any](s, tab, `later = 42000`)
	s.put(newEntry(3, "third", -1))
	s.waitFor(tab, titles+` === "four,second,one,third"`) // the card of the previous hero is in the place of the new hero's card
}

func TestPause_HoldsTheBoardAndRemovesWhoWithdraws(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20), newEntry(3, "three", 30))
	tab := s.openTab(1280, 800, "")
	s.waitFor(tab, titles+` === "two,three,one"`)
	evaluate[any](s, tab, `document.querySelector("[data-pause]").click()`)
	s.put(newEntry(2, "second", 0))
	s.remove(1)
	s.waitFor(tab, titles+` === "two,three" && document.getElementById("announce").textContent.startsWith("Updates are paused")`)
	if got := evaluate[string](s, tab, answer); got != "" {
		t.Errorf("the hero shows %s, who has stopped sharing", got)
	}
	evaluate[any](s, tab, `document.querySelector("[data-pause]").click()`)
	s.waitFor(tab, titles+` === "-,three,second" && `+answer+` === "Listener B: second"`)
}

func TestPage_MissingCoversHaveAPlaceholder(t *testing.T) {
	none, broken := newEntry(2, "none", 20), newEntry(3, "broken", 30)
	none.Track.ImageURL, broken.Track.ImageURL = "", "HERE/nothing-here"
	s := newPageTest(t, newEntry(1, "hero", 5), newEntry(4, "whole", 10), none, broken)
	tab := s.openTab(1280, 800, "")
	const covers = `JSON.stringify(Array.from(document.querySelectorAll("#board .art"), (c) => {
		const box = c.getBoundingClientRect(), shown = (e) => e.getBoundingClientRect().width > 0;
		return [c.closest("li").querySelector("h3").textContent, shown(c.querySelector("img")), shown(c.querySelector("svg")), Math.round(box.width - box.height)];
	}))`
	s.waitFor(tab, titles+` === "whole,none,broken,hero" && document.querySelectorAll("#board .art img[hidden]").length === 2`)
	if got, want := evaluate[string](s, tab, covers), `[["whole",true,false,0],["none",false,true,0],["broken",false,true,0]]`; got != want {
		t.Errorf("title, whether cover and drawing are visible, and how far the place is from a square are %s, want %s", got, want)
	}
}

// artFaults is a script that lists violations of Spotify's design rules: album art that is cropped,
// covered, changed or without a link, and content of Spotify without Spotify's logo.
const artFaults = `(() => {
	const faults = [];
	for (const img of document.querySelectorAll("main .art img")) {
		if (img.hidden || img.closest("[hidden]")) continue;
		const box = img.getBoundingClientRect(), style = getComputedStyle(img);
		if (!img.closest("a[href]")) faults.push("no link");
		if (style.objectFit !== "contain" || style.clipPath !== "none" || style.mixBlendMode !== "normal") faults.push("cropped or blended");
		if (parseFloat(style.borderRadius) > 8) faults.push("large corners");
		for (let e = img; e; e = e.parentElement) {
			const s = getComputedStyle(e);
			if (s.opacity !== "1" || s.animationName !== "none" || s.filter !== "none" || s.transform !== "none") faults.push("changed by " + e.outerHTML.slice(0, 80));
		}
		img.scrollIntoView({ block: "center" });
		const middle = img.getBoundingClientRect();
		for (const [x, y] of [[0.5, 0.5], [0.05, 0.05], [0.95, 0.95]]) {
			const top = document.elementFromPoint(middle.left + middle.width * x, middle.top + middle.height * y);
			if (top !== img) faults.push("covered by " + top?.outerHTML.slice(0, 80));
		}
	}
	for (const section of document.querySelectorAll("main section")) {
		const content = Array.from(section.querySelectorAll(".art img:not([hidden]), a[href^='https://open.spotify.com/']"));
		if (section.closest("[hidden]") || !content.some((one) => one.checkVisibility())) continue;
		const logo = Array.from(section.querySelectorAll(".logo")).find((one) => one.checkVisibility()), box = logo?.getBoundingClientRect();
		if (!logo || box.width < 70 || Math.abs(box.width / box.height - 512 / 160) > 0.1 || !logo.complete || !logo.naturalWidth) faults.push("no logo: " + section.outerHTML.slice(0, 80));
	}
	scrollTo(0, 0);
	return faults.join("\n");
})()`

func TestPage_FollowsSpotifysRules(t *testing.T) {
	for name, width := range map[string]int64{"phone": 320, "desktop": 1280} {
		t.Run(name, func(t *testing.T) {
			s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20), newEntry(3, "three", 30))
			tab := s.openTab(width, 800, "")
			s.waitFor(tab, titles+` === "two,three,one" && Array.from(document.images).every((i) => i.complete)`)
			if got := evaluate[string](s, tab, artFaults); got != "" {
				t.Errorf("at %d px: %s", width, got)
			}
			links := evaluate[string](s, tab, `Array.from(document.querySelectorAll("#board li:first-child a"), (a) => a.getAttribute("href")).join()`)
			if want := "https://open.spotify.com/track/1,/u/" + songspy.Handle(2) + ",https://open.spotify.com/track/1,https://open.spotify.com/artist/1,https://open.spotify.com/artist/2,https://open.spotify.com/album/1"; links != want {
				t.Errorf("the links of a card are %s, want %s", links, want)
			}
		})
	}
}

// notesShifts is a script that records layout shifts: moves of visible elements, as the browser
// reports them. It adds up their scores in the variable "shifted", and lists the moved elements in the
// variable "shifts".
const notesShifts = `window.shifts = []; window.shifted = 0;
	new PerformanceObserver((list) => list.getEntries().forEach((e) => { shifted += e.value; shifts.push(...e.sources.map((s) => s.node?.nodeName + "." + s.node?.className)) }))
		.observe({ type: "layout-shift", buffered: true });`

// checkNoShift reports an error if the layout shifts of the page have a score of 0.01 or more in all.
// The page must have been opened with the script notesShifts.
func (s *pageTest) checkNoShift(tab context.Context) {
	s.t.Helper()
	got := evaluate[map[string]any](s, tab, `new Promise((done) => requestAnimationFrame(() => setTimeout(() => done({ shifted, shifts: shifts.join() }), 100)))`)
	if shifted, _ := got["shifted"].(float64); shifted >= 0.01 {
		s.t.Errorf("elements moved: %v", got)
	}
}

func TestPage_HasNoLayoutShift(t *testing.T) {
	for name, size := range map[string][2]int64{"phone": {360, 640}, "desktop": {1280, 800}} {
		t.Run(name, func(t *testing.T) {
			s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20))
			tab := s.openTab(size[0], size[1], notesShifts)
			s.waitFor(tab, titles+` === "two,one"`)
			s.put(newEntry(3, "three", 30))
			s.waitFor(tab, titles+` === "two,three,one"`)
			s.setAnswer(lost)
			s.checkNoShift(tab)
		})
	}
}

// If only one user is listening, the page also shows that user's last songs. The browser shows the
// server's HTML first and reads these songs then. They must not move what the viewer sees already.
func TestPage_TheLastSongsOfTheOnlyListenerMoveNothing(t *testing.T) {
	for name, size := range map[string][2]int64{"phone": {390, 844}, "desktop": {1440, 900}, "a tall window": {1440, 1800}} {
		t.Run(name, func(t *testing.T) {
			s := newPageTest(t, newEntry(1, "one", 10))
			tab := s.openTab(size[0], size[1], notesShifts)
			s.waitFor(tab, `document.querySelector("[data-before] .title")?.textContent === "before"`)
			s.checkNoShift(tab)
		})
	}
}

func TestPage_TargetsAreLargeEnoughAndTheFocusIsVisible(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20))
	tab := s.openTab(320, 640, "")
	s.waitFor(tab, titles+` === "two,one"`)
	for range 8 {
		if err := chromedp.Do(tab, chromedp.KeyEvent(kb.Tab)); err != nil {
			t.Fatal(err)
		}
		got := evaluate[map[string]any](s, tab, `(() => {
			const a = document.activeElement, box = a.getBoundingClientRect(), style = getComputedStyle(a);
			return { text: a.textContent, width: box.width, height: box.height, ring: style.outlineStyle, ringWidth: parseFloat(style.outlineWidth),
				wide: document.documentElement.scrollWidth, inline: style.display === "inline" };
		})()`)
		number := func(key string) float64 { n, _ := got[key].(float64); return n }
		// A target must be at least 24 px high. WCAG 2.5.8 exempts links within a sentence, which are
		// only as high as a line of text.
		if number("height") < 18 || got["inline"] == false && number("height") < 24 || got["ring"] != "solid" || number("ringWidth") < 2 || number("wide") > 320 {
			t.Errorf("%v", got)
		}
	}
}

func TestPage_LinesHaveTheirTextDirectionAndAlign(t *testing.T) {
	s := newPageTest(t, newEntry(1, "أغنية المساء!", 20), newEntry(2, "two", 10))
	tab := s.openTab(1280, 800, "")
	s.waitFor(tab, `document.querySelector("#board li:last-child h3")?.textContent.length > 3`)
	got := evaluate[map[string]any](s, tab, `(() => {
		const left = (e) => { const r = document.createRange(); r.selectNodeContents(e); return Math.round(r.getBoundingClientRect().left); };
		const title = document.querySelector("#board li:last-child h3 a"), artist = document.querySelector("#board li:last-child [data-artists] a");
		return { title: getComputedStyle(title).direction, artist: getComputedStyle(artist).direction, apart: Math.abs(left(title) - left(artist)) };
	})()`)
	if got["title"] != "rtl" || got["artist"] != "ltr" || got["apart"].(float64) > 1 {
		t.Errorf("the directions and the distance of the lines are %v", got)
	}
}

// safari15 is a script that removes functions of Chromium that Safari 15.0 lacks.
const safari15 = `
	delete URL.canParse; delete URL.parse; delete AbortSignal.timeout; delete AbortSignal.any; delete AbortSignal.prototype.throwIfAborted;
	delete Object.hasOwn; delete Object.groupBy; delete Map.groupBy; delete Array.fromAsync; delete Promise.withResolvers; delete Promise.try;
	delete window.BroadcastChannel; delete Navigator.prototype.locks; delete window.trustedTypes;
	delete window.structuredClone; delete window.requestIdleCallback; delete window.scheduler; delete window.navigation; delete crypto.randomUUID;
	for (const type of [Array, String, Object.getPrototypeOf(Int8Array)]) delete type.prototype.at;
	for (const name of ["findLast", "findLastIndex", "toSorted", "toReversed", "toSpliced", "with"]) delete Array.prototype[name];
	for (const name of ["union", "intersection", "difference", "isSubsetOf", "isSupersetOf", "isDisjointFrom", "symmetricDifference"]) delete Set.prototype[name];
	for (const name of ["moveBefore", "checkVisibility", "setHTML", "setHTMLUnsafe"]) delete Element.prototype[name];
	delete Node.prototype.moveBefore; delete Document.prototype.startViewTransition; delete Iterator.prototype.map; delete Iterator.prototype.filter;
	for (const name of ["map", "filter", "take", "drop", "flatMap", "reduce", "toArray", "forEach", "some", "every", "find"]) delete Iterator.prototype[name];`

func TestPage_WorksWithoutWhatSafari15Lacks(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20))
	tab := s.openTab(390, 844, safari15)
	s.waitFor(tab, titles+` === "two,one"`)
	s.put(newEntry(2, "second", 0))
	s.remove(1)
	s.put(newEntry(3, "three", 30))
	s.waitFor(tab, titles+` === "three,second"`)
	s.expect(tab, "what the script should have removed, but has not", `["canParse" in URL, "timeout" in AbortSignal, "BroadcastChannel" in window, "locks" in navigator, "trustedTypes" in window].join()`, "false,false,false,false,false")

	s.navigate(tab, "/u/"+songspy.Handle(3))
	s.waitFor(tab, `document.querySelector(".answer .title").textContent === "three" && document.querySelector("[data-plays] .title")?.textContent === "before"`)
	third := newEntry(3, "third", 0)
	s.put(third)
	s.waitFor(tab, `document.querySelector(".answer .title").textContent === "third"`)
	s.navigate(tab, "/t/"+songspy.Handle(third.Track.PublicID))
	s.waitFor(tab, `document.getElementById("name").textContent === "third" && document.querySelector("[data-listeners] .who").textContent === "Listener C"`)
	s.remove(3)
	s.waitFor(tab, `!document.querySelector("[data-listeners]").hasChildNodes()`)
}

func TestPage_AsksWithoutPush(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20))
	s.countStreams(false)
	tab := s.openTab(1280, 800, "")
	s.waitFor(tab, titles+` === "two,one"`)
	s.put(newEntry(2, "second", 0))
	s.waitFor(tab, titles+` === "second,one" && document.getElementById("connection").hidden`)
}

// The server treats the users in a stream as watched until ten minutes after the viewer's last
// request. An open stream sends no further requests. So while the viewer moves the pointer or
// types, the page sends a small request (a sign of the viewer) at most every five minutes.
func TestLive_AViewerWhoUsesThePageSendsASignEveryFiveMinutes(t *testing.T) {
	s := newPageTest(t, newEntry(1, "Song", 10))
	tab := s.openTab(1000, 800, `const now = Date.now, ask = fetch;
		window.later = window.signs = 0;
		Date.now = () => now() + window.later;
		window.fetch = (url, options) => { window.signs += String(url).endsWith("/listening?limit=1"); return ask(url, options); };`)
	s.waitFor(tab, `!document.querySelector(".answer").hidden`)
	for _, c := range []struct{ minutes, signs int }{{4, 0}, {6, 1}, {10, 1}, {12, 2}} {
		move := `window.later = ` + strconv.Itoa(60_000*c.minutes) + `; document.dispatchEvent(new Event("pointermove")); document.dispatchEvent(new Event("keydown")); window.signs`
		if got := evaluate[int](s, tab, move); got != c.signs {
			t.Errorf("%d minutes after the page was opened it has sent %d signs, want %d", c.minutes, got, c.signs)
		}
	}
}

func TestLive_TheTabsOfABrowserShareOneStream(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20))
	opened := s.countStreams(true)
	first, second := s.openTab(1280, 800, ""), s.openTab(1280, 800, "")
	s.put(newEntry(2, "second", 0))
	s.waitFor(first, titles+` === "second,one"`)
	s.waitFor(second, titles+` === "second,one"`)
	if n := opened.Load(); n != 1 {
		t.Errorf("two tabs have opened %d streams, want 1", n)
	}
	if err := chromedp.Cancel(first); err != nil {
		t.Fatal(err)
	}
	s.put(newEntry(1, "first", -1))
	s.waitFor(second, titles+` === "second,first"`)
	if n := opened.Load(); n != 2 {
		t.Errorf("after the leading tab has closed, %d streams were opened, want 2", n)
	}
}

func TestPage_SaysWhatIsWrongAndRecovers(t *testing.T) {
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
	}
	for name, answer := range map[string]http.HandlerFunc{
		"the connection breaks":       func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"a proxy answers":             body("<html>Bad Gateway"),
		"the server reports an error": body(`{"result":"ERROR","data":null,"error":{"code":"UNAVAILABLE","message":""}}`),
		"the data is not a page":      body(`{"result":"SUCCESS","data":{},"error":null}`),
		"the answer has no envelope":  body(`null`),
	} {
		t.Run(name, func(t *testing.T) {
			s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20))
			s.setAnswer(answer)
			tab := s.openTab(1280, 800, hurry)
			s.waitFor(tab, titles+` === "two,one"`) // the entries in the HTML that Go writes
			s.waitFor(tab, `document.getElementById("connection").textContent === "The connection is unsteady. Reconnecting."`)
			s.waitFor(tab, titles+` === "" && document.getElementById("connection").textContent === "The connection is lost, so the list is empty for now. Reconnecting."`)
			s.setAnswer(nil)
			s.waitFor(tab, `document.getElementById("connection").hidden && `+titles+` === "two,one"`)
		})
	}
}

// The script of one tab throws an error when it shows an entry, although the network works. The tab
// must ask the viewer to reload it, must not say that the connection is lost, and must not open
// another stream. The other tab must go on showing changes.
func TestPage_AFaultOfTheScriptIsNoFaultOfTheNetwork(t *testing.T) {
	playing := newEntry(1, "one", 10)
	const breakable = `const title = Object.getOwnPropertyDescriptor(HTMLElement.prototype, "title");
		window.broken = false;
		Object.defineProperty(HTMLElement.prototype, "title", { ...title, set(text) { if (window.broken) throw new Error("the renderer is broken"); title.set.call(this, text); } });`
	const shown = `document.querySelector("[data-hero] [data-track]:not(.art)").textContent`
	const fault = `Array.from(document.querySelectorAll("main > .notice[role=alert]"), (notice) => notice.textContent).join() === "Something is wrong with this page. Please reload it." && document.getElementById("connection").hidden`
	for page, path := range map[string]string{"everyone": "/", "a person": "/u/" + songspy.Handle(1), "a track": "/t/" + songspy.Handle(playing.Track.PublicID)} {
		for push, opensStreams := range map[string]bool{"by push": true, "by asking": false} {
			t.Run(page+" "+push, func(t *testing.T) {
				s := newPageTest(t, playing)
				opened := s.countStreams(opensStreams)
				// titleOf returns a copy of the entry in which the track has the given title.
				titleOf := func(title string) songspy.BoardEntry {
					next := playing
					next.Track.Title = title
					return next
				}
				broken := s.openTab(1280, 800, breakable)
				if err := chromedp.Do(broken, chromedp.Navigate(s.url+path)); err != nil {
					t.Fatal(err)
				}
				s.waitFor(broken, `document.getElementById("main").dataset.started !== undefined && `+shown+` === "one"`)
				s.put(titleOf("before"))
				s.waitFor(broken, shown+` === "before"`)
				other := s.openTab(1280, 800, "")
				s.waitFor(other, shown+` === "before"`)
				s.put(titleOf("both"))
				s.waitFor(broken, shown+` === "both"`)
				s.waitFor(other, shown+` === "both"`)
				streams := opened.Load()

				evaluate[any](s, broken, `window.broken = true`)
				for _, title := range []string{"first", "second"} {
					s.put(titleOf(title))
					s.waitFor(broken, fault)
					s.waitFor(other, shown+` === "`+title+`"`)
				}
				evaluate[any](s, broken, `window.broken = false`)
				s.put(titleOf("after"))
				s.waitFor(broken, shown+` === "after" && `+fault)
				if n := opened.Load() - streams; opensStreams && n > 0 {
					t.Errorf("after the fault the page has opened %d more streams", n)
				}
			})
		}
	}
}

// A stream lists its users in the order of their slots (fixed places in a view), which does not depend
// on the starts of their plays. So the page must sort them by start, newest first, as the HTML from
// the server does.
func TestPage_FillsAnEmptyBoardAsTheHTMLDoesNewestStartFirst(t *testing.T) {
	names := []string{"one", "two", "three", "four", "five", "six", "seven"}
	entries := make([]songspy.BoardEntry, len(names))
	for i, name := range names {
		entries[i] = newEntry(i+1, name, 10*(i+1))
	}
	s := newPageTest(t, entries...)
	s.setAnswer(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	tab := s.openTab(1280, 800, hurry)
	s.waitFor(tab, titles+` === ""`)
	s.setAnswer(func(w http.ResponseWriter, r *http.Request) { // only the stream answers
		if !strings.HasSuffix(r.URL.Path, "/stream") {
			panic(http.ErrAbortHandler)
		}
		s.handler.ServeHTTP(w, r)
	})
	s.waitFor(tab, titles+` === "two,three,four,five,six,seven,one"`)
}

func TestPage_OnPhonesShowsTwelvePeopleAndTheRestOnRequest(t *testing.T) {
	s := newPageTest(t, newLasting(16)...) // one of the 16 is the hero, so the list has 15
	tab := s.openTab(390, 844, "")
	const visible = `Array.from(document.querySelectorAll("#board > li")).filter((li) => li.checkVisibility()).length`
	s.waitFor(tab, visible+` === 12 && document.querySelector("[data-rest]").checkVisibility()`)
	evaluate[any](s, tab, `document.querySelector("[data-all]").click()`)
	s.waitFor(tab, visible+` === 15 && !document.querySelector("[data-rest]").checkVisibility() &&
		document.querySelector("#board > li:nth-child(13)").contains(document.activeElement)`)
	wide := s.openTab(1280, 800, "")
	s.waitFor(wide, visible+` === 15 && !document.querySelector("[data-rest]").checkVisibility()`)
}

func TestPage_OnPhonesTheQuestionKeepsItsDistanceAndTheLogoItsLine(t *testing.T) {
	entries, followed := withFollowed(60)
	s := newPageTest(t, lasting(entries)...)
	s.feed.viewer, s.feed.followed = entries[0].User.ID, followed
	tab := s.openTab(390, 844, "")
	s.waitFor(tab, `document.querySelectorAll("[data-following] > li").length === 5`)
	evaluate[any](s, tab, `window.box = (of) => document.querySelector(of).getBoundingClientRect(); undefined`)
	if gap := evaluate[float64](s, tab, `box(".hero-art").top - box("h1").bottom`); gap < 8 {
		t.Errorf("the cover is %v px below the question", gap)
	}
	if !evaluate[bool](s, tab, `box("[data-following-section] .logo").top < box("#following-title").bottom`) {
		t.Error("the logo is not in the line of its heading")
	}
}

func TestPage_ShowsOnePersonAlone(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10))
	tab := s.openTab(1280, 800, "")
	s.waitFor(tab, answer+` === "Listener A: one" && document.querySelector("[data-state]").textContent === "Show what you are playing, too.\nPlay the same song, and you and Listener A both see how many seconds apart you are." &&
		document.querySelector("[data-window-section]").hidden`)
	s.put(newEntry(2, "two", 20))
	s.waitFor(tab, titles+` === "two,one" && document.querySelector("[data-state]").textContent === "Is anyone playing your song right now?"`)
}

func TestPage_SharesItsAddress(t *testing.T) {
	for name, c := range map[string]struct{ browser, want string }{
		"with an app":         {`navigator.share = async ({ url }) => { window.sent = url; }`, `window.sent === location.origin + "/"`},
		"by copying":          {`navigator.share = undefined; copy = async (text) => { window.sent = text; }`, `window.sent === location.origin + "/" && said() === "Address copied."`},
		"by hand":             {`navigator.share = undefined; copy = async () => { throw new Error("not allowed"); }`, `said() === "Copy this address: " + location.origin + "/"`},
		"not, as one decides": {`navigator.share = async () => { window.sent = "nothing"; throw new DOMException("", "AbortError"); }`, `window.sent === "nothing" && said() === ""`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newPageTest(t, newEntry(1, "one", 10))
			tab := s.openTab(390, 800, `var copy; Object.defineProperty(navigator, "share", { writable: true, value: undefined }); Object.defineProperty(navigator, "clipboard", { value: { writeText: (text) => copy(text) } });
				var said = () => document.querySelector("[data-share] span").textContent; `+c.browser)
			s.waitFor(tab, answer+` === "Listener A: one" && !document.querySelector("[data-share]").hidden`)
			evaluate[any](s, tab, `document.querySelector("[data-share] button").click()`)
			s.waitFor(tab, c.want)
		})
	}
}

// If everyone may see what the viewer plays, the viewer's button shares the address of the viewer's
// own page, /u/HANDLE (HANDLE is the viewer's public id). For all other viewers it shares the address
// of the front page.
func TestPage_SharesTheOwnPageOfAViewerVisibleToEveryone(t *testing.T) {
	for audience, want := range map[string]string{"everyone": "Share my page|/u/" + songspy.Handle(1), "followers": "Share this page|/", "nobody": "Share this page|/"} {
		t.Run(audience, func(t *testing.T) {
			s := signedIn(t, []songspy.BoardEntry{newEntry(1, "one", 10), newEntry(2, "two", 20)}, map[string]string{
				"GET /me":           `{"handle":"` + songspy.Handle(1) + `","nickName":"Listener A","operator":false,"hasSpotify":true,"audience":"` + audience + `","sharingPausedUntil":null}`,
				"GET /spotify-auth": `{"state":"active","task":"none","blocked":null}`,
				"GET /me/gaps":      noItems,
			})
			tab := s.openTab(1280, 800, `Object.defineProperty(navigator, "share", { value: async ({ url }) => { window.sent = url; } });`)
			s.waitFor(tab, `document.querySelector("[data-mine] a") !== null`)
			evaluate[any](s, tab, `document.querySelector("[data-share] button").click()`)
			s.waitFor(tab, `document.querySelector("[data-share] button").textContent + "|" + window.sent === "`+strings.Replace(want, "|", `|" + location.origin + "`, 1)+`"`)
		})
	}
}

func TestPage_MarksWhatIsNoSong(t *testing.T) {
	episode, chapter := newEntry(1, "one", 10), newEntry(2, "two", 20)
	episode.Track.Kind, chapter.Track.Kind = songspy.KindEpisode, songspy.KindChapter
	local := newEntry(3, "three", 30)
	local.Track.Kind = songspy.KindLocal
	s := newPageTest(t, episode, chapter, local)
	tab := s.openTab(1280, 800, "")
	s.waitFor(tab, titles+` === "two,three,one"`)
	if got := evaluate[string](s, tab, `Array.from(document.querySelectorAll(".answer [data-kind], #board [data-kind]"), (e) => e.textContent).join()`); got != "Podcast,Audiobook,Local file" {
		t.Errorf("the kinds are %s", got)
	}
}

func TestPage_MarksWhatIsPausedAndSaysWhenItBegan(t *testing.T) {
	paused := newEntry(2, "two", 20)
	since := paused.Playing.StartedAt.Add(15 * time.Second)
	paused.Playing.State, paused.Playing.PausedSince, paused.Playing.EndsAt = songspy.PlayerPaused, &since, &since
	s := newPageTest(t, newEntry(1, "one", 10), paused)
	tab := s.openTab(1280, 800, "")
	s.waitFor(tab, titles+` === "two,one" && ((time) => /^0:15 \/ [0-9:]+ · paused$/.test(time.textContent) && /^started .+ ago$/.test(time.title))(document.querySelector("#board [data-time]"))`)
}

func TestPage_GathersPeopleWithTheSameTrack(t *testing.T) {
	a, b, c := newEntry(1, "one", 10), newEntry(2, "two", 20), newEntry(3, "three", 30)
	b.Track = a.Track
	// The users' starts are a minute apart, but the second user has jumped within the track: now
	// the positions are 14 seconds apart, and the page has to say that.
	b.Playing.StartedAt = a.Playing.StartedAt.Add(time.Minute)
	end := a.Playing.EndsAt.Add(14 * time.Second)
	b.Playing.EndsAt = &end
	s := newPageTest(t, a, b, c, newEntry(9, "hero", -60))
	tab := s.openTab(1280, 800, "")
	s.waitFor(tab, `document.querySelector("[data-matches] p")?.textContent === "Listener A and Listener B are playing the same song, 14\u00a0s\u00a0apart"`)
	// The scripts write the hero's title into each [data-track] within the hero. So the pair must not
	// be in there: the scripts would overwrite the title of its track.
	s.waitFor(tab, `document.querySelector("[data-matches] [data-track]").textContent === "one" && !document.querySelector("[data-hero] [data-matches]")`)
	s.remove(2)
	s.waitFor(tab, `document.querySelector("[data-matches] p")?.textContent === "Listener C and Listener A are both listening to Somebody" &&
		document.querySelectorAll("[data-matches] .art").length === 2`)

	// If a user stops sharing, the pair with that user must disappear, even if it has the focus or the
	// board is paused.
	evaluate[any](s, tab, `document.querySelector("[data-matches] a:not([tabindex])").focus()`)
	s.put(newEntry(4, "four", 40))
	s.remove(3)
	s.waitFor(tab, titles+`.includes("four") && document.querySelector("[data-matches]").textContent === ""`)
	if got := evaluate[string](s, tab, `document.activeElement.getAttribute("aria-label")`); got != "No longer shown." {
		t.Errorf("the focus is on %q", got)
	}
	evaluate[any](s, tab, `document.activeElement.blur()`)
	s.put(newEntry(5, "five", 50))
	s.waitFor(tab, `document.querySelector("[data-matches]").textContent.includes("Listener E")`)
	evaluate[any](s, tab, `document.querySelector("[data-pause]").click()`)
	s.remove(5)
	s.waitFor(tab, `document.querySelector("[data-matches]").textContent === ""`)
}

func TestHero_ShowsThePairOfItsPersonWithBothLines(t *testing.T) {
	a, b, c := newEntry(1, "one", 10), newEntry(2, "two", 24), newEntry(3, "three", 30)
	b.Track = a.Track
	s := newPageTest(t, a, b, c)
	tab := s.openTab(1280, 800, "")
	const pair = `[document.querySelector("[data-sentence]").textContent, document.querySelectorAll("[data-members] [data-line]").length, document.querySelector("[data-matches]").children.length,
		document.querySelector(".answer > .line").checkVisibility(), document.querySelector(".answer > .lead").checkVisibility()].join("|")`
	const shown = "Listener B and Listener A are playing the same song, 14\u00a0s\u00a0apart|2|0|false|false"
	const none = "|0|1|true|true" // another pair is below the hero: two users with the same artist
	s.waitFor(tab, pair+` === "`+shown+`"`)
	evaluate[any](s, tab, `document.querySelector("[data-sentence] a").focus()`)
	s.remove(2)
	s.waitFor(tab, pair+` === "`+none+`" && document.activeElement === document.querySelector(".answer > .lead a")`)
	evaluate[any](s, tab, `document.activeElement.blur()`)
	b.Playing.StartedAt, b.Playing.EndsAt = a.Playing.StartedAt, a.Playing.EndsAt
	s.put(b)
	s.waitFor(tab, `document.querySelector("[data-sentence]").textContent === "Listener B and Listener A are playing the same song at the same moment"`)
	evaluate[any](s, tab, `document.querySelector("[data-pause]").click()`)
	s.remove(2)
	s.waitFor(tab, `document.querySelector("[data-sentence]").textContent === "" && document.querySelector(".answer > .lead").checkVisibility()`)
}

func TestClosest_PrefersTheViewerThenTheSmallestDistance(t *testing.T) {
	s := newPageTest(t)
	tab := s.openTab(800, 600, "")
	got := evaluate[string](s, tab, `(async () => {
		const { closest } = await import(document.documentElement.dataset.base + "js/match.js");
		const entry = (handle, track, second, artist, state) => ({ person: { handle }, state, startedAt: new Date(1e12 + second * 1000).toISOString(), track: { handle: track, artists: [{ uri: artist || track, name: artist || track }] } });
		const show = (pairs) => pairs.map((p) => [p.a.person.handle, p.b.person.handle, p.seconds, p.artist].join(" ")).join("; ");
		const all = [entry("a", "x", 0), entry("b", "x", 40), entry("c", "x", 44), entry("d", "y", 0), entry("e", "y", 2), entry("f", "z", 0, "", "paused"), entry("g", "z", 0)];
		const artists = [entry("a", "x", 0, "Air"), entry("b", "y", 9, "Air"), entry("c", "z", 0)];
		return [show(closest(all, null, 9)), show(closest(all, all[0], 9)), show(closest(all, all[6], 1)), show(closest(artists, null, 9)), show(closest([all[0]], all[0], 9))].join("\n");
	})()`)
	want := "d e 2 ; b c 4 \na b 40 ; d e 2 \nd e 2 \na b 9 Air\n"
	if got != want {
		t.Errorf("the pairs are\n%s\nwant\n%s", got, want)
	}
}

func TestPage_IsInTheLanguageThatTheViewerChooses(t *testing.T) {
	s := newPageTest(t)
	s.url = strings.Replace(s.url, "127.0.0.1", "localhost", 1) // another host, because all tests share the cookies of 127.0.0.1
	tab := s.openTab(800, 600, "")
	s.waitFor(tab, `document.documentElement.lang === "en" && document.querySelector("[data-state]").textContent.startsWith("Be the first to answer.")`)
	loaded := make(chan struct{}, 1)
	err := chromedp.Listen(tab, func(event any) {
		if _, ok := event.(*page.EventLoadEventFired); ok {
			select {
			case loaded <- struct{}{}:
			default:
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	evaluate[any](s, tab, `document.querySelector("[data-language]").click()`)
	select { // a script that runs while the page is being replaced may never return
	case <-loaded:
	case <-time.After(waitMax):
		t.Fatal("the page did not load again in the other language")
	}
	s.waitFor(tab, `document.documentElement.lang === "ko" && document.querySelector("h1")?.textContent === "지금 무슨 노래 듣고 있으세요?" &&
		document.querySelector("[data-state]")?.textContent === "가장 먼저 답해\u00a0주세요.\n지금은 듣는 노래를 공개한 사람이 없어요. Spotify를 연결하고, 지금 듣는 노래를 원하는 사람에게만 보여\u00a0주세요."`)
	evaluate[any](s, tab, `document.cookie = "songspy-language=; Path=/; Max-Age=0"`) // other tests with this browser would get the cookie too
}

// Go writes the times, the progress line and the pair into the HTML. The scripts must keep the
// elements of the pair instead of building them again.
func TestPage_TheFirstHTMLHasTheTimesAndThePair(t *testing.T) {
	a, b := newEntry(1, "one", 10), newEntry(2, "two", 24)
	b.Track = a.Track
	s := newPageTest(t, a, b, newEntry(3, "three", 30))
	tab := s.openTab(1280, 800, `document.addEventListener("readystatechange", () => {
		if (document.readyState !== "interactive") return; // scripts run later
		window.pair = document.querySelector("[data-sentence]").firstElementChild;
		window.times = Array.from(document.querySelectorAll("main [data-time]"), (e) => e.textContent);
		window.line = document.querySelector("[data-line]").getAttribute("width");
	});`)
	s.waitFor(tab, titles+` === "one,three,one"`)
	s.put(newEntry(4, "four", 40))
	s.waitFor(tab, titles+` === "one,three,four,one"`) // the scripts have looked for pairs again
	got := evaluate[map[string]any](s, tab, `(() => {
		const sentence = document.querySelector("[data-sentence]");
		return { same: sentence.firstElementChild === pair, text: sentence.textContent, times: times.filter((t) => !/^\d+:\d\d \/ 1:00:00$/.test(t)).join("|"), count: times.length, line };
	})()`)
	if got["same"] != true || got["text"] != "Listener B and Listener A are playing the same song, 14\u00a0s\u00a0apart" {
		t.Errorf("the pair is %v", got)
	}
	if got["times"] != "" || got["count"] != 5.0 || got["line"] == "0%" {
		t.Errorf("the times and the line are %v", got)
	}
}

// Go writes the pairs into the HTML, and scripts update them. So both must choose the same pairs.
func TestClosest_IsTheSameInGoAndInJavaScript(t *testing.T) {
	s := newPageTest(t)
	tab := s.openTab(800, 600, "")
	random := rand.New(rand.NewPCG(3, 4))
	type board struct {
		Entries []any  `json:"entries"`
		Own     int    `json:"own"` // the index of the viewer's entry, or -1
		Hero    string `json:"hero"`
		Want    string `json:"-"`
	}
	var boards []board
	for range 300 {
		var cards []web.Card
		own := random.IntN(8) - 3
		for i := range random.IntN(8) {
			start, length := testStart.Truncate(time.Second).Add(time.Duration(random.IntN(9))*time.Second), time.Duration(random.IntN(3))*time.Minute
			end := start.Add(length + time.Duration(random.IntN(5))*time.Second)
			handle, track, artist := strconv.Itoa(i), "t"+strconv.Itoa(random.IntN(9)), "a"+strconv.Itoa(random.IntN(9))
			cards = append(cards, web.Card{
				Person: handle, Track: track, Artists: []web.Artist{{URI: artist, Name: artist}}, StartedAt: start, EndsAt: &end, Duration: length, IsMine: i == own,
				Entry: map[string]any{
					"person": map[string]any{"handle": handle}, "startedAt": start, "endsAt": end,
					"track": map[string]any{"handle": track, "durationMs": length.Milliseconds(), "artists": []any{map[string]any{"uri": artist, "name": artist}}},
				},
			})
		}
		l, b := web.NewListening(cards, nil, testStart), board{Own: -1, Entries: []any{}}
		for i, c := range l.Window {
			b.Entries = append(b.Entries, c.Entry)
			if c.IsMine {
				b.Own = i
			}
		}
		if l.Hero != nil {
			b.Hero = l.Hero.Person
		}
		if l.Together != nil {
			b.Want, l.Pairs = "together ", append([]web.Pair{*l.Together}, l.Pairs...)
		}
		for _, p := range l.Pairs {
			b.Want += fmt.Sprintf("%s %s %d %s %t; ", p.A.Person, p.B.Person, p.Seconds, p.Artist, p.IsMine())
		}
		boards = append(boards, b)
	}
	given, err := json.Marshal(boards)
	if err != nil {
		t.Fatal(err)
	}
	got := evaluate[[]string](s, tab, `(async () => {
		const { around } = await import(document.documentElement.dataset.base + "js/match.js");
		return `+string(given)+`.map(({ entries, own, hero }) => around(entries.find((e) => e.person.handle === hero) || null, entries, entries[own] || null, 1))
			.map(({ together, pairs }) => (together ? "together " : "") + (together ? [together, ...pairs] : pairs).map((p) => [p.a.person.handle, p.b.person.handle, p.seconds, p.artist, p.isSelf].join(" ") + "; ").join(""));
	})()`)
	found := 0
	for i, b := range boards {
		if got[i] != b.Want {
			t.Errorf("board %d: JavaScript finds %q, and Go %q", i, got[i], b.Want)
		}
		if b.Want != "" {
			found++
		}
	}
	if found < 100 {
		t.Errorf("only %d boards have pairs", found)
	}
}

func TestPage_WorksWhileTheAccountCannotBeRead(t *testing.T) {
	s := signedIn(t, []songspy.BoardEntry{newEntry(1, "one", 10), newEntry(2, "two", 20)}, map[string]string{"GET /me": "503"})
	tab := s.openTab(1280, 800, hurry)
	s.waitFor(tab, titles+` === "two,one"`)
	s.put(newEntry(2, "second", 0))
	s.waitFor(tab, titles+` === "second,one"`)
	s.remove(2)
	s.waitFor(tab, titles+` === "one"`)
	s.account.answerWith(map[string]string{"GET /me": `{"handle":"` + songspy.Handle(1) + `","nickName":"Listener A","operator":false,"hasSpotify":true,"audience":"everyone","sharingPausedUntil":null}`})
	s.waitFor(tab, `document.querySelector("[data-mine] a") !== null`)
}

func TestPage_SaysWhyOnesOwnSongsAreMissing(t *testing.T) {
	for reason, want := range map[string]string{
		"app_blocked": "Spotify accepts no calls from this site for now", "provider_down": "Spotify does not respond for now", "batch_down": "The service that reads what you play is not running",
		"unseen": "Everyone sees what you play.",
	} {
		t.Run(reason, func(t *testing.T) {
			s := signedIn(t, []songspy.BoardEntry{newEntry(1, "one", 10)}, map[string]string{
				"GET /spotify-auth": `{"state":"active","task":"none"}`,
				"GET /me/gaps":      `{"items":[{"reason":"` + reason + `","from":"2026-11-28T06:00:00Z","to":null}],"nextCursor":null}`,
			})
			tab := s.openTab(1280, 800, "")
			s.waitFor(tab, `document.querySelector("[data-mine]").textContent.startsWith("`+want+`")`)
		})
	}
}

// The page must show the end of the block without a date if it is today, and with its date if it is
// on a later day.
func TestPage_SaysUntilWhenSpotifyBlocksTheCalls(t *testing.T) {
	now, later := time.Now(), time.Date(2126, time.November, 28, 14, 5, 0, 0, time.Local)
	for reason, c := range map[string]struct {
		until time.Time
		text  string
	}{
		"quota_exceeded": {now, "Spotify allows this site no more calls until " + now.Format("3:04 PM") + ", so it cannot see what you play. That ends by itself. See my page"},
		"rate_limited":   {later, "Spotify allows this site no calls until Nov 28, 2126, 2:05 PM, because it made too many. It cannot see what you play meanwhile. That ends by itself. See my page"},
		"app_refused":    {later, "Spotify refuses this site, so it cannot see what you play. It tries again at Nov 28, 2126, 2:05 PM. The people who run this site can repair it. See my page"},
	} {
		t.Run(reason, func(t *testing.T) {
			s := signedIn(t, []songspy.BoardEntry{newEntry(1, "one", 10)}, map[string]string{
				"GET /spotify-auth": `{"state":"active","task":"none","blocked":{"reason":"` + reason + `","until":"` + c.until.Format(time.RFC3339) + `"}}`,
				"GET /me/gaps":      noItems,
			})
			tab := s.openTab(1280, 800, "")
			s.waitFor(tab, fmt.Sprintf(`document.querySelector("[data-mine]").textContent.replace(/\u202f/g, " ") === %q`, c.text))
		})
	}
}

func TestPage_ShowsWhatFollowedPeopleHavePlayedSinceTheLastVisit(t *testing.T) {
	person := func(id songspy.PublicID) string {
		return `{"handle":"` + songspy.Handle(id) + `","nickName":"Listener ` + string('A'+rune(id)-1) + `"}`
	}
	s := signedIn(t, []songspy.BoardEntry{newEntry(1, "one", 10), newEntry(2, "two", 20)}, map[string]string{
		"GET /me/following": `{"items":[{"state":"approved","person":` + person(2) + `},{"state":"requested","person":` + person(3) + `}],"nextCursor":null}`,
	})
	const since = `(document.querySelector("[data-since-section]").hidden ? "" : Array.from(document.querySelectorAll("[data-since] li"), (row) => row.textContent).join("|"))`
	tab := s.openTab(1280, 800, `document.cookie = "songspy-visit=1.1; Path=/";`) // the previous visit was long ago
	s.waitFor(tab, since+`.startsWith("before") && `+since+`.includes("Listener B") && document.querySelectorAll("[data-since] li").length === 1`)
	first := s.openTab(1280, 800, `document.cookie = "songspy-visit=; Path=/; Max-Age=0";`)
	s.waitFor(first, `document.querySelector("[data-mine]").textContent !== ""`)
	if got := evaluate[string](s, first, since); got != "" {
		t.Errorf("the first visit shows %q", got)
	}
}

// When a browser leaves a page, it may keep the page in memory. When the viewer goes back, the browser
// shows it again before the page can load again. So the page must remove its content when the browser
// leaves it.
func TestPage_IsEmptyOnceTheBrowserLeavesIt(t *testing.T) {
	a, b := newEntry(1, "one", 10), newEntry(2, "two", 20)
	b.Track = a.Track
	for name, path := range map[string]string{"everyone": "/", "a person": "/u/" + songspy.Handle(1), "a track": "/t/" + songspy.Handle(a.Track.PublicID)} {
		t.Run(name, func(t *testing.T) {
			s := newPageTest(t, a, b, newEntry(3, "three", 30))
			tab := s.openPage(path, 1280, 800, "")
			s.waitFor(tab, `document.getElementById("main").textContent.includes("Listener A")`)
			evaluate[any](s, tab, `window.dispatchEvent(new Event("pagehide"))`)
			s.put(newEntry(4, "four", 0))
			if got := evaluate[string](s, tab, `new Promise((done) => setTimeout(() => done(document.getElementById("main").innerHTML), 300))`); got != "" {
				t.Errorf("the page that the browser keeps has %.200s", got)
			}
		})
	}
}

// The line above the lists says what keeps the viewer from being seen, and leads to the remedy.
func TestPage_SaysWhatKeepsTheViewerFromBeingSeen(t *testing.T) {
	for name, c := range map[string]struct{ account, link, seat, text, leads string }{
		"not linked":     {`"hasSpotify":false,"audience":"everyone","sharingPausedUntil":null`, `null`, `null`, "You have not linked Spotify yet. Link Spotify", "/v1/songspy/auth/spotify?return=%2F"},
		"a waiting list": {`"hasSpotify":false,"audience":"everyone","sharingPausedUntil":null`, `null`, newSeat("waiting", 2), "You are on the waiting list to link Spotify. We will tell you when it is your turn. See my page", "/me"},
		"one's turn":     {`"hasSpotify":false,"audience":"everyone","sharingPausedUntil":null`, `null`, newSeat("held", 0), "It is your turn. You can link Spotify once the people who run this site have registered you there. See my page", "/me"},
		"registered":     {`"hasSpotify":false,"audience":"everyone","sharingPausedUntil":null`, `null`, newSeat("entered", 0), "You are registered at Spotify. You can link now. Link Spotify", "/v1/songspy/auth/spotify?return=%2F"},
		"not registered": {`"hasSpotify":true,"audience":"everyone","sharingPausedUntil":null`, `{"state":"not_registered","task":"ask_operator"}`, `null`, "You cannot link yet: the people who run this site have to add your Spotify account first. See my page", "/me"},
		"a broken link":  {`"hasSpotify":true,"audience":"everyone","sharingPausedUntil":null`, `{"state":"reauth_required","task":"relink"}`, `null`, "Songspy can no longer see what you play. Link Spotify again: your history stays. Link again", "/v1/songspy/auth/spotify?return=%2F"},
		"hidden":         {`"hasSpotify":true,"audience":"everyone","sharingPausedUntil":"2126-11-28T00:00:00Z"`, `{"state":"active","task":"none"}`, `null`, "Nobody sees you right now. See my page", "/me"},
		"only oneself":   {`"hasSpotify":true,"audience":"nobody","sharingPausedUntil":null`, `{"state":"active","task":"none"}`, `null`, "Only you see your songs right now. See my page", "/me"},
		"followers":      {`"hasSpotify":true,"audience":"followers","sharingPausedUntil":null`, `{"state":"active","task":"none"}`, `null`, "Only followers that you approved see what you play. Hide me", "/me#hide"},
	} {
		t.Run(name, func(t *testing.T) {
			s := signedIn(t, []songspy.BoardEntry{newEntry(1, "one", 10)}, map[string]string{
				"GET /me":                `{"handle":"` + songspy.Handle(1) + `","nickName":"Listener A","operator":false,` + c.account + `}`,
				"GET /spotify-auth":      c.link,
				"GET /spotify-auth/seat": c.seat,
				"GET /me/gaps":           noItems,
			})
			tab := s.openTab(1280, 800, "")
			s.waitFor(tab, fmt.Sprintf(`document.querySelector("[data-mine]").textContent === %q && document.querySelector("[data-mine] a").getAttribute("href") === %q`, c.text, c.leads))
		})
	}
}

func TestPage_FillsEveryWidthWithoutScrollingSideways(t *testing.T) {
	s := newPageTest(t, newLasting(30)...)
	for width, columns := range map[int64]int{320: 2, 390: 2, 768: 3, 1024: 4, 1280: 6, 1920: 6, 3840: 8} {
		tab := s.openTab(width, 900, "")
		s.waitFor(tab, `document.getElementById("main").dataset.started !== undefined`)
		got := evaluate[[]int](s, tab, `[getComputedStyle(document.getElementById("board")).gridTemplateColumns.split(" ").length, document.documentElement.scrollWidth]`)
		if got[0] != columns || int64(got[1]) > width {
			t.Errorf("at %d px the list has %d columns, want %d, and the page is %d px wide", width, got[0], columns, got[1])
		}
		if err := chromedp.Cancel(tab); err != nil {
			t.Fatal(err)
		}
	}
}

// lowContrast is a script that lists the visible texts whose contrast to the background is less
// than 7:1 (WCAG 1.4.6), and links whose focus ring is invisible.
const lowContrast = `(() => {
	const light = (color) => color.match(/[0-9.]+/g).slice(0, 3).map((one) => (one /= 255, one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)).reduce((sum, one, i) => sum + one * [0.2126, 0.7152, 0.0722][i], 0);
	const ground = (element) => { const { backgroundColor } = getComputedStyle(element); return backgroundColor === "rgba(0, 0, 0, 0)" ? ground(element.parentElement) : backgroundColor; };
	const ratio = (a, b) => { const [low, high] = [light(a), light(b)].sort((x, y) => x - y); return (high + 0.05) / (low + 0.05); };
	const faults = [];
	let soft = 0;
	for (const element of document.querySelectorAll("body *")) {
		if (!element.checkVisibility() || !Array.from(element.childNodes).some((node) => node.nodeType === 3 && node.data.trim())) continue;
		if (element.closest(".soft, .by, footer")) soft++;
		const got = ratio(getComputedStyle(element).color, ground(element));
		if (got < 7) faults.push(got.toFixed(1) + ":1 " + element.textContent);
	}
	if (soft < 5) faults.push("only " + soft + " soft texts");
	for (const link of document.querySelectorAll("header a, #board li:first-child a:not([tabindex]), footer a")) {
		link.focus();
		const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(link);
		const isVisible = outlineStyle === "solid" && parseFloat(outlineWidth) >= 2 && ratio(outlineColor, ground(document.body)) >= 4.5;
		if (link.checkVisibility() && !isVisible) faults.push("focus ring of " + link.textContent);
	}
	return faults.join("\n");
})()`

func TestPage_FollowsThePreferencesOfTheViewersSystem(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20))
	const animation = `(() => { const answer = document.querySelector(".answer"); answer.classList.add("changed"); return getComputedStyle(answer.querySelector(".title")).animationName; })()`
	const line = `(() => { const [line, page] = [document.querySelector(".answer > .line"), document.body].map((e) => getComputedStyle(e).backgroundColor); return String(line !== page && line !== "rgba(0, 0, 0, 0)"); })()`
	for name, c := range map[string]struct{ feature, value, scheme, script, want string }{
		"motion":                     {"prefers-reduced-motion", "no-preference", "light", animation, "changed"},
		"reduced motion":             {"prefers-reduced-motion", "reduce", "light", animation, "none"},
		"forced colors":              {"forced-colors", "active", "light", line, "true"},
		"high contrast, light":       {"prefers-contrast", "more", "light", lowContrast, ""},
		"high contrast, dark":        {"prefers-contrast", "more", "dark", lowContrast, ""},
		"album art in high contrast": {"prefers-contrast", "more", "dark", artFaults, ""},
	} {
		tab := s.openTab(1280, 800, "")
		if err := chromedp.Do(tab, emulateMedia(&emulation.MediaFeature{Name: c.feature, Value: c.value}, &emulation.MediaFeature{Name: "prefers-color-scheme", Value: c.scheme})); err != nil {
			t.Fatal(err)
		}
		s.waitFor(tab, titles+` === "two,one" && Array.from(document.images).every((one) => one.complete)`)
		if got := evaluate[string](s, tab, c.script); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
