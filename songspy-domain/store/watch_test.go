package store

import (
	"slices"
	"testing"
)

// WriteWatches and deleteWatchesOf must lock rows in one order, that of ORDER BY viewer, source,
// own, in which false comes before true. Otherwise they could deadlock.
func TestCompareWatches_OrdersByThePrimaryKey(t *testing.T) {
	want := []watchRow{
		{Viewer: []byte{1}, Source: "a"},
		{Viewer: []byte{1}, Source: "a", Own: true},
		{Viewer: []byte{1}, Source: "b"},
		{Viewer: []byte{2}, Source: "a"},
		{Viewer: []byte{2}, Source: "a", Own: true},
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, compareWatches)
	for i, row := range got {
		if compareWatches(row, want[i]) != 0 {
			t.Errorf("row %d is %v, want %v", i, row, want[i])
		}
	}
}
