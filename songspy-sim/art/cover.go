package art

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// design is one way to draw a cover. The drawing fills a square of 300 × 300 units.
type design struct {
	name string
	draw func(*canvas)
	// isPicture says that some covers of this design have a border around the drawing,
	// as around a photo.
	isPicture bool
}

var designs = []design{
	{"hills", hills, true},
	{"sea", sea, true},
	{"skyline", skyline, true},
	{"mountains", mountains, true},
	{"road", road, true},
	{"boat", boat, true},
	{"tree", tree, true},
	{"planet", planet, true},
	{"rain", rain, true},
	{"window", window, true},
	{"chair", chair, true},
	{"arches", arches, true},
	{"still life", stillLife, true},
	{"plant", plant, true},
	{"branch", branch, true},
	{"flower", flower, true},
	{"citrus", citrus, false},
	{"birds", birds, true},
	{"fish", fish, true},
	{"cat", cat, true},
	{"profile", profile, true},
	{"exposure", exposure, true},
	{"figure", figure, true},
	{"quartet", quartet, false},
	{"horizon", horizon, true},
	{"blur", blur, true},
	{"glyph", glyph, false},
	{"title", title, false},
	{"words", words, false},
	{"poster", poster, false},
	{"minimal", minimal, false},
	{"stripes", stripes, false},
	{"bulge", bulge, false},
	{"rings", rings, false},
	{"halftone", halftone, false},
	{"waves", waves, false},
	{"grid", grid, false},
	{"tiles", tiles, false},
	{"bend", bend, false},
	{"collage", collage, false},
	{"line", line, false},
	{"overprint", overprint, false},
	{"slices", slices, false},
	{"glass", glass, false},
	{"phases", phases, false},
}

// Cover returns the cover of an album as SVG. The album's identifier determines the design
// and the palette.
func Cover(id string) string {
	svg, _ := drawCover(id)
	return svg
}

// drawCover returns the SVG that Cover returns, and the name of the cover's design.
func drawCover(id string) (svg, name string) {
	c := &canvas{Rand: newRandom(id)}
	d := designs[c.IntN(len(designs))]
	c.palette = palettes[c.IntN(len(palettes))]
	const root = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 300" width="640" height="640">`
	switch border := c.IntN(6); {
	case d.isPicture && border == 0: // like a printed photo: a border, and a line of text below
		c.ground(c.light)
		c.add(`<svg x="38" y="30" width="224" height="224" viewBox="0 0 300 300">`)
		d.draw(c)
		c.add(`</svg>`)
		c.caption(38, 277, c.dark)
	case d.isPicture && border == 1: // only a border
		c.ground(pick(c, c.light, c.light, c.dark, c.soft))
		c.add(`<svg x="17" y="17" width="266" height="266" viewBox="0 0 300 300">`)
		d.draw(c)
		c.add(`</svg>`)
	default:
		d.draw(c)
	}
	return root + c.svg.String() + `</svg>`, d.name
}

// canvas is a cover that is being drawn.
type canvas struct {
	*rand.Rand
	palette
	svg strings.Builder
	ids int // how many IDs newID has returned
}

// add appends SVG to the drawing.
func (c *canvas) add(format string, args ...any) { fmt.Fprintf(&c.svg, format, args...) }

// between returns a random number from low to high, both inclusive.
func (c *canvas) between(low, high int) int { return low + c.IntN(high-low+1) }

// oneIn returns true with a probability of 1/n.
func (c *canvas) oneIn(n int) bool { return c.IntN(n) == 0 }

// pick returns one of the values, chosen at random.
func pick[T any](c *canvas, values ...T) T { return values[c.IntN(len(values))] }

// ground fills the whole square.
func (c *canvas) ground(fill any) { c.rect(0, 0, 300, 300, fill) }

func (c *canvas) rect(x, y, width, height int, fill any) {
	c.add(`<rect x="%d" y="%d" width="%d" height="%d" fill="%v"/>`, x, y, width, height, fill)
}

func (c *canvas) circle(x, y, radius int, fill any) {
	c.add(`<circle cx="%d" cy="%d" r="%d" fill="%v"/>`, x, y, radius, fill)
}

func (c *canvas) ellipse(x, y, width, height int, fill any) {
	c.add(`<ellipse cx="%d" cy="%d" rx="%d" ry="%d" fill="%v"/>`, x, y, width, height, fill)
}

// area fills a path.
func (c *canvas) area(fill any, path string, args ...any) {
	c.add(`<path d="`+path+`" fill="%v"/>`, append(args, fill)...)
}

// stroke draws a path with a round pen.
func (c *canvas) stroke(stroke any, width float64, path string, args ...any) {
	c.add(`<path d="`+path+`" fill="none" stroke="%v" stroke-width="%.3g" stroke-linecap="round" stroke-linejoin="round"/>`, append(args, stroke, width)...)
}

// place applies an SVG transform, such as "rotate(90 150 150)", to everything that the
// function draw draws.
func (c *canvas) place(draw func(), transform string, args ...any) {
	c.add(`<g transform="`+transform+`">`, args...)
	draw()
	c.add(`</g>`)
}

// newID returns an unused ID for an element such as a gradient, and the value with which
// the attribute fill refers to that element. For example, it returns "a" and "url(#a)".
func (c *canvas) newID() (id, fill string) {
	c.ids++
	id = string(rune('a' + c.ids - 1))
	return id, "url(#" + id + ")"
}

// fade returns a fill that changes from the first colour at the top to the last one at the
// bottom.
func (c *canvas) fade(colours ...colour) (fill string) {
	id, fill := c.newID()
	c.add(`<linearGradient id="%s" x2="0" y2="1">%s</linearGradient>`, id, stops(colours))
	return fill
}

// glow returns a fill that has the given colour in the middle and is transparent at the edge.
func (c *canvas) glow(middle colour) (fill string) {
	id, fill := c.newID()
	c.add(`<radialGradient id="%s"><stop stop-color="%v"/><stop offset="1" stop-color="%v" stop-opacity="0"/></radialGradient>`, id, middle, middle)
	return fill
}

func stops(colours []colour) string {
	var b strings.Builder
	for n, one := range colours {
		fmt.Fprintf(&b, `<stop offset="%.3g" stop-color="%v"/>`, float64(n)/float64(len(colours)-1), one)
	}
	return b.String()
}

// grain makes the whole square look like a photo on film.
func (c *canvas) grain() {
	id, fill := c.newID()
	c.add(`<filter id="%s"><feTurbulence type="fractalNoise" baseFrequency=".9" numOctaves="1" seed="%d"/>`+
		`<feColorMatrix values="0 0 0 0 .5 0 0 0 0 .5 0 0 0 0 .5 .6 0 0 0 -.2"/></filter><rect width="300" height="300" filter="%s"/>`, id, c.IntN(99), fill)
}

// dots draws n dots as one path. The width is their diameter. The function position returns
// the position of the next dot.
func (c *canvas) dots(n int, width float64, fill any, position func() (x, y int)) {
	var path strings.Builder
	for range n {
		x, y := position()
		fmt.Fprintf(&path, "M%d %dh0", x, y)
	}
	c.stroke(fill, width, path.String())
}

const (
	sans  = "Helvetica Neue,Helvetica,Arial,Noto Sans CJK KR,sans-serif"
	serif = "Georgia,Noto Serif CJK KR,serif"
)

// text writes a text. The argument extra holds further attributes of the SVG element, such
// as text-anchor="middle", or is empty.
func (c *canvas) text(x, y, size int, family, fill any, extra, text string) {
	c.add(`<text x="%d" y="%d" font-size="%d" font-family="%s" fill="%v" %s>%s</text>`, x, y, size, family, fill, extra, text)
}

// caption writes a short line in small letters, as on the sleeve of a record.
func (c *canvas) caption(x, y int, fill colour) {
	line := pick(c, "side one", "volume two", "after hours", "twelve songs", "live at home", "한 장의 여름", "두 번째 이야기", "밤의 노래들", "stereo", "slow days", "letters", "낮과 밤")
	if c.oneIn(3) {
		c.text(x, y, 13, serif, fill, `font-style="italic"`, line)
		return
	}
	c.text(x, y, 11, sans, fill, `letter-spacing="2"`, line)
}
