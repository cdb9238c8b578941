package art

import (
	"encoding/xml"
	"errors"
	"fmt"
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

func TestCover_UsesEachDesignAndIsSmallAndHarmless(t *testing.T) {
	used := map[string]int{}
	for n := range 1000 {
		svg, design := drawCover(fmt.Sprint("album", n))
		used[design]++
		if len(svg) > 3000 {
			t.Errorf("the cover %d, of design %s, has %d bytes", n, design, len(svg))
		}
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("the cover %d, of design %s: %v", n, design, err)
			}
			e, isStart := token.(xml.StartElement)
			if !isStart {
				continue
			}
			switch strings.ToLower(e.Name.Local) {
			case "script", "foreignobject", "image", "use", "a", "style":
				t.Errorf("the design %s has the element %s", design, e.Name.Local)
			}
			for _, a := range e.Attr {
				name := strings.ToLower(a.Name.Local)
				if name == "href" || strings.HasPrefix(name, "on") || strings.Contains(strings.ReplaceAll(a.Value, "url(#", ""), "url(") {
					t.Errorf("the design %s has the attribute %s=%q", design, a.Name.Local, a.Value)
				}
			}
		}
		if strings.Contains(svg, "%!") {
			t.Errorf("the design %s has a wrong format: %s", design, svg)
		}
	}
	if len(used) != len(designs) {
		t.Errorf("1,000 covers use %d of %d designs: %v", len(used), len(designs), used)
	}
}

func TestPalettes_GoFromDarkToLight(t *testing.T) {
	brightness := func(c colour) int { return 30*int(c>>16&255) + 59*int(c>>8&255) + 11*int(c&255) }
	for _, p := range palettes {
		if b := brightness; b(p.dark) >= b(p.deep) || b(p.deep) >= b(p.strong) || b(p.strong) >= b(p.soft) || b(p.soft) >= b(p.light) {
			t.Errorf("%v is not in order", p)
		}
	}
}
