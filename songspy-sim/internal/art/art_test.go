package art

import (
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestArt_IsTheSameForTheSameIDAndWellFormed(t *testing.T) {
	for _, draw := range []func(string) string{Cover, Portrait} {
		first, again, other := draw("a"), draw("a"), draw("b")
		if first != again || first == other {
			t.Error("two drawings of one ID differ")
		}
		for _, id := range []string{"", "a", `"><script>`, "37i9dQZF1DX"} {
			d := xml.NewDecoder(strings.NewReader(draw(id)))
			for {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%q: %v", id, err)
				}
			}
			if strings.Contains(draw(id), "script") {
				t.Errorf("the drawing contains the input %q", id)
			}
		}
	}
}

func TestRoutes_ServeOnlyDrawings(t *testing.T) {
	mux := http.NewServeMux()
	Routes(mux)
	for path, kind := range map[string]string{"/covers/x.svg": "image/svg+xml", "/portraits/3.svg": "image/svg+xml", "/portraits/3.png": "image/png", "/covers/x.png": "", "/covers/": ""} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if want := map[bool]int{true: 200, false: 404}[kind != ""]; w.Code != want || kind != "" && w.Header().Get("Content-Type") != kind {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		if _, err := png.Decode(w.Body); (err == nil) != (kind == "image/png") {
			t.Errorf("%s is a picture: %v", path, err)
		}
	}
}
