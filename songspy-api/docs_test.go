package main

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/songspy/songspy/songspy-domain/store/storetest"

	"github.com/songspy/songspy/songspy-api/internal/chromiumtest"
)

// newTab returns a tab of a Chromium. If there is no Chromium, it skips the test; in CI the
// test fails instead.
func newTab(t *testing.T) context.Context {
	t.Helper()
	tab, end := chromiumtest.Start()
	t.Cleanup(end)
	chromiumtest.Require(t, tab, "in a browser")
	limited, cancel := context.WithTimeout(tab, time.Minute)
	t.Cleanup(cancel)
	return limited
}

func TestDocs_TryARouteWithinTheirPolicy(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite)
	tab := newTab(t)
	var mu sync.Mutex
	var foreign, complaints []string
	base := "http://" + w.publicListener.Addr().String()
	err := chromedp.Listen(tab, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			if u := e.Request.URL; !strings.HasPrefix(u, base+"/") && !strings.HasPrefix(u, "data:") {
				foreign = append(foreign, u)
			}
		case *log.EventEntryAdded:
			complaints = append(complaints, e.Entry.Text+" "+e.Entry.URL)
		case *runtime.EventExceptionThrown:
			complaints = append(complaints, e.ExceptionDetails.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	const operation = "#operations-board-listCurrentPlaying"
	err = chromedp.Do(tab,
		chromedp.Navigate(base+"/docs"),
		chromedp.Click(operation+" .opblock-summary-control"),
		chromedp.Click(operation+" .try-out__btn"),
		chromedp.Click(operation+" .execute"),
	)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := chromedp.Run(tab, chromedp.TextContent(operation+" .live-responses-table .response"))
	if err != nil || !strings.HasPrefix(answer, "200") || !strings.Contains(answer, `"serverTime"`) {
		t.Errorf("trying a route shows %q, error %v", answer, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(foreign) > 0 || len(complaints) > 0 {
		t.Errorf("requests to other sites: %v; the browser reports %v", foreign, complaints)
	}
}

func TestDocs_AreSentCompressedOnlyIfTheClientAcceptsIt(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite)
	for accepted, want := range map[string]string{
		"": "", "br": "", "gzip;q=0, br": "", "gzip; q=0.000": "", "gzip": "gzip", "br, GZIP;q=0.5": "gzip", "deflate, gzip": "gzip",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+w.publicListener.Addr().String()+"/docs/swagger-ui.css", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header["Accept-Encoding"] = []string{accepted} // otherwise Go's client would add Accept-Encoding: gzip
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		head := make([]byte, 2)
		_, err = resp.Body.Read(head)
		_ = resp.Body.Close()
		compressed := slices.Equal(head, []byte{0x1f, 0x8b})
		if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Encoding") != want || compressed != (want != "") || resp.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: status %d, headers %v, compressed %t, error %v", accepted, resp.StatusCode, resp.Header, compressed, err)
		}
	}
}
