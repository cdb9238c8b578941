package population

import (
	"iter"
	"math/rand/v2"
	"slices"
	"time"
)

// The habits that all viewers have in common.
const (
	followedMax  = 15 // how many people a viewer follows, if there are that many others
	visitsPerDay = 6
	// VisitLength is how long a visit of the page takes.
	VisitLength = 3 * time.Minute
	// betweenVisits is the shortest time between the end of a visit and the start of the
	// person's next visit on the same day.
	betweenVisits = time.Minute
)

// visitHours is how likely a visit is at each hour of the day in UTC, relative to the other
// hours. About half of the visits are in the Korean evening, from 9 to 15 hours UTC.
var visitHours = [24]float64{2, 2, 3, 4, 3, 2, 2, 2, 3, 4, 5, 5, 6, 6, 4, 2, 1, 0.3, 0.1, 0.1, 0.1, 0.3, 1, 2}

// Viewer holds the habits of a person as a viewer: the followed people, and the times at
// which the person visits the page.
type Viewer struct {
	Follows []int // at most 15 people, sorted
	visits  rand.PCG
}

// NewViewer returns the habits of a person as a viewer. The person follows up to 15 others
// of the people with the numbers 0 to people−1, chosen at random. The result depends only
// on the arguments.
func NewViewer(seed uint64, people, person int) Viewer {
	source := rand.NewPCG(seed, uint64(person))
	v := Viewer{}
	for _, other := range rand.New(source).Perm(people) {
		if other != person && len(v.Follows) < followedMax {
			v.Follows = append(v.Follows, other)
		}
	}
	slices.Sort(v.Follows)
	v.visits = *source
	return v
}

// Visits returns an endless sequence of the times at which the person's visits begin, in
// order. The first visit does not begin before the given time. The times of day of the
// visits depend only on the Viewer and on the number of days since the day (in UTC) of the
// given time.
func (v Viewer) Visits(from time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		source := v.visits
		r := rand.New(&source)
		const length = 24 * time.Hour
		for day := from.Truncate(length); ; day = day.Add(length) {
			for _, at := range visitsOfDay(r) {
				if start := day.Add(at); !start.Before(from) && !yield(start) {
					return
				}
			}
		}
	}
}

// visitsOfDay returns the times of day at which the visits of one day begin, in order. At
// least betweenVisits passes between two visits.
func visitsOfDay(r *rand.Rand) (times []time.Duration) {
	sum := 0.0
	for _, weight := range visitHours {
		sum += weight
	}
	for len(times) < visitsPerDay {
		at, hour := r.Float64()*sum, 0
		for ; at >= visitHours[hour]; hour++ {
			at -= visitHours[hour]
		}
		start := time.Duration((float64(hour) + at/visitHours[hour]) * float64(time.Hour))
		if !slices.ContainsFunc(times, func(other time.Duration) bool { return (other - start).Abs() < VisitLength+betweenVisits }) {
			times = append(times, start)
		}
	}
	slices.Sort(times)
	return times
}
