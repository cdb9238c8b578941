package art

// stillLife draws a table with lemons, and a vase with a twig.
func stillLife(c *canvas) {
	wall, table := c.soft, c.deep
	switch c.IntN(3) {
	case 0:
		wall, table = c.light, c.soft
	case 1:
		wall, table = c.deep, c.dark
	}
	c.ground(wall)
	c.rect(0, c.between(205, 222), 300, 100, table)
	x := c.between(95, 135)
	c.stroke(c.dark.towards(wall, 20), 2.5, "M%d 130Q%d 90 %d 34M%d 100Q%d 80 %d 62M%d 88Q%d 70 %d 66", x, x-6, x+14, x-2, x+24, x+38, x-3, x-20, x-34)
	c.dots(9, 13, c.strong, func() (int, int) { return x + c.between(-36, 40), c.between(32, 76) })
	c.ellipse(x+18, 250, 62, 9, table.towards(c.dark, 45))
	vase := pick(c, c.light, c.dark, c.strong)
	if vase == wall {
		vase = c.dark
	}
	c.area(vase, "M%d 118h32c-2 28 26 44 26 84 0 26-14 48-26 50h-32c-12-2-26-24-26-50 0-40 28-56 26-84Z", x-16)
	c.stroke(vase.towards(c.light, 40), 4, "M%d 176q-10 30 2 54", x-22)
	for n := range c.between(1, 3) {
		at, y := x+76+n*50, 246-n%2*10
		c.ellipse(at+8, y+17, 30, 6, table.towards(c.dark, 45))
		c.area(pick(c, c.strong, c.soft).towards(c.strong, 60), "M%d %dc8-22 38-24 48-4l7 6-7 5c-10 20-40 18-48-4l-5-1Z", at-24, y)
	}
}

// leaf draws a leaf of two halves with a gap between them. Its stalk end is at the position
// x, y. The leaf points up if angle is 0; angle is in degrees clockwise.
func (c *canvas) leaf(x, y, angle, length, width int, fill colour) {
	low, high := -length/4, -length*3/4
	c.add(`<path transform="translate(%d %d)rotate(%d)" d="M-1 0C%d %d %d %d-1 %dZM1-4C%d %d %d %d 1 %dZ" fill="%v"/>`,
		x, y, angle, -width, low, -width, high, -length, width, low, width, high, 6-length, fill)
}

// plant draws a plant with large leaves in a pot.
func plant(c *canvas) {
	ground := pick(c, c.light, c.soft, c.strong, c.dark)
	c.ground(ground)
	leaves := []colour{c.deep, c.strong, c.deep.towards(c.strong, 50)}
	if ground == c.strong {
		leaves = []colour{c.dark, c.deep, c.dark.towards(c.deep, 50)}
	}
	if c.oneIn(2) {
		c.circle(150, 140, 104, ground.towards(pick(c, c.light, c.dark), 25))
	}
	wide := c.between(24, 46)
	for n, angle := range []int{-84, 82, -58, 55, -34, 31, -13, 11} {
		c.leaf(150, 232, angle+c.between(-7, 7), c.between(130, 200)-abs(angle)*2/3, wide+c.between(-5, 5), leaves[n%3])
	}
	pot := pick(c, c.dark, c.deep, c.soft)
	if pot == ground {
		pot = c.light
	}
	c.area(pot, "M114 230H186L178 284H122Z")
	c.rect(109, 224, 82, 13, pot.towards(c.light, 25))
}

func abs(n int) int { return max(n, -n) }

// branch draws a stem with leaves on both sides.
func branch(c *canvas) {
	ground, leaf := c.light, pick(c, c.deep, c.strong, c.dark)
	switch c.IntN(3) {
	case 0:
		ground, leaf = c.dark, pick(c, c.soft, c.strong)
	case 1:
		ground, leaf = c.strong, pick(c, c.light, c.dark)
	}
	c.ground(ground)
	step, wide := c.between(28, 42), c.between(18, 34)
	c.place(func() {
		c.stroke(leaf, 3, "M0 160Q12 20 0 -112")
		for n := range 230 / step {
			y, length := 126-n*step, 92-n*step/5
			c.leaf(5, y, 56+c.between(-8, 8), length, wide, leaf)
			c.leaf(4, y-14, -58+c.between(-8, 8), length, wide, leaf.towards(ground, 22))
		}
		c.leaf(0, -108, 0, 40, wide/2, leaf)
	}, "translate(150 155)rotate(%d)", c.between(-28, 28))
}

// flower draws a flower in close-up, which fills the square.
func flower(c *canvas) {
	ground := pick(c, c.dark, c.deep, c.light)
	c.ground(ground)
	petals := c.between(7, 13)
	fills := []string{c.fade(c.strong, c.soft), c.fade(c.soft, c.strong)}
	c.add(`<g transform="translate(%d %d)" stroke="%v" stroke-width=".6">`, c.between(70, 230), c.between(70, 230), c.deep)
	for ring, fill := range fills {
		length := 160 - ring*58
		for n := range petals {
			c.add(`<ellipse cy="%d" rx="%d" ry="%d" fill="%s" transform="rotate(%d)"/>`, -length/2, length*10/petals/4+6, length/2, fill, n*360/petals+ring*180/petals)
		}
	}
	c.circle(0, 0, 26, c.dark)
	c.dots(18, 5, c.light, func() (int, int) { return c.between(-15, 15), c.between(-15, 15) })
	c.add(`</g>`)
}

// citrus draws a slice of a citrus fruit. It is in the middle, or it is larger and the edge
// of the cover cuts it off.
func citrus(c *canvas) {
	ground := pick(c, c.light, c.deep, c.dark, c.soft)
	c.ground(ground)
	fruit := c.strong
	x, y, size := pick(c, 150, 150, 40, 260), pick(c, 150, 150, 300, 210), c.between(100, 118)
	if x != 150 || y != 150 {
		size = 190
	}
	segments := c.between(9, 12)
	c.place(func() {
		c.circle(0, 0, 100, fruit)
		c.circle(0, 0, 92, c.light.towards(fruit, 12))
		for n := range segments {
			c.add(`<path d="M0 -10L%d -76Q0 -98 %d -76Z" fill="%v" stroke="%v" stroke-width="6" stroke-linejoin="round" transform="rotate(%d)"/>`,
				-200/segments, 200/segments, fruit.towards(c.soft, 25), fruit.towards(c.soft, 25), n*360/segments)
		}
	}, "translate(%d %d)scale(%.2f)rotate(%d)", x, y, float64(size)/100, c.IntN(40))
}

// birds draws birds in a wide sky.
func birds(c *canvas) {
	sky, bird := pick(c, c.fade(c.light, c.soft), c.fade(c.soft, c.strong), c.fade(c.light, c.light)), c.dark
	if c.oneIn(3) {
		sky, bird = c.fade(c.deep, c.dark), c.light
	}
	c.ground(sky)
	if c.oneIn(2) {
		c.circle(c.between(60, 240), c.between(150, 230), c.between(40, 80), c.strong.towards(c.soft, 30))
	}
	for n := range c.between(5, 9) {
		c.add(`<path transform="translate(%d %d)rotate(%d)scale(%.2f)" fill="%v" d="M-46-14Q-22-22 0 0Q16-26 44-30Q20-14 12 4Q18 10 30 10Q14 18 2 12Q-14-6-46-14Z"/>`,
			60+n*71%190+c.IntN(20), 50+n*43%150+c.IntN(20), c.between(-14, 14), 0.3+float64(c.IntN(60))/100, bird)
	}
}

// oneFish is the path of a fish that swims to the left. Its middle is at 0, 0.
const oneFish = "M-38 0C-20-24 16-22 28-3L46-17Q42 0 46 17L28 3C16 22-20 24-38 0Z"

// fish draws twelve fish. One of them has another colour and swims the other way.
func fish(c *canvas) {
	ground := pick(c, c.deep, c.strong, c.light, c.dark)
	c.ground(ground)
	school := c.soft
	other := c.strong
	switch ground {
	case c.strong:
		school, other = c.dark, c.light
	case c.light:
		school = c.deep
	}
	odd := c.IntN(12)
	for n := range 12 {
		fill, flip := school, 1
		if n == odd {
			fill, flip = other, -1
		}
		c.place(func() {
			c.area(fill, oneFish)
			c.circle(-22, -3, 3, ground)
		}, "translate(%d %d)scale(%d .9)", 52+n%3*98+n/3%2*14-7, 48+n/3*68, flip)
	}
}

// sittingCat is the path of a sitting cat, seen from the front. Its middle is at x = 0.
const sittingCat = "M-44 254C-54 200-36 164-22 148C-34 136-34 116-29 92L-14 106Q0 101 14 106L29 92C34 116 34 136 22 148C36 164 54 200 44 254Z"

// cat draws a cat that sits on a window sill in front of the moon.
func cat(c *canvas) {
	sky, moon := c.fade(c.deep, c.strong), c.light
	if c.oneIn(2) {
		sky, moon = c.fade(c.light, c.soft), c.strong
	}
	c.ground(sky)
	x := c.between(110, 190)
	c.circle(x+c.between(-50, 50), 130, c.between(70, 94), moon)
	c.place(func() {
		c.area(c.dark, sittingCat)
		c.stroke(c.dark, 11, "M36 246C84 250 96 218 80 198C74 190 64 194 66 204")
		c.circle(-12, 124, 3, moon)
		c.circle(12, 124, 3, moon)
	}, "translate(%d 0)", x)
	c.rect(0, 250, 300, 50, c.dark)
}

// face is the path of a head in profile that looks to the right.
const face = "M58 310C84 276 84 246 70 216C38 182 34 120 64 82C98 40 170 36 203 74C215 90 213 108 217 122C219 132 228 142 240 160C245 168 242 173 231 174C227 176 227 179 230 184C233 189 231 191 225 193C231 195 232 200 227 204C223 207 225 211 226 217C227 230 216 237 199 235C186 234 178 240 177 252C176 272 184 290 200 310Z"

// profile draws up to three heads in profile that overlap, as if cut from paper.
func profile(c *canvas) {
	ground := pick(c, c.light, c.soft, c.strong, c.dark)
	c.ground(ground)
	layers := []colour{c.soft, c.strong, c.deep}
	switch ground {
	case c.soft:
		layers = []colour{c.light, c.strong, c.dark}
	case c.strong:
		layers = []colour{c.light, c.soft, c.dark}
	case c.dark:
		layers = []colour{c.deep, c.strong, c.light}
	}
	from := c.IntN(3)
	c.place(func() {
		for n := from; n < 3; n++ {
			c.place(func() { c.area(layers[n], face) }, "translate(%d %d)", (2-n)*26-10, (n-2)*2)
		}
		switch c.IntN(3) { // a shape inside the head
		case 0:
			c.circle(120, 124, 42, ground)
		case 1:
			for angle := -120; angle <= 60; angle += 36 {
				c.leaf(116, 140, angle, 56, 20, ground)
			}
		default:
			c.dots(34, 3, ground, func() (int, int) { return c.between(72, 178), c.between(78, 180) })
		}
	}, pick(c, "translate(0 0)", "translate(300 0)scale(-1 1)"))
}

// exposure draws a head in profile with a landscape inside, like a photo that was exposed twice.
func exposure(c *canvas) {
	ground, sky := c.light.towards(c.soft, 30), c.fade(c.deep, c.strong, c.soft)
	if c.oneIn(2) {
		ground, sky = c.dark, c.fade(c.soft, c.strong, c.deep)
	}
	c.ground(ground)
	c.circle(c.between(60, 240), c.between(80, 220), 190, c.glow(c.soft))
	c.add(`<clipPath id="f"><path d="%s"/></clipPath><g transform="%s"><g clip-path="url(#f)">`, face, pick(c, "translate(10)", "translate(290)scale(-1 1)"))
	c.ground(sky)
	c.circle(c.between(110, 170), c.between(80, 130), c.between(14, 28), c.light)
	for n := range 3 {
		y := 170 + n*42
		c.area(c.deep.towards(c.dark, n*50), "M0 %dL60 %dL%d %dL180 %dL%d %dL300 %dV320H0Z", y, y-c.IntN(50), c.between(90, 130), y+12, y-c.IntN(60), c.between(200, 240), y, y-20)
	}
	c.add(`</g></g>`)
	c.grain()
}

// figure draws a person far away in the fog.
func figure(c *canvas) {
	sky, land := c.fade(c.deep, c.soft, c.light), c.fade(c.soft, c.deep)
	if c.oneIn(2) {
		sky, land = c.fade(c.dark, c.deep, c.strong), c.fade(c.strong, c.dark)
	}
	c.ground(sky)
	x, horizon := c.between(70, 230), c.between(185, 225)
	c.circle(x+c.between(-60, 60), horizon-c.between(20, 90), c.between(90, 170), c.glow(c.light))
	c.rect(0, horizon, 300, 120, land)
	c.add(`<g opacity=".9" transform="translate(%d %d)scale(%.1f)">`, x, horizon+12, 0.6+float64(c.IntN(6))/10)
	c.area(c.dark, "M-7-62C-9-38-8-24-6 0H-1L0-26L2 0H6C8-24 10-40 8-62C6-68-5-68-7-62Z")
	c.circle(0, -73, 6, c.dark)
	c.area(c.dark.towards(c.strong, 30), "M-6 0H6L%d 60H%dZ", c.between(-50, 10), c.between(20, 60))
	c.add(`</g>`)
	c.grain()
}

// quartet draws one picture four times, in different colours.
func quartet(c *canvas) {
	all := []colour{c.dark, c.deep, c.strong, c.soft, c.light}
	c.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	motif := pick(c, [2]string{"", face}, [2]string{"translate(150 -55)scale(1.4)", sittingCat}, [2]string{"translate(145 150)scale(2.1)", oneFish},
		[2]string{"translate(150 150)scale(100)", "M0-.2C-.1-1 .9-1 1 .1C1 .8 .4 1 0 .8C-.4 1-1 .8-1 .1C-.9-1 .1-1 0-.2L-.1-1H.1Z"})
	for n := range 4 { // each picture is a little larger than a quarter, so that there is no gap between two
		c.add(`<svg x="%d" y="%d" width="151" height="151" viewBox="0 0 302 302">`, n%2*150, n/2*150)
		c.ground(all[n])
		c.circle(150, 150, 120, all[(n+1)%5])
		c.place(func() { c.area(all[(n+2)%5], motif[1]) }, motif[0])
		c.add(`</svg>`)
	}
}
