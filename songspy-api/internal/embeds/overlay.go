package embeds

import (
	_ "embed"
	"strings"
)

//go:embed overlay/index.html
var overlayPage []byte

//go:embed overlay/overlay.css
var overlayStyle []byte

//go:embed overlay/overlay.js
var overlayScript []byte

// OverlayFile is a file of the overlay page, which streaming programs show.
type OverlayFile struct {
	Path, ContentType string
	Body              []byte
}

// OverlayFiles are the files of the overlay page. The page is the same for each token:
// its script reads the token from the address.
var OverlayFiles = []OverlayFile{
	{"/overlay/:token", "text/html; charset=utf-8", overlayPage},
	{"/overlay.css", "text/css; charset=utf-8", overlayStyle},
	{"/overlay.js", "text/javascript; charset=utf-8", overlayScript},
	{"/overlay-spotify.svg", "image/svg+xml", []byte(logoFile)},
}

// OverlayCSP returns the Content-Security-Policy of the overlay page. It allows the page's own
// files, the stream, and images of Spotify and, if the receiver a is not nil and Spotify is
// simulated, of the simulated Spotify.
func (a *Art) OverlayCSP() string {
	images := "img-src 'self'"
	for _, host := range artHosts {
		if strings.HasPrefix(host, ".") {
			images += " https://*" + host
		}
	}
	if a != nil {
		if origin := a.source.SimulatedOrigin(); origin != "" {
			images += " " + origin
		}
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " + images +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
}
