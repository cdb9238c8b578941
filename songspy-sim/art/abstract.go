package art

import (
	"fmt"
	"math"
	"strings"
)

// blur draws spots of colour that look like a photo out of focus.
func blur(c *canvas) {
	c.ground(c.fade(pick(c, c.dark, c.deep, c.soft), pick(c, c.strong, c.deep)))
	for _, one := range []colour{c.strong, c.soft, c.deep, pick(c, c.light, c.strong)} {
		c.circle(c.IntN(300), c.IntN(300), c.between(110, 200), c.glow(one))
	}
	c.grain()
}

// stripes draws stripes, and in the middle a shape whose stripes are turned by 90°.
func stripes(c *canvas) {
	paper, ink := c.light, c.dark
	if c.oneIn(4) {
		paper, ink = c.strong, c.light
	}
	c.ground(paper)
	width, angle := pick(c, 10, 15, 20), c.between(0, 3)*45
	for n, shape := range []string{`<rect width="300" height="300"`, pick(c, `<circle cx="150" cy="150" r="96"`, `<rect x="70" y="70" width="160" height="160"`, `<path d="M150 46L262 250H38Z"`)} {
		id, fill := c.newID()
		c.add(`<pattern id="%s" width="%d" height="%d" patternUnits="userSpaceOnUse" patternTransform="rotate(%d)"><path d="M0 0H%dV%dH0Z" fill="%v"/><path d="M0 0H%dV%dH0Z" fill="%v"/></pattern>%s fill="%s"/>`,
			id, width*2, width*2, angle+n*90, 2*width, 2*width, paper, width, 2*width, ink, shape, fill)
	}
}

// bulge draws parallel lines that swell in the middle.
func bulge(c *canvas) {
	paper, ink := c.light, c.dark
	if c.oneIn(3) {
		paper, ink = c.dark, pick(c, c.light, c.soft, c.strong)
	}
	c.ground(paper)
	lines, height := c.between(13, 19), c.between(50, 130)
	var path strings.Builder
	c.place(func() {
		for n := range lines {
			y := n * 340 / (lines - 1)
			way := height
			if n%2 == 0 && height > 100 {
				way = height * 2 / 3
			}
			fmt.Fprintf(&path, "M-30 %dC70 %d 110 %d 160 %dS260 %d 330 %d", y, y, y-way, y-way/2, y, y)
		}
		c.stroke(ink, 340/float64(lines)/2, path.String())
	}, pick(c, "translate(0 10)", "rotate(90 150 150)translate(0 10)"))
}

// rings draws discs of different sizes around one centre, so that they look like rings. On
// some covers the right half has other colours.
func rings(c *canvas) {
	all := []colour{c.strong, c.light, c.deep, c.soft, c.dark}
	c.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	c.ground(all[0])
	x, y, count := pick(c, 150, 150, 0, 300), pick(c, 150, 150, 300), c.between(5, 9)
	size := 140
	if x != 150 || y != 150 {
		size = 300
	}
	draw := func(colours []colour) {
		for n := range count {
			c.circle(x, y, size-n*size/count, colours[(n+1)%len(colours)])
		}
	}
	draw(all)
	if x == 150 && y == 150 && c.oneIn(2) { // the right half has other colours
		id, right := c.newID()
		c.add(`<mask id="%s"><path d="M150 0H300V300H150Z" fill="#fff"/></mask><g mask="%s">`, id, right)
		c.ground(all[1])
		draw([]colour{all[3], all[0], all[2], all[1]})
		c.add(`</g>`)
	}
}

// halftone draws rows of growing dots, as in a printed photo, which fill a disc or the
// whole square.
func halftone(c *canvas) {
	paper, ink := c.light, pick(c, c.strong, c.dark, c.deep)
	switch c.IntN(3) {
	case 0:
		paper, ink = c.strong, pick(c, c.dark, c.light)
	case 1:
		paper, ink = c.dark, pick(c, c.strong, c.soft)
	}
	c.ground(paper)
	const step = 15
	whole := c.oneIn(3)
	c.place(func() {
		for n := range 26 {
			y := -187 + n*step
			half := int(math.Sqrt(float64(max(0, 120*120-y*y))))
			if whole {
				half = 225
			}
			// Each line is a row of dots: its dashes have length 0 and round caps.
			start := -half / step * step
			width := 2 + 13*float64(n)/25
			if !whole {
				width = 2 + 13*float64(y+120)/240
			}
			if half > 0 {
				c.add(`<path d="M%d %dH%d" stroke-width="%.1f"/>`, start+n%2*7, y, half, width)
			}
		}
	}, `translate(150 150)rotate(%d)" stroke="%v" stroke-linecap="round" stroke-dasharray="0 %d`, pick(c, 0, 30, 45, -30, 180), ink, step)
}

// waves draws bands of waves, each partly covered by the next. On some covers a sun is
// behind them.
func waves(c *canvas) {
	top, bottom := c.light, c.dark
	if c.oneIn(3) {
		top, bottom = c.dark, c.light
	}
	c.ground(top)
	if c.oneIn(2) {
		c.circle(c.between(70, 230), c.between(75, 95), c.between(30, 50), c.strong)
	}
	bands, size := c.between(6, 9), c.between(22, 44)
	for n := range bands {
		y, at := 105+n*195/bands, -2*size*(n%2)-c.IntN(2*size)
		var path strings.Builder
		fmt.Fprintf(&path, "M%d %dq%d %d %d 0", at, y, size, -size, 2*size)
		for range 300/size/2 + 3 {
			fmt.Fprintf(&path, "t%d 0", 2*size)
		}
		percent := (n + 1) * 100 / bands
		fill := top.towards(c.strong, 2*percent)
		if percent > 50 {
			fill = c.strong.towards(bottom, 2*percent-100)
		}
		c.area(fill, path.String()+"V300H0Z")
	}
}

// grid draws a grid of equal shapes. The shape in one cell differs in colour, and on most
// covers in form.
func grid(c *canvas) {
	ground, shape, other := c.light, c.dark, c.strong
	switch c.IntN(4) {
	case 0:
		ground, shape, other = c.dark, c.deep.towards(c.strong, 30), c.soft
	case 1:
		ground, shape, other = c.strong, c.light, c.dark
	case 2:
		ground, shape, other = c.soft, c.deep, c.light
	}
	c.ground(ground)
	cells := c.between(5, 8)
	cell := 240 / cells
	circle := fmt.Sprintf(`<circle cx="%d" cy="%d" r="%d"`, cell/2, cell/2, cell*3/10)
	square := fmt.Sprintf(`<path d="M%d %dh%dv%dh-%dZ"`, cell/5, cell/5, cell*3/5, cell*3/5, cell*3/5)
	half := fmt.Sprintf(`<path d="M%d %da%d %d 0 0 1 %d 0Z"`, cell/5, cell*3/5, cell*3/10, cell*3/10, cell*3/5)
	forms := [][2]string{{circle, square}, {square, circle}, {half, circle}, {circle, circle}}
	chosen := pick(c, forms...)
	id, fill := c.newID()
	c.add(`<pattern id="%s" width="%d" height="%d" patternUnits="userSpaceOnUse">%s fill="%v"/></pattern>`, id, cell, cell, chosen[0], shape)
	c.place(func() {
		c.rect(0, 0, cell*cells, cell*cells, fill)
		c.place(func() {
			c.rect(0, 0, cell, cell, ground)
			c.add(`%s fill="%v"/>`, chosen[1], other)
		}, "translate(%d %d)", cell*c.IntN(cells), cell*c.IntN(cells))
	}, "translate(%d %d)", (300-cell*cells)/2, (300-cell*cells)/2)
}

// tiles draws square tiles with discs, half discs and quarter discs.
func tiles(c *canvas) {
	all := []colour{c.dark, c.deep, c.strong, c.soft, c.light}
	n := pick(c, 3, 4)
	size := 300 / n
	for y := range n {
		for x := range n {
			at := c.IntN(5)
			ground, front := all[at], all[(at+c.between(2, 3))%5]
			c.rect(x*size, y*size, size+1, size+1, ground)
			switch c.IntN(5) {
			case 0:
				c.circle(x*size+size/2, y*size+size/2, size/2, front)
			case 1:
				c.area(front, "M%d %da%d %d 0 0 0 %d 0Z", x*size, y*size, size/2, size/2, size)
			default:
				c.add(`<path transform="translate(%d %d)rotate(%d)" d="M%d %dh%dA%d %d 0 0 1 %d %dZ" fill="%v"/>`,
					x*size+size/2, y*size+size/2, c.IntN(4)*90, -size/2, -size/2, size, size, size, -size/2, size/2, front)
			}
		}
	}
}

// bend draws parallel stripes that turn a corner.
func bend(c *canvas) {
	ground := pick(c, c.light, c.dark, c.soft)
	c.ground(ground)
	all := []colour{c.deep, c.strong, c.soft, c.light}
	switch ground {
	case c.light:
		all = []colour{c.dark, c.deep, c.strong, c.soft}
	case c.soft:
		all = []colour{c.dark, c.deep, c.strong, c.light}
	}
	width, x, y := c.between(14, 22), c.between(90, 150), c.between(60, 120)
	c.place(func() {
		for n, one := range all {
			r := 40 + n*width + width/2
			c.add(`<path d="M-40 %dH%dA%d %d 0 0 0 %d %dV-40" fill="none" stroke="%v" stroke-width="%d"/>`, y+r, x, r, r, x+r, y, one, width)
		}
	}, "rotate(%d 150 150)", c.IntN(4)*90)
}

// collage draws pieces of torn paper, plain or striped, and a disc.
func collage(c *canvas) {
	ground := pick(c, c.light, c.soft, c.dark)
	c.ground(ground)
	id, striped := c.newID()
	c.add(`<pattern id="%s" width="12" height="12" patternUnits="userSpaceOnUse"><path d="M0 0H12V12H0Z" fill="%v"/><path d="M0 0H12V4H0Z" fill="%v"/></pattern>`, id, c.light, c.dark)
	papers := []any{c.soft, c.deep, c.strong, striped}
	if ground == c.soft {
		papers[0] = c.light
	}
	c.Shuffle(len(papers), func(i, j int) { papers[i], papers[j] = papers[j], papers[i] })
	for n, x := range []int{-30, 110, 20} {
		if n == 2 {
			c.circle(c.between(110, 190), c.between(100, 160), c.between(40, 60), pick(c, c.strong, c.light))
		}
		c.add(`<path transform="rotate(%d 150 150)" d="%s" fill="%v" stroke="%v" stroke-width="3"/>`,
			c.between(-14, 14), c.torn(x+c.between(-10, 10), n*76+c.between(-20, 10), c.between(150, 220), c.between(110, 150)), papers[n], c.light)
	}
}

// torn returns the path of a rectangle with rough edges.
func (c *canvas) torn(x, y, width, height int) string {
	var path strings.Builder
	fmt.Fprintf(&path, "M%d %d", x, y)
	edge := func(dx, dy int) {
		const steps = 11
		for n := range steps {
			jitter := c.between(-4, 4)
			if n == steps-1 {
				jitter = 0
			}
			if dy == 0 {
				fmt.Fprintf(&path, "L%d %d", x+dx*(n+1)/steps, y+jitter)
			} else {
				fmt.Fprintf(&path, "L%d %d", x+jitter, y+dy*(n+1)/steps)
			}
		}
		x, y = x+dx, y+dy
	}
	edge(width, 0)
	edge(0, height)
	edge(-width, 0)
	edge(0, -height)
	return path.String() + "Z"
}

// line draws one closed curve over two spots of colour.
func line(c *canvas) {
	ground := pick(c, c.light, c.soft, c.strong, c.dark)
	c.ground(ground)
	ink := c.dark
	if ground == c.dark {
		ink = c.light
	}
	for _, one := range []colour{c.soft, c.strong} {
		if one == ground {
			one = c.light
		}
		c.circle(c.between(80, 220), c.between(80, 220), c.between(40, 80), one)
	}
	turns := pick(c, [2]int{1, 3}, [2]int{2, 3}, [2]int{3, 2}, [2]int{3, 4}, [2]int{5, 3}, [2]int{2, 5})
	start := 0.3 + c.Float64()
	var path strings.Builder
	const points = 120
	for n := range points {
		t := float64(n) * 2 * math.Pi / points
		fmt.Fprintf(&path, "%d %d ", 150+int(110*math.Sin(float64(turns[0])*t+start)), 150+int(110*math.Sin(float64(turns[1])*t)))
	}
	c.stroke(ink, pick(c, 2.5, 5, 9), "M"+path.String()+"Z")
}

// phases draws the phases of the moon, in a circle or in a row.
func phases(c *canvas) {
	ground, moon := c.dark, c.light
	switch c.IntN(3) {
	case 0:
		ground, moon = c.deep, c.soft
	case 1:
		ground, moon = c.light, c.dark
	}
	c.ground(ground)
	if c.oneIn(2) { // in a circle
		for n := range 12 {
			angle := float64(n) * math.Pi / 6
			x, y := 150+int(104*math.Cos(angle)), 150+int(104*math.Sin(angle))
			c.circle(x, y, 19, moon)
			c.circle(x+(n-6)*6, y, 20, ground)
		}
		c.circle(150, 150, 46, c.strong)
		return
	}
	for n := range 5 {
		c.circle(46+n*52, 150, 21, moon)
		if n != 2 {
			c.circle(46+n*52+(n-2)*11, 150, 20, ground)
		}
	}
	c.caption(26, 280, moon)
}

// overprint draws large shapes that look printed on top of each other: where they overlap,
// their colours mix.
func overprint(c *canvas) {
	c.ground(c.light)
	for _, one := range []colour{c.soft, c.strong, pick(c, c.deep, c.strong)} {
		x, y, size := c.between(90, 210), c.between(90, 210), c.between(60, 100)
		form := pick(c, "M-1 0A1 1 0 0 1 1 0A1 1 0 0 1-1 0Z", "M-1-1H1V1H-1Z", "M-1 1A2 2 0 0 1 1-1V1Z", "M-1 .5A1 1 0 0 1 1 .5Z", "M0-1L1 .8H-1Z")
		c.add(`<path style="mix-blend-mode:multiply" transform="translate(%d %d)scale(%d)rotate(%d)" d="%s" fill="%v"/>`, x, y, size, c.IntN(8)*45, form, one)
	}
	if c.oneIn(2) {
		c.caption(18, 284, c.dark)
	}
}

// slices draws a disc that is cut into strips, which are moved sideways.
func slices(c *canvas) {
	ground, disc := c.light, pick(c, c.strong, c.dark)
	switch c.IntN(3) {
	case 0:
		ground, disc = c.dark, pick(c, c.light, c.strong)
	case 1:
		ground, disc = c.soft, c.deep
	}
	c.ground(ground)
	fill := c.fade(disc, disc.towards(pick(c, c.strong, c.soft, c.light), 70))
	strips := c.between(7, 12)
	for n := range strips {
		top, bottom := -100+200*n/strips, -100+200*(n+1)/strips
		a, b := int(math.Sqrt(float64(10000-top*top))), int(math.Sqrt(float64(10000-bottom*bottom)))
		move := 150 + pick(c, -1, 1)*c.IntN(44)
		c.area(fill, "M%d %dH%dA100 100 0 0 1 %d %dH%dA100 100 0 0 1 %d %dZ", move-a, 150+top, move+a, move+b, 148+bottom, move-b, move-a, 150+top)
	}
}

// glass draws coloured light behind fluted glass.
func glass(c *canvas) {
	width := pick(c, 15, 20, 25, 30)
	flute := func(colours ...colour) string {
		light, fill := c.newID()
		c.add(`<linearGradient id="%s">%s</linearGradient>`, light, stops(colours))
		id, pattern := c.newID()
		c.add(`<pattern id="%s" width="%d" height="300" patternUnits="userSpaceOnUse"><path d="M0 0H%dV300H0Z" fill="%s"/></pattern>`, id, width, width, fill)
		return pattern
	}
	c.ground(flute(c.dark, c.deep, c.dark.towards(c.deep, 30)))
	c.circle(c.between(100, 200), c.between(100, 200), c.between(70, 120), flute(c.strong, c.soft, c.strong))
	if c.oneIn(2) {
		c.circle(c.between(100, 200), c.between(100, 200), c.between(30, 60), flute(c.light, c.soft, c.light))
	}
}
