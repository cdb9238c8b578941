package embeds

import (
	"bytes"
	_ "embed"
	"encoding/xml"
	"fmt"
	"regexp"
	"strings"

	"github.com/rivo/uniseg"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

// Style says how an image is drawn.
type Style struct{ Dark, English bool }

// The sizes of the image, in pixels. The logo is wider than 70 pixels and has a clear
// space of half its icon, as Spotify's design rules ask.
const (
	imageWidth, imageHeight = 480, 148
	margin                  = 16
	artSize                 = imageHeight - 2*margin
	textLeft                = margin + artSize + margin
	textWidth               = imageWidth - textLeft - margin
	logoWidth, logoHeight   = 80, 25
	titleSize, artistSize   = 20, 14
)

//go:embed spotify.svg
var logoFile string

// logoPath is the outline of Spotify's logo in a box of 512 × 160.
var logoPath = regexp.MustCompile(`<path .*/>`).FindString(logoFile)

// palette are the colours of a theme. The logo is green, so the background is white or
// black: Spotify's design rules ask for that.
type palette struct{ background, border, title, artist, kicker, empty string }

var (
	lightPalette = palette{"#ffffff", "#dcdce0", "#111114", "#4b4b52", "#5a3fc0", "#ececef"}
	darkPalette  = palette{"#000000", "#2c2c31", "#ffffff", "#b9b9c0", "#b5a4ff", "#1c1c20"}
)

const fonts = `Pretendard, -apple-system, BlinkMacSystemFont, 'Segoe UI', 'Apple SD Gothic Neo', 'Noto Sans KR', 'Malgun Gothic', sans-serif`

// Draw returns an SVG image of the track that the holder of a token sees. If playing is nil,
// the holder sees no track, and the image says so. The parameter art is the album art as a data
// URI, or empty if there is none. The image refers to nothing outside of it and has no script.
func Draw(playing *visibility.Seen[songspy.BoardEntry], art string, s Style) []byte {
	p := lightPalette
	if s.Dark {
		p = darkPalette
	}
	var b bytes.Buffer
	title, kicker := "지금은 듣고 있지 않아요", ""
	if s.English {
		title = "Not listening right now"
	}
	var track songspy.Track
	if playing != nil {
		track = playing.Value().Track
		kicker = "지금 듣는 중"
		if s.English {
			kicker = "Listening now"
		}
		title = track.Title
		if track.Artists != "" {
			title += " — " + track.Artists
		}
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img"><title>%s</title>`,
		imageWidth, imageHeight, imageWidth, imageHeight, escape(title))
	fmt.Fprintf(&b, `<defs><clipPath id="art"><rect x="%d" y="%d" width="%d" height="%d" rx="4"/></clipPath><clipPath id="text"><rect x="%d" width="%d" height="%d"/></clipPath></defs>`,
		margin, margin, artSize, artSize, textLeft, textWidth, imageHeight)
	fmt.Fprintf(&b, `<rect x="0.5" y="0.5" width="%d" height="%d" rx="8" fill="%s" stroke="%s"/>`, imageWidth-1, imageHeight-1, p.background, p.border)
	if art != "" && playing != nil {
		fmt.Fprintf(&b, `<image x="%d" y="%d" width="%d" height="%d" clip-path="url(#art)" href="%s"/>`, margin, margin, artSize, artSize, escape(art))
	} else {
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" rx="4" fill="%s"/>`, margin, margin, artSize, artSize, p.empty)
	}
	fmt.Fprintf(&b, `<g clip-path="url(#text)" font-family="%s">`, fonts)
	line := func(y, size int, weight, colour, text string) {
		fmt.Fprintf(&b, `<text x="%d" y="%d" font-size="%d" font-weight="%s" fill="%s">%s</text>`,
			textLeft, y, size, weight, colour, escape(shorten(text, float64(textWidth)/float64(size))))
	}
	if playing == nil {
		line((imageHeight+titleSize)/2-3, titleSize-2, "500", p.artist, title)
	} else {
		line(33, 12, "600", p.kicker, kicker)
		line(62, titleSize, "700", p.title, track.Title)
		line(84, artistSize, "400", p.artist, track.Artists)
	}
	b.WriteString(`</g>`)
	// Spotify's logo is shown only with content of Spotify: a local file is none.
	if playing != nil && track.Kind != songspy.KindLocal {
		fmt.Fprintf(&b, `<svg x="%d" y="%d" width="%d" height="%d" viewBox="0 0 512 160">%s</svg>`, textLeft, imageHeight-margin-logoHeight, logoWidth, logoHeight, logoPath)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// escape returns the text escaped for XML, both for content and for attributes. It replaces
// characters that XML does not allow by U+FFFD.
func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder returns no error
	return b.String()
}

const ellipsis = "…"

// shorten returns the text if it fits into the width, or else as much of its beginning as
// fits, and an ellipsis. The width is in units of the font size. It can only estimate the
// width of a text, because the font is not known: the image clips a text that is too wide.
func shorten(text string, width float64) string {
	if estimate(text) <= width {
		return text
	}
	var fits strings.Builder
	left := width - estimate(ellipsis)
	for g := uniseg.NewGraphemes(text); g.Next(); {
		if left -= clusterWidth(g.Str(), g.Width()); left < 0 {
			break
		}
		fits.WriteString(g.Str())
	}
	return strings.TrimRight(fits.String(), " ") + ellipsis
}

// estimate returns the width of the text in units of the font size.
func estimate(text string) (width float64) {
	for g := uniseg.NewGraphemes(text); g.Next(); {
		width += clusterWidth(g.Str(), g.Width())
	}
	return width
}

// clusterWidth estimates the width of a grapheme cluster in a bold sans-serif font, in units
// of the font size. The argument columns is how many columns a terminal needs for the cluster.
func clusterWidth(cluster string, columns int) float64 {
	switch {
	case columns == 2:
		return 1
	case columns != 1:
		return float64(columns)
	case strings.ContainsAny(cluster, " iljtfrI.,:;'!|()[]"):
		return 0.42
	case strings.ContainsAny(cluster, "MWmw@%…—"):
		return 1.15
	case strings.ToLower(cluster) != cluster:
		return 0.8
	}
	return 0.68
}
