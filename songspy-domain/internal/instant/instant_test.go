package instant_test

import (
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

func TestClamp_ReturnsNearestTimeWithinBounds(t *testing.T) {
	at := func(n int64) time.Time { return time.Unix(n, 0) }
	for name, c := range map[string]struct{ t, low, high, want int64 }{
		"before":          {1, 5, 9, 5},
		"within":          {7, 5, 9, 7},
		"after":           {11, 5, 9, 9},
		"crossing bounds": {1, 9, 5, 5},
	} {
		if got := instant.Clamp(at(c.t), at(c.low), at(c.high)); !got.Equal(at(c.want)) {
			t.Errorf("%s: got second %d, want %d", name, got.Unix(), c.want)
		}
	}
}
