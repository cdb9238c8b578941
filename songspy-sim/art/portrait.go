package art

import (
	"fmt"
	"image"
	"image/color"
)

// Portrait returns the portrait of a person as SVG: a head and shoulders. The identifier
// determines its shape and its colours.
func Portrait(id string) string {
	r := newRandom("portrait " + id)
	hue := r.IntN(360)
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100"><rect width="100" height="100" fill="hsl(%d 45%% 82%%)"/><circle cx="50" cy="%d" r="%d" fill="hsl(%d 50%% 42%%)"/><ellipse cx="50" cy="104" rx="%d" ry="38" fill="hsl(%d 50%% 42%%)"/></svg>`,
		hue, 38+r.IntN(5), 17+r.IntN(5), (hue+r.IntN(80))%360, 32+r.IntN(10), (hue+160)%360)
}

// portraitPixels returns the portrait of a person as a bitmap, the form in which Google
// serves pictures. It shows a head and shoulders.
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
