package art

import (
	"encoding/xml"
	"errors"
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
	for path, status := range map[string]int{"/covers/x.svg": 200, "/portraits/3.svg": 200, "/covers/x.png": 404, "/covers/": 404} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != status || status == 200 && w.Header().Get("Content-Type") != "image/svg+xml" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
}
