package pictures

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// google is a transport that answers requests for pictures, and records their addresses.
type google struct {
	body     []byte
	status   int
	location string
	asked    []string
}

func (g *google) RoundTrip(r *http.Request) (*http.Response, error) {
	g.asked = append(g.asked, r.URL.String())
	if g.status == 0 {
		return nil, errors.New("no connection")
	}
	return &http.Response{StatusCode: g.status, Header: http.Header{"Location": {g.location}}, Body: io.NopCloser(bytes.NewReader(g.body)), Request: r}, nil
}

func pngOf(t *testing.T, side int) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, image.NewGray(image.Rect(0, 0, side, side))); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const address = "https://lh3.googleusercontent.com/a/picture=s96-c"

func TestJPEG_IsFetchedOnceAndKeepsNothingButThePixels(t *testing.T) {
	now := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	// Programs and cameras append data after the end of the image in a file. JPEG must remove
	// such data too.
	g := &google{body: append(pngOf(t, 96), "taken at home"...), status: 200}
	f := New(g, "", "", func() time.Time { return now })
	picture := f.JPEG(t.Context(), address)
	size, err := jpeg.DecodeConfig(bytes.NewReader(picture))
	if err != nil || size.Width != 96 || bytes.Contains(picture, []byte("taken at home")) {
		t.Errorf("the picture has %d pixels, error %v; %q", size.Width, err, picture)
	}
	if again := f.JPEG(t.Context(), address); !bytes.Equal(again, picture) || len(g.asked) != 1 {
		t.Errorf("Google was asked for %q, want one request", g.asked)
	}
	now = now.Add(lifetime)
	if f.JPEG(t.Context(), address); len(g.asked) != 2 {
		t.Errorf("after a day, Google was asked %d times, want 2", len(g.asked))
	}
}

func TestJPEG_AsksGooglesImageHostsOnly(t *testing.T) {
	g := &google{body: pngOf(t, 8), status: 200}
	f := New(g, "http://localhost:8090", "http://sim:8090", time.Now)
	for from, want := range map[string]string{
		address:                               address,
		"http://localhost:8090/portraits/1":   "http://sim:8090/portraits/1",
		"http://lh3.googleusercontent.com/a":  "",
		"https://googleusercontent.com.evil/": "",
		"https://evilgoogleusercontent.com/":  "",
		"https://u@lh3.googleusercontent.com": "",
		"https://lh3.googleusercontent.com:1": "",
		"https://169.254.169.254/latest":      "",
		"file:///etc/passwd":                  "",
		"":                                    "",
	} {
		g.asked = nil
		picture := f.JPEG(t.Context(), from)
		if got := strings.Join(g.asked, " "); got != want || (picture == nil) != (want == "") {
			t.Errorf("%s: asked for %q, want %q", from, got, want)
		}
	}
}

func TestJPEG_RejectsWhatIsNoSmallPicture(t *testing.T) {
	for name, g := range map[string]*google{
		"no connection":  {},
		"not found":      {status: 404, body: pngOf(t, 8)},
		"a redirect":     {status: 302, location: "http://169.254.169.254/", body: pngOf(t, 8)},
		"text":           {status: 200, body: []byte("<svg onload=alert(1)>")},
		"too many sides": {status: 200, body: pngOf(t, sideMax+1)},
		"too many bytes": {status: 200, body: append(pngOf(t, 8), make([]byte, bytesMax)...)},
		"half a picture": {status: 200, body: pngOf(t, 8)[:40]},
	} {
		now := time.Now()
		f := New(g, "", "", func() time.Time { return now })
		for range 2 {
			if picture := f.JPEG(t.Context(), address); picture != nil {
				t.Errorf("%s: got a picture of %d bytes", name, len(picture))
			}
		}
		if len(g.asked) != 1 {
			t.Errorf("%s: Google was asked %d times within a minute", name, len(g.asked))
		}
		now = now.Add(retryAfter)
		if f.JPEG(t.Context(), address); len(g.asked) != 2 {
			t.Errorf("%s: after a minute, Google was asked %d times, want 2", name, len(g.asked))
		}
	}
}
