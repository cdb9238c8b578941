package main

import (
	"cmp"
	"slices"
	"time"

	"github.com/songspy/songspy/songspy-sim/sim"
)

// matchTolerance is the largest distance between the starts, or between the ends, of a stored
// and a real play that match although they do not overlap. It is one poll interval: if the
// first poll of a play comes after its player stopped, the stored play has the time of that
// poll.
const matchTolerance = pollInterval

// matchResult pairs the real plays of a person with the stored ones.
type matchResult struct {
	// stored holds, for each real play, the index of its stored play, or -1 if there is none.
	stored []int
	// duplicates are stored plays of a real play that has another stored play already.
	// invented are stored plays without a real play.
	duplicates, invented []int
}

// match pairs each real play with at most one stored play of the same track. It takes the
// pairs with the same history item first. Then it takes the nearest pairs: those with the
// smallest sum of the distance of their starts and the distance of their ends.
func match(truth []sim.Play, plays []storedPlay) matchResult {
	type pair struct {
		truth, play int
		off         time.Duration
	}
	var pairs []pair
	hasMatch := make([]bool, len(plays))
	for i, t := range truth {
		for j, p := range plays {
			switch {
			case !sameTrack(t.Track, p):
				continue
			case sameItem(t, p):
				pairs = append(pairs, pair{i, j, -1})
			case mayMatch(t, p):
				pairs = append(pairs, pair{i, j, p.start.Sub(t.Start).Abs() + p.end.Sub(t.End).Abs()})
			default:
				continue
			}
			hasMatch[j] = true
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
		case hasMatch[j]:
			m.duplicates = append(m.duplicates, j)
		default:
			m.invented = append(m.invented, j)
		}
	}
	return m
}

// sameTrack reports whether a stored play is of the track. History may list the track by
// another URI.
func sameTrack(t sim.Track, p storedPlay) bool {
	return p.uri == t.URI || p.uri == t.HistoryURI || t.ISRC != "" && p.isrc == t.ISRC
}

// sameItem reports whether a stored play has the history item of a real play. History gives
// times in milliseconds. The stored time also has microseconds, which identify the track. So
// the times of one item may differ by up to two milliseconds.
func sameItem(t sim.Play, p storedPlay) bool {
	return !p.playedAt.IsZero() && p.playedAt.Sub(t.PlayedAt).Abs() <= 2*time.Millisecond
}

// mayMatch reports whether a stored play is close enough to a real play to be that play.
func mayMatch(t sim.Play, p storedPlay) bool {
	overlap := p.start.Before(t.End) && t.Start.Before(p.end)
	return overlap || p.start.Sub(t.Start).Abs() <= matchTolerance || p.end.Sub(t.End).Abs() <= matchTolerance
}
