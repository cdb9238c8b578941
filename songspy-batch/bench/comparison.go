package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// maxGrowth is the largest accepted growth: the cost of a poll with the largest
// number of users, divided by the cost with the smallest.
const maxGrowth = 1.3

// cost is the processor time of one poll, in microseconds, and the batch's peak memory, for
// one number of users.
type cost struct {
	People         int     `json:"users"`
	BatchMicros    float64 `json:"batchCpuMicros"`
	PostgresMicros float64 `json:"postgresCpuMicros"`
	PeakRSSBytes   uint64  `json:"batchPeakRssBytes"`
}

// comparison holds the costs, sorted by the number of users.
type comparison []cost

func (c *comparison) add(r *report) {
	*c = append(*c, cost{r.People, r.BatchMicros, r.PostgresMicros, r.PeakRSSBytes})
	slices.SortStableFunc(*c, func(a, b cost) int { return cmp.Compare(a.People, b.People) })
}

// growth returns the cost of a poll at the largest number of users, divided by
// the cost of a poll at the smallest.
func (c comparison) growth() float64 {
	smallest, largest := c[0], c[len(c)-1]
	return (largest.BatchMicros + largest.PostgresMicros) / (smallest.BatchMicros + smallest.PostgresMicros)
}

// checkBounds returns a text if the bound on the growth is missed.
func (c comparison) checkBounds() []string {
	if g := c.growth(); g > maxGrowth {
		return []string{fmt.Sprintf("a poll at the largest number of users costs %.2f times that at the smallest; the bound is at most %.1f", g, maxGrowth)}
	}
	return nil
}

// write prints a table and, last, one line of JSON.
func (c comparison) write(to io.Writer) error {
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "users\tbatch µs per poll\tPostgres µs per poll\tbatch's peak RSS MiB\t")
	for _, k := range c {
		fmt.Fprintf(t, "%d\t%.1f\t%.1f\t%d\t\n", k.People, k.BatchMicros, k.PostgresMicros, k.PeakRSSBytes>>20)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(to, "growth of the cost of a poll  %.2f\n", c.growth()); err != nil {
		return err
	}
	return json.NewEncoder(to).Encode(map[string]any{"bench": "polls by users", "costs": c, "growth": c.growth()})
}
