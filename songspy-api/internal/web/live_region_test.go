package web_test

import (
	"net/http"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// A screen reader may miss a text that is written to a live region which was hidden just before.
// So no live region may be hidden.
func TestLive_NoLiveRegionIsHidden(t *testing.T) {
	playing := newEntry(1, "one", 10)
	s := newPageTest(t, playing, newEntry(2, "two", 20))
	tab := s.openPage("/privacy", 1280, 800, "")
	for _, path := range []string{"/", "/u/" + songspy.Handle(1), "/t/" + songspy.Handle(playing.Track.PublicID)} {
		s.navigate(tab, path)
		s.expect(tab, path, `document.getElementById("connection").hidden + Array.from(document.querySelectorAll("[role=status][hidden], [role=alert][hidden], [aria-live][hidden]"), (e) => e.outerHTML).join()`, "true")
	}
}

func TestLive_AScreenReaderHearsHowTheConnectionChanges(t *testing.T) {
	for name, c := range map[string]struct{ online, spoken, seen string }{
		"the service does not answer": {
			"true", "The connection is unsteady. Reconnecting.|The connection is lost, so the list is empty for now. Reconnecting.",
			"The connection is lost, so the list is empty for now. Reconnecting.",
		},
		"there is no network": {"false", "You are offline. The list comes back when you are online.", "You are offline. The list comes back when you are online."},
	} {
		t.Run(name, func(t *testing.T) {
			s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20))
			s.setAnswer(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
			tab := s.openTab(1280, 800, hurry+spoken+`Object.defineProperty(navigator, "onLine", { get: () => `+c.online+` });`)
			const shown = `(document.getElementById("connection").hidden ? "" : document.getElementById("connection").textContent)`
			s.waitFor(tab, titles+` === "" && spoken.join("|") === "`+c.spoken+`"`)
			s.expect(tab, "what one sees", shown, c.seen)
			s.setAnswer(nil)
			s.waitFor(tab, titles+` === "two,one" && spoken.join("|") === "`+c.spoken+`|Connected again."`)
			s.expect(tab, "what one sees again", shown, "")
		})
	}
}

// If the viewer turns reading on, a screen reader reads at most one sentence every 30 seconds,
// about the newest song of the followed users. The test replaces slow timers of the page, and
// runs them itself with tick.
func TestLive_AScreenReaderHearsAFollowedUserEvery30SecondsUntilTurnedOff(t *testing.T) {
	s := signedIn(t, []songspy.BoardEntry{newEntry(1, "one", 40), newEntry(2, "two", 20), newEntry(3, "three", 10), newEntry(4, "four", 30)}, map[string]string{
		"GET /me": newMe("Listener A", "everyone", true), "GET /spotify-auth": newLink("active", "none"), "GET /me/gaps": noItems, "GET /me/following": noItems,
	})
	s.feed.followed = []songspy.UserID{2, 3}
	tab := s.openTab(1280, 800, `window.timers = [];
		const begin = window.setInterval, end = window.clearInterval;
		window.setInterval = (run, ms) => ms < 10000 ? begin(run, ms) : 1e6 + timers.push({ run, ms, on: true }) - 1;
		window.clearInterval = (id) => { if (id < 1e6) end(id); else timers[id - 1e6].on = false; };
		window.said = () => document.getElementById("announce").textContent;
		// tick runs the timers that are on, and returns what they announce. announce empties its region at once, and fills it a little later.
		window.tick = async () => {
			const before = said();
			for (const timer of timers) if (timer.on) timer.run();
			if (said() === before) return "";
			while (!said()) await new Promise((done) => setTimeout(done, 10));
			return said();
		};
		window.press = async (text) => {
			document.querySelector("[data-read]").click();
			while (said() !== text) await new Promise((done) => setTimeout(done, 10));
			return timers.map(({ ms, on }) => ms + (on ? " on" : " off")).join() + " " + document.querySelector("[data-read]").getAttribute("aria-pressed");
		};`)
	const followed = `Array.from(document.querySelectorAll("[data-following] h3"), (e) => e.textContent).join()`
	s.waitFor(tab, followed+` === "three,two"`)
	const on, off = "Your screen reader gets the songs of people you follow, every 30 seconds.", "Your screen reader no longer gets new songs."
	s.expect(tab, "a tick before it is turned on", `tick()`, "")
	s.expect(tab, "the timer", `press("`+on+`")`, "30000 on true")
	s.expect(tab, "the first tick", `tick()`, "Listener C has started three by Somebody, Somebody Else.")
	s.expect(tab, "a tick without a new song", `tick()`, "")
	s.put(newEntry(4, "fourth", -1))
	s.waitFor(tab, `document.getElementById("main").textContent.includes("fourth")`)
	s.expect(tab, "a tick after a song of a user who is not followed", `tick()`, "")
	s.put(newEntry(3, "third", 1))
	s.put(newEntry(2, "second", 0))
	s.waitFor(tab, followed+`.split(",").sort().join() === "second,third"`)
	s.expect(tab, "a tick after two new songs", `tick()`, "Listener B has started second by Somebody, Somebody Else.")
	s.expect(tab, "the next tick", `tick()`, "")
	s.expect(tab, "the timer after it is turned off", `press("`+off+`")`, "30000 off false")
	s.put(newEntry(2, "last", -1))
	s.waitFor(tab, followed+`.includes("last")`)
	s.expect(tab, "a tick after it is turned off", `tick()`, "")
	s.expect(tab, "the timers after it is turned on again", `press("`+on+`")`, "30000 off,30000 on true")
	s.expect(tab, "the tick after a song that began while it was off", `tick()`, "Listener B has started last by Somebody, Somebody Else.")
}
