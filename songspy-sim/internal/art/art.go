// Package art draws the covers of invented albums and the portraits of invented
// people, each from an identifier alone, so that a page with simulated data
// looks real.
package art

import (
	"fmt"
	"hash/fnv"
	"image"
	"image/color"
	"image/png"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
)

// Routes adds the routes of the drawings to a mux.
func Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /covers/{file}", serve(Cover))
	mux.HandleFunc("GET /portraits/{file}", func(w http.ResponseWriter, r *http.Request) {
		id, isPNG := strings.CutSuffix(r.PathValue("file"), ".png")
		if !isPNG || len(id) > idMax {
			serve(Portrait)(w, r)
			return
		}
		setHeaders(w.Header(), "image/png")
		_ = png.Encode(w, portraitPixels(id))
	})
}

// idMax is the length of the longest identifier.
const idMax = 64

func setHeaders(h http.Header, contentType string) {
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "public, max-age=86400, immutable")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("X-Content-Type-Options", "nosniff")
}

func serve(draw func(string) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, ok := strings.CutSuffix(r.PathValue("file"), ".svg")
		if !ok || len(id) > idMax {
			http.NotFound(w, r)
			return
		}
		setHeaders(w.Header(), "image/svg+xml")
		_, _ = io.WriteString(w, draw(id))
	}
}

func newRandom(id string) *rand.Rand {
	h := fnv.New64a()
	_, _ = io.WriteString(h, id)
	return rand.New(rand.NewPCG(h.Sum64(), uint64(len(id)))) //nolint:gosec // a drawing, not a secret
}

// Cover returns an album's cover as SVG: a background of two colours and some
// shapes.
func Cover(id string) string {
	r := newRandom(id)
	hue := r.IntN(360)
	other := (hue + 40 + r.IntN(140)) % 360
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 300"><defs><linearGradient id="g" x1="0" y1="0" x2="%d" y2="1"><stop offset="0" stop-color="hsl(%d 65%% 55%%)"/><stop offset="1" stop-color="hsl(%d 70%% 28%%)"/></linearGradient></defs><rect width="300" height="300" fill="url(#g)"/>`, r.IntN(2), hue, other)
	for range 3 + r.IntN(4) {
		x, y, size := r.IntN(300), r.IntN(300), 25+r.IntN(95)
		fill := fmt.Sprintf(`fill="hsl(%d 80%% %d%%)" fill-opacity="0.%d"`, (other+r.IntN(60))%360, 45+r.IntN(40), 3+r.IntN(5))
		switch r.IntN(3) {
		case 0:
			fmt.Fprintf(&b, `<circle cx="%d" cy="%d" r="%d" %s/>`, x, y, size, fill)
		case 1:
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" transform="rotate(%d %d %d)" %s/>`, x-size, y-size/3, 2*size, size/2, r.IntN(180), x, y, fill)
		default:
			fmt.Fprintf(&b, `<path d="M%d %dL%d %dL%d %dZ" %s/>`, x, y-size, x-size, y+size, x+size, y+size, fill)
		}
	}
	b.WriteString(`</svg>`)
	return b.String()
}

// Portrait returns a person's picture as SVG.
func Portrait(id string) string {
	r := newRandom("portrait " + id)
	hue := r.IntN(360)
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100"><rect width="100" height="100" fill="hsl(%d 45%% 82%%)"/><circle cx="50" cy="%d" r="%d" fill="hsl(%d 50%% 42%%)"/><ellipse cx="50" cy="104" rx="%d" ry="38" fill="hsl(%d 50%% 42%%)"/></svg>`,
		hue, 38+r.IntN(5), 17+r.IntN(5), (hue+r.IntN(80))%360, 32+r.IntN(10), (hue+160)%360)
}

// portraitPixels returns a person's picture as pixels, as Google serves pictures: a head and
// shoulders.
func portraitPixels(id string) image.Image {
	const side = 96
	r := newRandom("portrait " + id)
	colour := func() color.NRGBA {
		return color.NRGBA{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)), 255}
	}
	picture := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{colour(), colour(), colour()})
	within := func(x, y, centreY, width, height int) bool {
		dx, dy := (x-side/2)*height, (y-centreY)*width
		return dx*dx+dy*dy < width*width*height*height
	}
	for y := range side {
		for x := range side {
			switch {
			case within(x, y, 38, 18, 18):
				picture.SetColorIndex(x, y, 1)
			case within(x, y, 100, 36, 38):
				picture.SetColorIndex(x, y, 2)
			}
		}
	}
	return picture
}
