package web_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// shown is a script that returns the titles that the front page shows, in alphabetical order.
const shown = `Array.from(document.querySelectorAll("#board h3, .answer:not([hidden]) .title"), (title) => title.textContent).sort().join()`

// countStreams returns a counter of the requests that open a stream. All requests still reach
// the API's handler, except that requests for a stream get 404 if opens is false, as from a
// server without streams.
func (s *pageTest) countStreams(opens bool) *atomic.Int32 {
	var count atomic.Int32
	s.setAnswer(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/stream") {
			if count.Add(1); !opens {
				w.WriteHeader(http.StatusNotFound)
				return
			}
		}
		s.handler.ServeHTTP(w, r)
	})
	return &count
}

// silent is a response whose connection stays open, but discards what the server writes, once
// muted is true.
type silent struct {
	http.ResponseWriter
	muted *atomic.Bool
}

// Hijack implements http.Hijacker: streams take over their connections.
func (w silent) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(w.ResponseWriter).Hijack()
	return silentConn{conn, w.muted}, buffers, err
}

type silentConn struct {
	net.Conn
	muted *atomic.Bool
}

func (c silentConn) Write(b []byte) (int, error) {
	if c.muted.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// The stream falls silent without an error, as it does if a phone changes its network. After ten
// seconds, both tabs must be empty: the first one, which reads the stream, and the second one,
// which gets its events from the first.
func TestLive_ASilentStreamEmptiesThePage(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20))
	var muted atomic.Bool
	s.setAnswer(func(w http.ResponseWriter, r *http.Request) {
		if muted.Load() {
			<-r.Context().Done()
			return
		}
		s.handler.ServeHTTP(silent{w, &muted}, r)
	})
	const since = `const now = Date.now; window.emptied = 0; addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
		if (!emptied && document.querySelector("[data-window-section]").hidden) emptied = now();
	}).observe(document.body, { subtree: true, childList: true, attributes: true }));`
	tabs := []context.Context{s.openTab(1280, 800, since), s.openTab(1280, 800, since)}
	s.put(newEntry(2, "second", 0))
	for _, tab := range tabs {
		s.waitFor(tab, titles+` === "second,one"`)
	}
	muted.Store(true)
	began := evaluate[float64](s, tabs[0], `now()`)
	for i, tab := range tabs {
		s.waitFor(tab, `emptied > 0 && document.getElementById("connection").textContent === "The connection is lost, so the list is empty for now. Reconnecting."`)
		// The last news before the silence may have been a keep-alive comment up to five seconds
		// earlier, so less than ten seconds are allowed too. A slow machine takes longer.
		if ms := evaluate[float64](s, tab, `emptied`) - began; ms < 4000 || ms > 16_000 {
			t.Errorf("tab %d is empty after %.0f ms without news, want ten seconds", i, ms)
		}
	}
	muted.Store(false)
	for _, tab := range tabs {
		s.waitFor(tab, shown+` === "one,second" && document.getElementById("connection").hidden`)
	}
}

func TestLive_ATabWithoutAPlaceInTheStreamHasItsOwn(t *testing.T) {
	const people = 9 // a stream has at most eight topics
	var entries []songspy.BoardEntry
	for id := range people {
		entries = append(entries, newEntry(id+1, fmt.Sprint("song ", id+1), 10))
	}
	s := newPageTest(t, entries...)
	opened := s.countStreams(true)
	var tabs []context.Context
	for id := range people {
		tabs = append(tabs, s.openPage("/u/"+songspy.Handle(songspy.PublicID(id+1)), 400, 400, ""))
	}
	for _, id := range []int{1, people} {
		s.put(newEntry(id, "next", 0))
		s.waitFor(tabs[id-1], `document.querySelector(".answer .title")?.textContent === "next"`)
		s.remove(songspy.UserID(id))
		s.waitFor(tabs[id-1], `document.getElementById("name").textContent.startsWith("Page not found")`)
	}
	if n := opened.Load(); n < 2 || n > people {
		t.Errorf("%d streams were opened", n)
	}
}

func TestLive_ATabReplacesALeaderThatSaysNothing(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20))
	opened := s.countStreams(true)
	leader := s.openTab(1280, 800, `window.mute = false; const post = BroadcastChannel.prototype.postMessage; BroadcastChannel.prototype.postMessage = function (message) { if (!mute) post.call(this, message); };`)
	s.waitFor(leader, titles+` === "two,one"`)
	other := s.openTab(1280, 800, `window.later = 0; const now = Date.now; Date.now = () => now() + later;`)
	s.put(newEntry(2, "second", 0))
	s.waitFor(other, titles+` === "second,one"`)
	if n := opened.Load(); n != 1 {
		t.Fatalf("two tabs have opened %d streams, want 1", n)
	}
	evaluate[any](s, leader, `window.mute = window.isOld = true`)
	evaluate[any](s, other, `later = 21000`)
	s.put(newEntry(3, "third", 0)) // the leader passes nothing on, so the other tab must take the lead and open a stream
	s.waitFor(other, shown+` === "one,second,third"`)
	if n := opened.Load(); n != 2 {
		t.Errorf("after the leader was replaced, %d streams were opened, want 2", n)
	}
	s.put(newEntry(1, "first", -1))
	s.waitFor(other, shown+` === "first,second,third"`)
	s.waitFor(leader, shown+` === "first,second,third" && window.isOld === undefined`) // window.isOld is gone: the replaced leader must have loaded its page again
}

// Without streams, the leader reads for all tabs, so it must read even while it is hidden, if
// another tab is visible.
func TestLive_AHiddenTabReadsForAVisibleOne(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20))
	s.countStreams(false)
	hidden := s.openTab(1280, 800, hurry)
	s.waitFor(hidden, titles+` === "two,one"`)
	evaluate[any](s, hidden, `Object.defineProperty(document, "hidden", { get: () => true })`)
	visible := s.openTab(1280, 800, "")
	s.put(newEntry(2, "second", 0))
	s.waitFor(visible, titles+` === "second,one"`)
}

func TestPage_SaysThatTheDeviceIsOffline(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20))
	tab := s.openTab(1280, 800, hurry+`window.isOnline = true; Object.defineProperty(navigator, "onLine", { get: () => isOnline });`)
	s.waitFor(tab, titles+` === "two,one" && document.getElementById("connection").hidden`)
	s.setAnswer(lost)
	evaluate[any](s, tab, `isOnline = false; dispatchEvent(new Event("offline"))`)
	s.waitFor(tab, `document.getElementById("connection").textContent === "You are offline. The list comes back when you are online."`)
	s.setAnswer(nil)
	evaluate[any](s, tab, `isOnline = true; dispatchEvent(new Event("online"))`)
	s.waitFor(tab, `document.getElementById("connection").hidden && `+titles+` === "two,one"`)
}
