// Package art draws the covers of invented albums and the portraits of invented
// people, so that a page with simulated data looks real. The same identifier always
// gives the same drawing.
package art

import (
	"hash/fnv"
	"image/png"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
)

// Routes adds the routes of the covers and portraits to a mux. Covers are SVG, and
// portraits are SVG or PNG.
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

// idMax is the maximum length of an identifier in bytes. For a longer one, the answer is
// 404.
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
