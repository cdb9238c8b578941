package web_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// The first sight of a board with 1,000 listeners needs few bytes before album art.
func TestPage_FirstSightOfManyListenersIsSmall(t *testing.T) {
	entries := make([]songspy.BoardEntry, 0, 1000)
	for n := range 1000 {
		entries = append(entries, newListener(n))
	}
	s := newPageTest(t, entries...)
	tab, leave := chromedp.NewContext(browser, chromedp.WithNewBrowserContext()) // with an empty cache
	t.Cleanup(leave)
	tab, cancel := context.WithTimeout(tab, 2*time.Minute)
	t.Cleanup(cancel)
	var mu sync.Mutex
	paths, bytes := map[network.RequestID]string{}, map[string]float64{}
	if err := chromedp.Do(tab, chromedp.EmulateViewport(1280, 800), chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{})
		return err
	})); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Listen(tab, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			paths[e.RequestID] = strings.TrimPrefix(e.Request.URL, s.url)
		case *network.EventLoadingFinished:
			bytes[paths[e.RequestID]] += e.EncodedDataLength
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(tab, chromedp.Navigate(s.url)); err != nil {
		t.Fatal(err)
	}
	s.waitFor(tab, `document.getElementById("main").dataset.started !== undefined && document.querySelectorAll("#board li").length === 48 &&
		Array.from(document.querySelectorAll("img.logo")).every((i) => i.complete)`)
	mu.Lock()
	defer mu.Unlock()
	total := 0.0
	for path, n := range bytes {
		if !strings.HasPrefix(path, "/cover") && !strings.HasPrefix(path, route+"/stream") {
			total += n
		}
	}
	if bytes["/"] == 0 || total > 60<<10 {
		t.Errorf("before album art the page has transferred %.0f bytes, want at most %d: %v", total, 60<<10, bytes)
	}
	t.Logf("%.0f bytes before album art", total)
}
