package main

import (
	"cmp"
	"slices"
	"time"

	"github.com/songspy/songspy/songspy-sim/sim"
)

// apart is how far the edges of a stored play may lie from those of a real one
// that it still tells of: a play that is first seen when it has stopped is dated
// by when that was.
const matchTolerance = pollInterval

// matched pairs a person's real plays with the stored ones.
type matchResult struct {
	// stored holds, for each real play, the number of the stored one; -1: none.
	stored []int
	// doubles tell of a real play that another tells of already; invented tell of none.
	duplicates, invented []int
}

// match pairs each real play with at most one stored play of the same track,
// the nearest first, start and end taken together.
func match(truth []sim.Play, plays []storedPlay) matchResult {
	type pair struct {
		truth, play int
		off         time.Duration
	}
	var pairs []pair
	tells := make([]bool, len(plays))
	for i, t := range truth {
		for j, p := range plays {
			if sameTrack(t.Track, p) && mayMatch(t, p) {
				pairs = append(pairs, pair{i, j, p.start.Sub(t.Start).Abs() + p.end.Sub(t.End).Abs()})
				tells[j] = true
			}
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(a.off, b.off) })
	m := matchResult{stored: slices.Repeat([]int{-1}, len(truth))}
	taken := make([]bool, len(plays))
	for _, p := range pairs {
		if m.stored[p.truth] < 0 && !taken[p.play] {
			m.stored[p.truth], taken[p.play] = p.play, true
		}
	}
	for j := range plays {
		switch {
		case taken[j]:
		case tells[j]:
			m.duplicates = append(m.duplicates, j)
		default:
			m.invented = append(m.invented, j)
		}
	}
	return m
}

// sameTrack reports whether a stored play names the track, under the uri that
// history has for it too.
func sameTrack(t sim.Track, p storedPlay) bool {
	return p.uri == t.URI || p.uri == t.HistoryURI || t.ISRC != "" && p.isrc == t.ISRC
}

// near reports whether a stored play may tell of a real one.
func mayMatch(t sim.Play, p storedPlay) bool {
	overlap := p.start.Before(t.End) && t.Start.Before(p.end)
	return overlap || p.start.Sub(t.Start).Abs() <= matchTolerance || p.end.Sub(t.End).Abs() <= matchTolerance
}
