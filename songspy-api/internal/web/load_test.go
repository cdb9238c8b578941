package web_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/memory"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"
)

// openAlone opens the front page in a tab that shares no process and no cache with other tabs.
// The actions in the argument before run before the tab loads the page.
func (s *pageTest) openAlone(width, height int64, before ...chromedp.Action[chromedp.Void]) context.Context {
	s.t.Helper()
	tab, leave := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	s.t.Cleanup(leave)
	tab, cancel := context.WithTimeout(tab, 4*time.Minute)
	s.t.Cleanup(cancel)
	actions := append([]chromedp.Action[chromedp.Void]{chromedp.EmulateViewport(width, height)}, before...)
	if err := chromedp.Do(tab, append(actions, chromedp.Navigate(s.url))...); err != nil {
		s.t.Fatal(err)
	}
	return tab
}

// command returns an action that sends a command to the browser and ignores its result.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, c, params)
		return err
	})
}

// call sends a command to the browser, and returns its result.
func call[P, R any](s *pageTest, tab context.Context, c cdp.Command[P, R], params P) (result R) {
	s.t.Helper()
	err := chromedp.Do(tab, chromedp.Func(func(ctx context.Context, target *chromedp.Target) (err error) {
		result, err = cdp.Call(ctx, target, c, params)
		return err
	}))
	if err != nil {
		s.t.Fatal(err)
	}
	return result
}

// usage is what a page keeps in memory after a garbage collection: its heap, DOM nodes and event
// listeners.
type usage struct {
	heap             float64 // bytes
	nodes, listeners int64
}

func (s *pageTest) usage(tab context.Context) usage {
	s.t.Helper()
	for range 3 { // several, because a node is freed only after the script object that refers to it
		call(s, tab, heapprofiler.CollectGarbage, cdp.Empty{})
	}
	heap, counters := call(s, tab, runtime.GetHeapUsage, cdp.Empty{}), call(s, tab, memory.GetDOMCounters, cdp.Empty{})
	return usage{heap.UsedSize, counters.Nodes, counters.JsEventListeners}
}

// feeder is an HTTP handler that answers with a stream. It writes changes as fast as the browser
// reads them.
type feeder struct {
	items   []map[string]any // the entries of the window (the list of listeners)
	changes chan int         // how many changes to write next
	round   int              // how many numbers the handler has received from the channel changes
}

func newFeeder(t *testing.T, s *pageTest) *feeder {
	t.Helper()
	for s.board.Ready() != nil && t.Context().Err() == nil {
		goruntime.Gosched()
	}
	answer := httptest.NewRecorder()
	s.handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, route, nil))
	var page struct {
		Data struct{ Items []map[string]any }
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &page); err != nil || len(page.Data.Items) != 48 {
		t.Fatalf("the window has %d entries: %v", len(page.Data.Items), err)
	}
	return &feeder{items: page.Data.Items, changes: make(chan int)}
}

func (f *feeder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/stream") {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	write := func(event string, data map[string]any) {
		data["topic"] = "window"
		body, err := json.Marshal(data)
		if err != nil {
			panic(err)
		}
		_, _ = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, body)
	}
	write("snapshot", map[string]any{"serverTime": time.Now().UTC(), "items": f.items})
	flusher, _ := w.(http.Flusher)
	flusher.Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case n := <-f.changes:
			f.round++
			for i := range n {
				f.write(write, i, n)
			}
			flusher.Flush()
		}
	}
}

// write sends the change with the index i, of n changes, through the function in its parameter
// write. Of 50 changes, 48 begin another track with another cover, one removes a user, and one
// brings that user back. Each title has the last digit of the round, and a number that counts
// down to 1. So all rounds end with the same titles, except for that digit.
func (f *feeder) write(write func(string, map[string]any), i, n int) {
	one := i % len(f.items)
	if step := i % 50; step == 48 {
		write("gone", map[string]any{"handles": []any{f.items[one]["person"].(map[string]any)["handle"]}})
		return
	} else if step == 49 {
		one = (i - 1) % len(f.items)
	}
	entry, track := f.items[one], f.items[one]["track"].(map[string]any)
	left := n - i
	track["title"], track["handle"] = fmt.Sprintf("Title %d-%05d", f.round%10, left), fmt.Sprintf("%011d", left)
	cover, _, _ := strings.Cut(track["albumImageUrl"].(string), "?")
	track["albumImageUrl"] = fmt.Sprintf("%s?%d", cover, left%10)
	entry["startedAt"] = time.Now().Add(-time.Duration(left) * time.Millisecond).UTC().Format(time.RFC3339Nano)
	write("playing", map[string]any{"items": []any{entry}})
}

// feed makes the feeder send n changes, and waits until the page shows the last one: in the
// window or in the hero.
func (f *feeder) feed(s *pageTest, tab context.Context, n int) {
	s.t.Helper()
	last := fmt.Sprintf("Title %d-%05d", (f.round+1)%10, 1)
	select {
	case f.changes <- n:
	case <-time.After(waitMax):
		s.t.Fatal("the page has no stream")
	}
	s.waitFor(tab, `document.querySelector("#main").textContent.includes("`+last+`") && document.querySelectorAll("#board li .title a").length === 47`)
}

func TestPage_KeepsItsSizeFor20000ChangesAsFastAsTheyCome(t *testing.T) {
	s, f, tab := newLoadTest(t)
	many := func(n int) {
		for range n / 2500 {
			f.feed(s, tab, 2500)
		}
	}
	many(10_000) // first fill the caches of the page and of the browser, which are not a leak
	before := s.usage(tab)
	many(20_000)
	after := s.usage(tab)
	t.Logf("before %+v, after %+v", before, after)
	if after.heap > 1.05*before.heap {
		t.Errorf("the heap has grown from %.0f to %.0f bytes", before.heap, after.heap)
	}
	// A twentieth more nodes are allowed, because some cards may have one more text node than
	// before, such as their time.
	if after.nodes > before.nodes+before.nodes/20 || after.listeners > before.listeners {
		t.Errorf("there were %d nodes and %d listeners, and now there are %d and %d", before.nodes, before.listeners, after.nodes, after.listeners)
	}
}

// The test measures the processor time of each task, not its duration, because other programs of
// a busy machine lengthen only the duration.
func TestPage_HasNoLongTaskAtChangesAsFastAsTheyCome(t *testing.T) {
	s, f, tab := newLoadTest(t)
	f.feed(s, tab, 1000)
	tasks := s.traceTasks(tab, func() {
		for range 4 {
			f.feed(s, tab, 5000)
		}
	})
	if len(tasks) < 20 || tasks[0] == 0 {
		t.Fatalf("the trace has %d tasks: %v", len(tasks), tasks)
	}
	t.Logf("%d tasks, the longest %v", len(tasks), tasks[:3])
	if tasks[0] > 100*time.Millisecond {
		t.Errorf("the longest task needs %v of the processor, want at most 100 ms", tasks[0])
	}
}

func newLoadTest(t *testing.T) (*pageTest, *feeder, context.Context) {
	t.Helper()
	if os.Getenv("SONGSPY_TEST_PAGE") == "" {
		t.Skip("this test runs in make test-page")
	}
	s := newPageTest(t, newLasting(1000)...)
	f := newFeeder(t, s)
	s.setAnswer(f.ServeHTTP)
	return s, f, s.openAlone(1280, 800)
}

// traceTasks calls the function meanwhile. It returns the processor times of the tasks that the
// page's main thread runs during this call, the longest first.
func (s *pageTest) traceTasks(tab context.Context, meanwhile func()) (times []time.Duration) {
	s.t.Helper()
	type task struct {
		Name     string
		PID, TID int64
		TDur     float64 // microseconds
	}
	var tasks []task
	complete := make(chan struct{})
	if err := chromedp.Listen(tab, func(event any) {
		switch e := event.(type) {
		case *tracing.EventDataCollected:
			for _, value := range e.Value {
				var one task
				if err := json.Unmarshal(value, &one); err == nil {
					tasks = append(tasks, one)
				}
			}
		case *tracing.EventTracingComplete:
			close(complete)
		}
	}); err != nil {
		s.t.Fatal(err)
	}
	const mark = "the traced page"
	call(s, tab, tracing.Start, tracing.StartParams{TraceConfig: &tracing.TraceConfig{
		IncludedCategories: []string{"disabled-by-default-devtools.timeline", "blink.user_timing"}, ExcludedCategories: []string{"*"},
	}})
	evaluate[any](s, tab, `performance.mark("`+mark+`"), 0`)
	meanwhile()
	call(s, tab, tracing.End, cdp.Empty{})
	select {
	case <-complete:
	case <-tab.Done():
		s.t.Fatal("the trace does not end")
	}
	page := tasks[max(0, slices.IndexFunc(tasks, func(one task) bool { return one.Name == mark }))]
	for _, one := range tasks {
		if one.Name == "RunTask" && one.PID == page.PID && one.TID == page.TID {
			times = append(times, time.Duration(one.TDur*float64(time.Microsecond)))
		}
	}
	slices.SortFunc(times, func(a, b time.Duration) int { return cmp.Compare(b, a) })
	return times
}
