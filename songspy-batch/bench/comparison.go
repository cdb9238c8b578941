package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// flat is how much more a look at the most listeners may cost than one at the fewest.
const maxGrowth = 1.3

// cost is what one look takes among so many listeners, in microseconds of
// processor time, and what a listener takes of the batch's memory, in bytes.
type cost struct {
	People         int     `json:"people"`
	BatchMicros    float64 `json:"batchCpuMicros"`
	PostgresMicros float64 `json:"postgresCpuMicros"`
	PeakRSSBytes   uint64  `json:"batchPeakRssBytes"`
}

// comparison holds what a look costs by the number of listeners.
type comparison []cost

func (c *comparison) add(r *report) {
	*c = append(*c, cost{r.People, r.BatchMicros, r.PostgresMicros, r.PeakRSSBytes})
	slices.SortStableFunc(*c, func(a, b cost) int { return cmp.Compare(a.People, b.People) })
}

// growth is how many times the cost at the fewest listeners that at the most is.
func (c comparison) growth() float64 {
	least, most := c[0], c[len(c)-1]
	return (most.BatchMicros + most.PostgresMicros) / (least.BatchMicros + least.PostgresMicros)
}

// judge lists the bounds that were missed.
func (c comparison) checkBounds() []string {
	if g := c.growth(); g > maxGrowth {
		return []string{fmt.Sprintf("a look among the most listeners costs %.2f times one among the fewest; at most %.1f is wanted", g, maxGrowth)}
	}
	return nil
}

// write prints a table for people and, last, one line of JSON.
func (c comparison) write(to io.Writer) error {
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "listeners\tbatch µs a look\tPostgres µs a look\tbatch's peak RSS MiB\t")
	for _, k := range c {
		fmt.Fprintf(t, "%d\t%.1f\t%.1f\t%d\t\n", k.People, k.BatchMicros, k.PostgresMicros, k.PeakRSSBytes>>20)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(to, "growth of the cost of a look  %.2f\n", c.growth()); err != nil {
		return err
	}
	return json.NewEncoder(to).Encode(map[string]any{"bench": "sweeps", "costs": c, "growth": c.growth()})
}
