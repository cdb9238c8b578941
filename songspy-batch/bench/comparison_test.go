package main

import (
	"io"
	"slices"
	"strings"
	"testing"
)

func TestACostThatGrowsWithTheUsersMissesItsBound(t *testing.T) {
	for most, missed := range map[float64]int{12: 0, 14: 1} {
		var c comparison
		c.add(&report{People: 1000, BatchMicros: most - 2, PostgresMicros: 2})
		c.add(&report{People: 10, BatchMicros: 9, PostgresMicros: 1})
		if got := c.checkBounds(); len(got) != missed {
			t.Errorf("growth from 10 µs to %.0f µs: bounds %v are missed", most, got)
		}
		var out strings.Builder
		if err := c.write(&out); err != nil || !strings.Contains(out.String(), "growth") {
			t.Errorf("write returned %v and printed %s", err, out.String())
		}
	}
}

func TestSeveralSizesAreComparedAtTheProductionInterval(t *testing.T) {
	o, err := readOptions([]string{"-people", "10000, 100000,1000000"}, io.Discard)
	if err != nil || !slices.Equal(o.sizes, []int{10_000, 100_000, 1_000_000}) || o.interval != productionInterval {
		t.Errorf("options %+v, error %v", o, err)
	}
	if o, err := readOptions(nil, io.Discard); err != nil || !slices.Equal(o.sizes, []int{100_000}) || o.interval != 0 {
		t.Errorf("options %+v, error %v", o, err)
	}
	for interval, accepted := range map[string]bool{"59s": false, "1m": true} {
		if _, err := readOptions([]string{"-interval", interval}, io.Discard); (err == nil) != accepted {
			t.Errorf("-interval %s: error %v", interval, err)
		}
	}
	if o, err := readOptions([]string{"-interval=8s", "-bounds=false"}, io.Discard); err != nil || o.bounds || o.interval != minIntervalUnjudged {
		t.Errorf("options %+v, error %v", o, err)
	}
	for _, invalid := range []string{"", "ten", "10000,", "99"} {
		if _, err := readOptions([]string{"-people", invalid}, io.Discard); err == nil {
			t.Errorf("-people %q is accepted", invalid)
		}
	}
}
