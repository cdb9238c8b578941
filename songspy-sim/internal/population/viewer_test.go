package population

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestViewer_FollowsOthersAndVisitsSixTimesADay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed, people := rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, 60).Draw(t, "people")
		person := rapid.IntRange(0, people-1).Draw(t, "person")
		v := NewViewer(seed, people, person)
		if !slices.IsSorted(v.Follows) || len(slices.Compact(slices.Clone(v.Follows))) != min(followedMax, people-1) || slices.Contains(v.Follows, person) {
			t.Fatalf("person %d of %d follows %d", person, people, v.Follows)
		}
		from := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
		first := take(v, from, 4*visitsPerDay)
		for i, at := range first {
			if day := int(at.Sub(from) / (24 * time.Hour)); day != i/visitsPerDay {
				t.Fatalf("visit %d is on day %d: %v", i, day, at)
			}
			if i%visitsPerDay > 0 && at.Sub(first[i-1]) < VisitLength+betweenVisits {
				t.Fatalf("visit %d begins at %v, and the one before at %v", i, at, first[i-1])
			}
		}
		later := from.Add(time.Duration(rapid.Int64Range(0, int64(24*time.Hour)-1).Draw(t, "later")))
		want := first[slices.IndexFunc(append(first, later), func(at time.Time) bool { return !at.Before(later) }):]
		if got := take(NewViewer(seed, people, person), later, len(want)); !slices.Equal(got, want) {
			t.Fatalf("from %v the visits begin at %v, want %v", later, got, want)
		}
	})
}

func take(v Viewer, from time.Time, n int) (visits []time.Time) {
	for at := range v.Visits(from) {
		if len(visits) == n {
			break
		}
		visits = append(visits, at)
	}
	return visits
}

func TestViewer_VisitsMostlyInTheKoreanEvening(t *testing.T) {
	evening, all := 0, 0
	for person := range 300 {
		for _, at := range take(NewViewer(1, 300, person), time.Unix(0, 0).UTC(), 5*visitsPerDay) {
			all++
			if hour := (at.Hour() + 9) % 24; hour >= 18 { // UTC+9
				evening++
			}
		}
	}
	// The weights of these six hours in visitHours add up to 30, and those of the other hours to 29.9.
	if share := float64(evening) / float64(all); share < 0.48 || share > 0.54 {
		t.Errorf("%.2f of the visits are from 18 to 24 hours, want about 0.51", share)
	}
}
