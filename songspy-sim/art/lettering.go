package art

import "fmt"

// paper returns a colour for the background, and two colours for text that is legible on
// that background.
func (c *canvas) paper() (ground, ink, second colour) {
	switch c.IntN(6) {
	case 0:
		return c.dark, c.light, c.strong
	case 1:
		return c.strong, c.dark, c.light
	case 2:
		return c.deep, c.light, c.soft
	case 3:
		return c.soft, c.dark, c.deep
	default:
		return c.light, c.dark, c.strong
	}
}

// glyph draws one huge letter or number.
func glyph(c *canvas) {
	ground, ink, second := c.paper()
	c.ground(ground)
	letter := pick(c, "A", "a", "g", "R", "S", "Q", "k", "2", "3", "5", "8", "9", "&amp;", "?", "ㅎ", "ㅊ", "밤", "숲", "달", "섬", "물", "봄")
	family := pick(c, sans, serif)
	if c.oneIn(2) {
		ink, second = second, ink
	}
	switch c.IntN(3) {
	case 0: // the edge of the cover cuts the letter off
		c.text(c.between(60, 240), 300, 420, family, ink, `font-weight="900" text-anchor="middle"`, letter)
	case 1: // the letter twice, slightly shifted
		c.text(162, 232, 250, family, second.towards(ground, 50), `font-weight="900" text-anchor="middle"`, letter)
		c.text(150, 242, 250, family, ink, `font-weight="900" text-anchor="middle"`, letter)
	default:
		c.text(150, 248, 270, family, ink, `font-weight="900" text-anchor="middle"`, letter)
		c.caption(20, 30, second)
	}
}

// words draws one word in several rows. One row stands out.
func words(c *canvas) {
	ground, ink, second := c.paper()
	c.ground(ground)
	word := pick(c, "SLOW", "AGAIN", "HOME", "ECHO", "BLUE", "LATE", "SOFT", "TIDE", "오늘도", "천천히", "우리는", "안녕히", "여름밤")
	rows := c.between(4, 6)
	size := 270 / rows
	chosen := c.IntN(rows)
	for n := range rows {
		fill := ink
		if n != chosen {
			fill = pick(c, ground, ground, second).towards(ink, 22)
		}
		c.text(18, 15+size*(n+1)-size/6, size, sans, fill, `font-weight="900" textLength="264" lengthAdjust="spacingAndGlyphs"`, word)
	}
}

// poster draws the poster of a concert: bars, a number and small lines of text.
func poster(c *canvas) {
	ground, ink, second := c.paper()
	c.ground(ground)
	shift, width := c.between(6, 20), c.between(120, 260)
	c.place(func() {
		for n := range c.between(3, 5) {
			c.rect(-40+n*shift, 60+n*34, width+c.IntN(80), c.between(8, 26), pick(c, second, second, ink))
		}
	}, "rotate(%d 150 150)", pick(c, 0, -30, -45, 45, 90))
	c.rect(0, 234, 300, 66, ground)
	c.text(18, 284, 44, sans, ink, `font-weight="700"`, fmt.Sprint(c.between(11, 99)))
	c.caption(90, 268, ink)
	c.caption(90, 284, ink)
}

// title draws the name of an album in large letters.
func title(c *canvas) {
	ground, ink, second := c.paper()
	c.ground(ground)
	first := pick(c, "slow", "paper", "last", "quiet", "blue", "no", "small", "half")
	last := pick(c, "rivers", "rooms", "letters", "summer", "weather", "signals", "tides", "moons")
	if c.oneIn(3) {
		first, last = pick(c, "느린", "푸른", "작은", "오래된", "첫", "먼"), pick(c, "계절", "편지", "바다", "방", "여름", "산책")
	}
	switch c.IntN(3) {
	case 0: // at the top left, tight
		c.text(16, 72, 66, sans, ink, `font-weight="800" letter-spacing="-2"`, first)
		c.text(16, 134, 66, sans, second, `font-weight="800" letter-spacing="-2"`, last)
		c.caption(18, 280, ink)
	case 1: // in the middle, as on the cover of a book
		c.add(`<rect x="16" y="16" width="268" height="268" fill="none" stroke="%v"/>`, ink)
		c.text(150, 118, 40, serif, ink, `font-style="italic" text-anchor="middle"`, first)
		c.text(150, 162, 40, serif, ink, `font-style="italic" text-anchor="middle"`, last)
		c.circle(150, 222, 10, second)
	default: // at the foot, below a field of colour
		c.rect(0, 0, 300, 190, c.fade(second, second.towards(ink, 35)))
		c.text(16, 236, 42, sans, ink, `font-weight="700" letter-spacing="-1"`, first)
		c.text(16, 278, 42, sans, ink, `font-weight="700" letter-spacing="-1"`, last)
	}
}

// minimal draws an almost empty cover with one small mark.
func minimal(c *canvas) {
	ground, ink := c.light, pick(c, c.dark, c.strong)
	switch c.IntN(5) {
	case 0:
		ground, ink = c.dark, c.light
	case 1:
		ground, ink = c.soft, c.dark
	}
	c.ground(ground)
	x, y := pick(c, 150, 150, 60, 240), pick(c, 150, 190, 100)
	switch c.IntN(6) {
	case 0:
		c.circle(x, y, c.between(7, 22), ink)
	case 1:
		c.stroke(ink, 3, "M%d %dh%d", x-30, y, c.between(30, 60))
	case 2:
		c.area(ink, "M%d %dl16 28h-32Z", x, y-14)
	case 3: // a house
		c.stroke(ink, 2.5, "M%d %dv-20l18-16 18 16v20Z", x-18, y+18)
	case 4: // two discs that touch
		c.circle(x-11, y, 13, ink)
		c.circle(x+11, y, 13, ink.towards(ground, 55))
	default:
		c.text(x, y, 22, serif, ink, `text-anchor="middle" font-style="italic"`, pick(c, "no.", "and", "so", "봄", "네"))
	}
	if c.oneIn(2) {
		c.caption(20, 284, ink)
	}
}
