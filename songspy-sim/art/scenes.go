package art

import (
	"fmt"
	"strings"
)

// hills draws a landscape of hills, with a sun or a moon.
func hills(c *canvas) {
	sky, front, disc := c.fade(c.soft, c.light), c.dark, c.strong
	switch c.IntN(4) {
	case 0: // night
		sky, disc = c.fade(c.dark, c.deep), c.light
	case 1: // a red evening
		sky, disc = c.fade(c.deep, c.strong, c.soft), c.light
	}
	c.ground(sky)
	c.circle(c.between(70, 230), c.between(90, 150), c.between(22, 52), disc)
	for n := range 4 {
		y := 165 + n*32
		left, top, right := y+c.between(-30, 20), y+c.between(-40, 10), y+c.between(-25, 25)
		c.area(c.soft.towards(front, 28+n*24), "M0 %dC50 %d 90 %d 150 %dS250 %d 300 %dV300H0Z", left, left-20, top, top+10, right+20, right)
	}
}

// sea draws the sea at night, with a moon and stars.
func sea(c *canvas) {
	horizon, moon := c.between(180, 220), c.between(70, 230)
	c.ground(c.fade(c.dark, c.dark.towards(c.deep, 70), c.deep, c.strong))
	for _, width := range []float64{1.2, 2.2} {
		c.dots(26, width, c.light, func() (int, int) { return c.IntN(300), c.IntN(horizon - 30) })
	}
	c.circle(moon, horizon-c.between(40, 100), c.between(16, 30), c.light)
	c.rect(0, horizon, 300, 300, c.fade(c.deep, c.dark))
	var path strings.Builder
	for y := horizon + 6; y < 296; y += 9 { // the reflection of the moon in the water
		half := 4 + (y-horizon)/4 + c.IntN(12)
		fmt.Fprintf(&path, "M%d %dh%d", moon-half+c.between(-6, 6), y, 2*half)
	}
	c.stroke(c.light.towards(c.strong, 30), 2.5, path.String())
}

// skyline draws a city at night with lit windows.
func skyline(c *canvas) {
	c.ground(c.fade(c.dark, c.deep, c.strong, c.soft))
	if c.oneIn(2) {
		c.circle(c.between(60, 240), c.between(60, 120), c.between(18, 44), c.light)
	}
	var far, near, windows strings.Builder
	for x := 0; x < 300; x += 26 {
		fmt.Fprintf(&far, "M%d 300V%dh26V300Z", x, c.between(130, 200))
	}
	for x := -8; x < 300; {
		width, top := c.between(28, 58), c.between(150, 245)
		fmt.Fprintf(&near, "M%d 300V%dh%dV300Z", x, top, width-3)
		for y := top + 12; y < 290; y += 13 {
			for at := x + 7; at < x+width-9; at += 11 {
				if c.oneIn(3) {
					fmt.Fprintf(&windows, "M%d %dv4", at+1, y)
				}
			}
		}
		x += width
	}
	c.area(c.deep.towards(c.strong, 35), far.String())
	c.area(c.dark, near.String())
	c.add(`<path d="%s" stroke="%v" stroke-width="5"/>`, windows.String(), c.soft.towards(c.light, 50))
}

// mountains draws mountains behind a lake. The nearest one has snow on its peak.
func mountains(c *canvas) {
	c.ground(pick(c, c.fade(c.soft, c.light), c.fade(c.strong, c.soft, c.light), c.fade(c.dark, c.deep, c.strong)))
	if c.oneIn(2) {
		c.circle(c.between(40, 260), c.between(40, 80), c.between(12, 26), c.light.towards(c.strong, 15))
	}
	x, top := c.between(110, 190), c.between(70, 100)
	c.area(c.deep.towards(c.soft, 45), "M-20 215L%d %dL150 190L%d %dL330 215Z", x-110, top+60, x+110, top+45)
	c.area(c.deep, "M%d 215L%d %dL%d 215Z", x-130, x, top, x+135)
	c.area(c.dark.towards(c.deep, 40), "M%d %dL%d 215H%dZ", x, top, x+135, x+20) // the side in the shade
	c.area(c.light, "M%d %dl-38 43 14-4 12 12 12-16 12 14 10-13 15 6Z", x, top)
	c.rect(0, 215, 300, 90, c.fade(c.deep.towards(c.soft, 60), c.dark.towards(c.deep, 60)))
	c.area(c.dark, "M0 207Q60 203 110 215T300 211V221H0Z")
	c.stroke(c.light, 1.5, "M%d 240h60M%d 256h34M%d 271h80", c.between(20, 200), c.between(20, 220), c.between(20, 180))
}

// road draws a road that leads to the horizon.
func road(c *canvas) {
	horizon := c.between(135, 185)
	c.ground(pick(c, c.fade(c.deep, c.strong, c.soft), c.fade(c.strong, c.soft, c.light), c.fade(c.dark, c.deep)))
	c.circle(150, horizon-c.between(0, 30), c.between(24, 50), c.light)
	land := c.dark.towards(c.deep, 60)
	c.area(land.towards(c.soft, 35), "M0 %dL60 %d 110 %d 190 %d 240 %d 300 %dV300H0Z", horizon-18, horizon-42, horizon-8, horizon-14, horizon-34, horizon-10)
	c.rect(0, horizon, 300, 170, land)
	c.area(c.dark, "M147 %dh6L270 300H30Z", horizon)
	for n, y := 0, float64(horizon)+4; y < 300; n++ { // the centre line, whose dashes grow towards the viewer
		height, width := 3+float64(n)*5, 0.6+(y-float64(horizon))/24
		c.add(`<path d="M150 %.0fv%.0f" stroke="%v" stroke-width="%.1f"/>`, y, height, c.light, width)
		y += 2.1 * height
	}
	if c.oneIn(2) { // poles with a wire
		c.stroke(c.dark, 2, "M40 %dV60M25 75h30M88 %dV100M78 109h20M114 %dV124M108 129h12", horizon+60, horizon+25, horizon+10)
		c.stroke(c.dark, .8, "M25 75Q55 115 78 109Q96 130 108 129M55 75Q82 113 98 109Q110 128 120 129M55 75Q20 60 -5 40")
	}
}

// boat draws a small sailing boat in front of a large sun.
func boat(c *canvas) {
	sky, water := pick(c, c.soft, c.light, c.strong), c.deep
	disc := c.strong
	if sky == c.strong {
		disc = c.soft
	}
	c.ground(sky)
	x, size := c.between(90, 210), c.between(60, 95)
	c.circle(x, 190, size, disc)
	c.rect(0, 200, 300, 100, water)
	c.stroke(disc, 3, "M%d 214h%dM%d 228h%dM%d 242h%dM%d 258h%d", x-size+8, 2*size-30, x-size+30, 2*size-50, x-size/2, size+10, x-14, 30)
	x = pick(c, x-size/2, x+size/3)
	c.area(c.light, "M%d 110L%d 186H%dZM%d 126L%d 186H%dZ", x, x+34, x, x-4, x-24, x-4)
	c.area(c.dark, "M%d 191H%dL%d 206H%dZ", x-34, x+42, x+28, x-24)
}

// tree draws a single tree on a hill.
func tree(c *canvas) {
	sky := pick(c, c.light, c.soft, c.strong)
	c.ground(sky)
	x, hill := c.between(85, 215), pick(c, c.deep, c.dark)
	crown := c.deep
	if sky != c.strong {
		crown = c.strong
	}
	if hill == c.deep && crown == c.deep {
		crown = c.dark
	}
	c.area(hill, "M0 250Q%d 190 300 255V300H0Z", x)
	c.area(c.dark, "M%d 240l5-70h6l5 70Z", x-8)
	for range 9 {
		c.circle(x+c.between(-36, 36), 135+c.between(-40, 26), c.between(22, 36), crown)
	}
	c.dots(14, 7, crown.towards(c.light, 30), func() (int, int) { return x + c.between(-42, 42), 135 + c.between(-50, 32) })
}

// planet draws a planet with a ring, in a sky with stars.
func planet(c *canvas) {
	c.ground(c.dark)
	c.dots(50, 1.4, c.light, func() (int, int) { return c.IntN(300), c.IntN(300) })
	c.dots(8, 3, c.soft, func() (int, int) { return c.IntN(300), c.IntN(300) })
	x, y, radius := c.between(120, 180), c.between(130, 180), c.between(52, 84)
	ring := func(half int) {
		c.add(`<path d="M%d 0A%d %d 0 0 %d %d 0" fill="none" stroke="%v" stroke-width="9"/>`, -radius*9/5, radius*9/5, radius/2, half, radius*9/5, c.soft)
		c.add(`<path d="M%d 0A%d %d 0 0 %d %d 0" fill="none" stroke="%v" stroke-width="3"/>`, -radius*3/2, radius*3/2, radius*2/5, half, radius*3/2, c.light)
	}
	c.place(func() {
		ring(1)
		c.circle(0, 0, radius, c.fade(c.strong, c.strong.towards(c.deep, 70), c.deep))
		ring(0)
	}, "translate(%d %d)rotate(%d)", x, y, c.between(-30, 30))
}

// rain draws an umbrella in the rain.
func rain(c *canvas) {
	ground, umbrella := c.deep, c.strong
	if c.oneIn(2) {
		ground, umbrella = c.soft.towards(c.deep, 20), c.strong
	}
	c.ground(ground)
	var path strings.Builder
	for range 46 {
		fmt.Fprintf(&path, "M%d %dl-6 18", c.between(0, 306), c.between(-10, 290))
	}
	c.stroke(ground.towards(c.light, 80), 1.8, path.String())
	x, y := c.between(110, 190), c.between(150, 185)
	c.stroke(c.dark, 5, "M%d %dv92q0 14 14 14t14-14", x, y-20)
	c.area(umbrella, "M%d %dC%d %d %d %d %d %dQ%d %d %d %dT%d %dT%d %dT%d %dZ", x-88, y, x-76, y-104, x+76, y-104, x+88, y, x+66, y-20, x+44, y, x, y, x-44, y, x-88, y)
	c.stroke(c.dark, 1.5, "M%d %dQ%d %d %d %dQ%d %d %d %dM%d %dV%d", x-44, y, x-40, y-60, x, y-78, x+40, y-60, x+44, y, x, y, y-88)
}

// window draws a window with curtains, and a landscape in the evening behind it.
func window(c *canvas) {
	wall := pick(c, c.deep, c.soft, c.strong, c.dark)
	c.ground(wall)
	c.rect(66, 44, 168, 190, c.light)
	c.rect(74, 52, 152, 174, c.fade(c.deep, c.strong.towards(c.soft, 40), c.soft))
	c.circle(c.between(100, 200), c.between(80, 130), c.between(10, 20), c.light)
	c.area(c.dark, "M74 %dQ110 %d 150 %dT226 %dV226H74Z", c.between(180, 200), c.between(160, 190), c.between(180, 205), c.between(170, 200))
	c.stroke(c.light, 5, "M150 52V226M74 140H226")
	c.rect(56, 232, 188, 10, c.light)
	curtain := c.light.towards(wall, 22)
	c.add(`<g opacity=".93">`)
	c.area(curtain, "M50 32H%dQ%d 150 %d 268Q84 276 70 266T44 268Z", c.between(112, 130), c.between(112, 130), c.between(84, 106))
	if c.oneIn(2) {
		c.area(curtain, "M250 32H%dQ%d 150 %d 268Q216 276 230 266T256 268Z", c.between(176, 190), c.between(176, 190), c.between(196, 212))
	}
	c.add(`</g>`)
	c.stroke(c.light.towards(wall, 45), 1.5, "M70 36Q76 150 64 262M90 36Q94 150 80 266")
	c.stroke(wall.towards(c.dark, 60), 5, "M36 32H264")
}

// chair draws a chair in an empty room.
func chair(c *canvas) {
	wall, floor := c.soft, c.deep
	switch c.IntN(3) {
	case 0:
		wall, floor = c.strong, c.dark
	case 1:
		wall, floor = c.light, c.soft
	}
	c.ground(wall)
	c.rect(0, 212, 300, 90, floor)
	c.area(wall.towards(c.light, 45), "M%d 40l70-16v110l-70 22Z", c.between(20, 190)) // light from a window
	x := c.between(95, 150)
	c.area(floor.towards(c.dark, 40), "M%d 262L%d 276H300V262Z", x, x+70)
	c.place(func() {
		c.stroke(c.dark, 7, "M8 40V172M58 40V172M22 128L26 190M74 128L80 190")
		c.stroke(c.dark, 5, "M8 52H58M8 70H58M8 88H58M8 152H58")
		c.area(pick(c, c.strong, c.dark), "M2 112H62L84 132H20Z")
	}, "translate(%d 80)", x)
}

// arches draws a row of arches, each seen through the one in front of it.
func arches(c *canvas) {
	wall := pick(c, c.strong, c.soft, c.light, c.deep)
	c.ground(wall)
	inner := c.dark
	if wall == c.deep {
		inner = c.light
	}
	x, steps := c.between(120, 180), c.between(4, 6)
	for n := range steps {
		half := 112 - n*90/steps
		top := 148 - n*6
		c.area(wall.towards(inner, (n+1)*100/steps), "M%d 300V%dA%d %d 0 0 1 %d %dV300Z", x-half, top, half, half, x+half, top)
	}
	c.circle(x, 300-c.between(40, 90), c.between(9, 17), pick(c, c.soft, c.light).towards(c.strong, 20))
}

// horizon draws the horizon of the open sea, like a photo out of focus.
func horizon(c *canvas) {
	sky, water := []colour{c.soft, c.light}, []colour{c.strong.towards(c.soft, 40), c.deep}
	switch c.IntN(3) {
	case 0:
		sky, water = []colour{c.dark, c.deep, c.strong.towards(c.soft, 30)}, []colour{c.deep, c.dark}
	case 1:
		sky, water = []colour{c.strong, c.soft}, []colour{c.deep, c.dark}
	}
	y := c.between(130, 200)
	c.ground(c.fade(sky...))
	c.circle(c.between(40, 260), y-c.between(0, 40), c.between(60, 120), c.glow(c.light))
	c.rect(0, y, 300, 300-y, c.fade(water...))
	c.grain()
}
