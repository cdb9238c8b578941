package embeds_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/songspy/songspy/songspy-api/internal/embeds"
)

// roundTrip is a function that implements http.RoundTripper.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, kind string, body []byte) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}, "Location": {"https://i.scdn.co/other"}}, Body: io.NopCloser(bytes.NewReader(body))}
}

var jpeg = append([]byte{0xff, 0xd8, 0xff, 0xe0}, "a picture"...)

func TestArt_AsksOnlySpotifysImageHosts(t *testing.T) {
	for address, want := range map[string]string{
		"https://i.scdn.co/image/1":                      "https://i.scdn.co/image/1",
		"https://image-cdn-ak.spotifycdn.com/image/1":    "https://image-cdn-ak.spotifycdn.com/image/1",
		"http://sim.example:8090/covers/1.svg":           "http://inside:9000/covers/1.svg",
		"http://i.scdn.co/image/1":                       "",
		"https://i.scdn.co:8443/image/1":                 "",
		"https://user@i.scdn.co/image/1":                 "",
		"https://i.scdn.co.evil.example/image/1":         "",
		"https://evilscdn.co/image/1":                    "",
		"https://169.254.169.254/latest/meta-data":       "",
		"https://sim.example:8090/covers/1.svg":          "",
		"http://inside:9000/covers/1.svg":                "",
		"file:///etc/passwd":                             "",
		"https://evil.example/#https://i.scdn.co/image1": "",
		"": "",
	} {
		var asked string
		art := embeds.NewArt(roundTrip(func(r *http.Request) (*http.Response, error) {
			asked = r.URL.String()
			return answer(200, "image/jpeg", jpeg), nil
		}), "http://sim.example:8090/authorize", "http://inside:9000/accounts", time.Now)
		uri := art.DataURI(t.Context(), address)
		if asked != want || (uri == "") != (want == "") {
			t.Errorf("%q: asked %q, want %q; the image is %q", address, asked, want, uri)
		}
	}
}

func TestArt_RefusesWhatIsNoSmallImage(t *testing.T) {
	for name, c := range map[string]struct {
		answer *http.Response
		err    error
		inline bool
	}{
		"an image":                   {answer(200, "text/html", jpeg), nil, true},
		"the largest image":          {answer(200, "image/jpeg", append(bytes.Clone(jpeg), make([]byte, 256<<10-len(jpeg))...)), nil, true},
		"an image that is too large": {answer(200, "image/jpeg", append(bytes.Clone(jpeg), make([]byte, 256<<10)...)), nil, false},
		"a page":                     {answer(200, "image/jpeg", []byte("<html><script>")), nil, false},
		"a drawing":                  {answer(200, "image/svg+xml", []byte("<svg xmlns='http://www.w3.org/2000/svg'/>")), nil, false},
		"a redirect":                 {answer(302, "image/jpeg", jpeg), nil, false},
		"an error":                   {answer(500, "image/jpeg", jpeg), nil, false},
		"no answer":                  {nil, errors.New("no route"), false},
	} {
		var calls atomic.Int32
		art := embeds.NewArt(roundTrip(func(*http.Request) (*http.Response, error) { calls.Add(1); return c.answer, c.err }), "", "", time.Now)
		if uri := art.DataURI(t.Context(), "https://i.scdn.co/image/1"); (uri != "") != c.inline || c.inline && !strings.HasPrefix(uri, "data:image/jpeg;base64,") {
			t.Errorf("%s: the image has %d characters, want it inlined: %t", name, len(uri), c.inline)
		}
		if calls.Load() != 1 {
			t.Errorf("%s: %d calls, want 1", name, calls.Load())
		}
	}
}

func TestArt_FetchesAnImageOnceADayHoweverManyAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		art := embeds.NewArt(roundTrip(func(*http.Request) (*http.Response, error) {
			calls.Add(1)
			<-time.After(time.Second)
			return answer(200, "image/jpeg", jpeg), nil
		}), "", "", time.Now)
		ask := func(viewers int) {
			for range viewers {
				go func() {
					if art.DataURI(t.Context(), "https://i.scdn.co/image/1") == "" {
						t.Error("a viewer gets no image")
					}
				}()
			}
			<-time.After(time.Minute)
		}
		for _, step := range []struct {
			wait time.Duration
			want int32
		}{{0, 1}, {time.Hour, 1}, {22 * time.Hour, 1}, {time.Hour, 2}} {
			<-time.After(step.wait)
			ask(50)
			if calls.Load() != step.want {
				t.Fatalf("after another %s: %d calls, want %d", step.wait, calls.Load(), step.want)
			}
		}
	})
}

func TestArt_AFailureIsTriedAgainAfterAMinuteAndASlowHostHoldsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		var slow atomic.Bool
		slow.Store(true)
		art := embeds.NewArt(roundTrip(func(r *http.Request) (*http.Response, error) {
			calls.Add(1)
			if slow.Load() {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return answer(200, "image/jpeg", jpeg), nil
		}), "", "", time.Now)
		began := time.Now()
		if uri := art.DataURI(t.Context(), "https://i.scdn.co/image/1"); uri != "" || time.Since(began) != 2*time.Second {
			t.Errorf("a slow host: %q after %s, want no image after 2s", uri, time.Since(began))
		}
		<-time.After(10 * time.Second)
		slow.Store(false)
		if uri := art.DataURI(t.Context(), "https://i.scdn.co/image/1"); uri != "" || calls.Load() != 1 {
			t.Errorf("soon after the failure: %d calls, want 1", calls.Load())
		}
		<-time.After(time.Minute)
		if uri := art.DataURI(t.Context(), "https://i.scdn.co/image/1"); uri == "" {
			t.Error("no image a minute after the failure")
		}
	})
}

func TestArt_TheCacheIsBounded(t *testing.T) {
	var calls atomic.Int32
	large := append(bytes.Clone(jpeg), make([]byte, 200<<10)...)
	art := embeds.NewArt(roundTrip(func(*http.Request) (*http.Response, error) {
		calls.Add(1)
		return answer(200, "image/jpeg", large), nil
	}), "", "", time.Now)
	ask := func(i int) { art.DataURI(t.Context(), "https://i.scdn.co/image/"+strings.Repeat("x", i)) }
	const more = 200 // images; the cache has room for 32 MiB / 267 KiB = 122
	for i := range more {
		ask(i)
	}
	ask(more - 1)
	if calls.Load() != more {
		t.Errorf("%d calls, want %d: the newest image is kept", calls.Load(), more)
	}
	ask(0)
	if calls.Load() != more+1 {
		t.Errorf("%d calls, want %d: the oldest image is no longer kept", calls.Load(), more+1)
	}
}
