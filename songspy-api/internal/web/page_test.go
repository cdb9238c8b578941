package web_test

import (
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// titles is a script that returns the titles on the board, in order.
const titles = `Array.from(document.querySelectorAll("#board h2"), (h) => h.textContent).join()`

func TestPage_ChangesMoveOnlyChangedCardsAndKeepTheFocus(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20), newEntry(3, "three", 30), newEntry(4, "four", 40))
	tab := s.openTab(1280, 800, "")
	s.waitFor(tab, titles+` === "one,two,three,four"`)
	evaluate[any](s, tab, `
		window.inserted = [];
		new MutationObserver((all) => all.forEach((m) => inserted.push(...Array.from(m.addedNodes, (n) => n.querySelector("h2").textContent))))
			.observe(document.getElementById("board"), { childList: true });
		document.querySelectorAll("#board li").forEach((card) => (card.mark = card.querySelector(".who").textContent));
		document.querySelectorAll("#board a")[2].focus();`)
	const state = `JSON.stringify([
		document.activeElement.closest("li")?.querySelector("h2").textContent,
		Array.from(document.querySelectorAll("#board li"), (card) => card.mark === card.querySelector(".who").textContent),
		inserted.splice(0),
		document.getAnimations().filter((a) => a instanceof CSSAnimation).length])`
	for _, step := range []struct {
		name        string
		change      func()
		board, want string
	}{
		{"another user starts a track", func() { s.put(newEntry(4, "fourth", 0)) }, "fourth,one,two,three", `["three",[true,true,true,true],["fourth"],0]`},
		{"the focused user starts a track", func() { s.put(newEntry(3, "third", -1)) }, "third,fourth,one,two", `["third",[true,true,true,true],["third"],0]`},
		{"a user appears", func() { s.put(newEntry(5, "five", 15)) }, "third,fourth,one,five,two", `["third",[true,true,true,false,true],["five"],0]`},
		{"another user leaves", func() { s.remove(1) }, "third,fourth,five,two", `["third",[true,true,false,true],[],0]`},
		{"the focused user leaves", func() { s.remove(3) }, "fourth,five,two", `["fourth",[true,false,true],[],0]`},
	} {
		step.change()
		s.waitFor(tab, titles+` === "`+step.board+`"`)
		if got := evaluate[string](s, tab, state); got != step.want {
			t.Errorf("%s: focus, kept cards, inserted cards and animations are %s, want %s", step.name, got, step.want)
		}
	}
}

func TestPage_MissingCoversHaveAPlaceholder(t *testing.T) {
	none, broken := newEntry(2, "none", 20), newEntry(3, "broken", 30)
	none.Track.ImageURL, broken.Track.ImageURL = "", "HERE/nothing-here"
	s := newPageTest(t, newEntry(1, "whole", 10), none, broken)
	tab := s.openTab(1280, 800, "")
	const covers = `JSON.stringify(Array.from(document.querySelectorAll(".cover"), (c) => {
		const box = c.getBoundingClientRect(), shown = (e) => e.getBoundingClientRect().width > 0;
		return [c.closest("li").querySelector("h2").textContent, shown(c.querySelector("img")), shown(c.querySelector("svg")), box.width, box.height];
	}))`
	s.waitFor(tab, titles+` === "whole,none,broken" && document.querySelectorAll(".cover img[hidden]").length === 2`)
	if got, want := evaluate[string](s, tab, covers), `[["whole",true,true,112,112],["none",false,true,112,112],["broken",false,true,112,112]]`; got != want {
		t.Errorf("title, whether cover and placeholder are visible, and the size are %s, want %s", got, want)
	}
	s.setAnswer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	s.waitFor(tab, `document.body.classList.contains("stale")`)
	if got := evaluate[string](s, tab, `(() => {
		for (let e = document.querySelector(".cover img"); e; e = e.parentElement) {
			const style = getComputedStyle(e);
			if (style.opacity !== "1" || style.animationName !== "none" || style.filter !== "none") return e.outerHTML;
		}
		return "";
	})()`); got != "" {
		t.Errorf("a style changes the cover: %s", got)
	}
}

func TestPage_HasNoLayoutShift(t *testing.T) {
	for name, size := range map[string][2]int64{"phone": {360, 640}, "desktop": {1280, 800}} {
		t.Run(name, func(t *testing.T) {
			s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20))
			tab := s.openTab(size[0], size[1], `window.shifts = [];
				new PerformanceObserver((list) => list.getEntries().forEach((e) => e.value && shifts.push(...e.sources.map((s) => s.node?.nodeName))))
					.observe({ type: "layout-shift", buffered: true });`)
			s.waitFor(tab, titles+` === "one,two"`)
			s.put(newEntry(3, "three", 30))
			s.waitFor(tab, titles+` === "one,two,three"`)
			s.setAnswer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
			s.waitFor(tab, `document.body.classList.contains("stale")`)
			got := evaluate[string](s, tab, `new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(shifts.join()), 100)))`)
			if got != "" {
				t.Errorf("these elements moved: %s", got)
			}
		})
	}
}

func TestPage_TargetsAreLargeEnoughAndTheFocusIsVisible(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10))
	tab := s.openTab(320, 640, "")
	s.waitFor(tab, titles+` === "one"`)
	if err := chromedp.Do(tab, chromedp.KeyEvent(kb.Tab)); err != nil {
		t.Fatal(err)
	}
	got := evaluate[map[string]any](s, tab, `(() => {
		const a = document.activeElement, box = a.getBoundingClientRect(), style = getComputedStyle(a);
		return { name: a.nodeName, width: box.width, height: box.height, ring: style.outlineStyle, ringWidth: parseFloat(style.outlineWidth),
			wide: document.documentElement.scrollWidth };
	})()`)
	number := func(key string) float64 { n, _ := got[key].(float64); return n }
	if got["name"] != "A" || number("width") < 24 || number("height") < 24 || got["ring"] != "solid" || number("ringWidth") < 2 || number("wide") > 320 {
		t.Errorf("%v", got)
	}
}

func TestPage_LinesHaveTheirTextDirectionAndAlign(t *testing.T) {
	arabic := newEntry(1, "أغنية المساء!", 10)
	s := newPageTest(t, arabic)
	tab := s.openTab(1280, 800, "")
	s.waitFor(tab, `document.querySelector("#board h2")?.textContent.length > 3`)
	got := evaluate[map[string]any](s, tab, `(() => {
		const left = (e) => { const r = document.createRange(); r.selectNodeContents(e); return Math.round(r.getBoundingClientRect().left); };
		const title = document.querySelector("h2"), artist = document.querySelector(".artist");
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
	s.waitFor(tab, titles+` === "one,two"`)
	s.put(newEntry(2, "second", 0))
	s.remove(1)
	s.put(newEntry(3, "three", 30))
	s.waitFor(tab, titles+` === "second,three"`)
	if evaluate[bool](s, tab, `"canParse" in URL || "timeout" in AbortSignal`) {
		t.Error("the script has not removed the functions, so the test proves nothing")
	}
}

func TestPage_ShowsTheKindOfError(t *testing.T) {
	const lost, fault = "The board cannot be loaded right now. Trying again.", "Something is wrong with this page. Please reload it."
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
	}
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		status string
		cards  string // the titles that are still shown
	}{
		"the connection breaks":       {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, lost, "one"},
		"a proxy answers":             {body("<html>Bad Gateway"), lost, "one"},
		"the server reports an error": {body(`{"result":"ERROR","data":null,"error":{"code":"UNAVAILABLE","message":""}}`), lost, "one"},
		"an entry is incomplete":      {body(`{"result":"SUCCESS","data":[{"track":{}}],"error":null}`), fault, ""},
		"the data is not a list":      {body(`{"result":"SUCCESS","data":{},"error":null}`), fault, ""},
		"the answer has no envelope":  {body(`null`), lost, "one"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newPageTest(t, newEntry(1, "one", 10))
			tab := s.openTab(1280, 800, "")
			s.waitFor(tab, titles+` === "one"`)
			s.setAnswer(tt.answer)
			s.waitFor(tab, `document.getElementById("status").textContent === "`+tt.status+`" && `+titles+` === "`+tt.cards+`"`)
			s.setAnswer(nil)
			s.waitFor(tab, `document.getElementById("status").textContent === "One person is listening." && `+titles+` === "one"`)
		})
	}
}

func TestPage_ClearsTheBoardAfterTenSecondsWithoutAnAnswer(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10))
	tab := s.openTab(1280, 800, `window.later = 0; const now = Date.now; Date.now = () => now() + later;`)
	s.waitFor(tab, titles+` === "one"`)
	s.setAnswer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	s.waitFor(tab, `document.body.classList.contains("stale")`)
	evaluate[any](s, tab, `window.later = 10001`)
	s.waitFor(tab, titles+` === ""`)
}
