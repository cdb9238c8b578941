package chore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// page is how many rows are sealed anew at once.
const page = 200

// Resealed is what became of a page of rows: see store.Resealed.
type Resealed struct {
	Last            songspy.UserID
	Seen            int
	By              map[string]int
	Anew, Overtaken int
	Broken          []songspy.UserID
}

// Sealed is one kind of thing that lies sealed.
type Sealed struct {
	// What names it, in the plural.
	What string
	// Remedy is what mends those that no key opens, other than the key.
	Remedy string
	Count  func(ctx context.Context) (int64, error)
	Reseal func(ctx context.Context, after songspy.UserID, limit int) (Resealed, error)
}

// Reseal seals everything with the primary key, and reports to out; what it
// does meanwhile is shown on err. It fails if something does not open.
func Reseal(ctx context.Context, all []Sealed, primary string, now func() time.Time, out, err io.Writer) error {
	var faults []error
	for _, s := range all {
		sum, fault := s.reseal(ctx, now, out, err)
		if fault != nil {
			return fault
		}
		faults = append(faults, sum.report(out, s, primary))
	}
	if fault := errors.Join(faults...); fault != nil {
		return fault
	}
	fmt.Fprintf(out, "Everything is sealed with %s now: once every service has it first in SONGSPY_SEAL_KEYS, the others may go.\n", primary)
	return nil
}

func (s Sealed) reseal(ctx context.Context, now func() time.Time, out, err io.Writer) (sum Resealed, fault error) {
	sum.By = map[string]int{}
	total, fault := s.Count(ctx)
	if fault != nil {
		return sum, fault
	}
	p := newProgress(err, "sealing "+s.What+" anew", s.What, total, now)
	for more := true; more; {
		r, fault := s.Reseal(ctx, sum.Last, page)
		if fault != nil {
			p.end()
			fmt.Fprintf(out, "Stopped after %d of %d %s; what was sealed anew stays so. Run it again to go on.\n", sum.Seen, total, s.What)
			return sum, fault
		}
		sum.Last, sum.Seen = r.Last, sum.Seen+r.Seen
		sum.Anew, sum.Overtaken = sum.Anew+r.Anew, sum.Overtaken+r.Overtaken
		sum.Broken = append(sum.Broken, r.Broken...)
		for key, n := range r.By {
			sum.By[key] += n
		}
		p.add(r.Seen)
		more = r.Seen == page
	}
	p.end()
	return sum, nil
}

func (r Resealed) report(out io.Writer, s Sealed, primary string) error {
	fmt.Fprintf(out, "%d %s. The key that sealed them before:\n", r.Seen, s.What)
	for _, key := range slices.Sorted(maps.Keys(r.By)) {
		fmt.Fprintf(out, "  %-32s %d\n", key, r.By[key])
	}
	fmt.Fprintf(out, "%d were sealed anew with %s; %d were replaced meanwhile.\n", r.Anew, primary, r.Overtaken)
	if len(r.Broken) == 0 {
		return nil
	}
	const shown = 20
	fmt.Fprintf(out, "%d %s do not open and were left as they are, of the users %v", len(r.Broken), s.What, r.Broken[:min(shown, len(r.Broken))])
	if len(r.Broken) > shown {
		fmt.Fprintf(out, " and others")
	}
	fmt.Fprintf(out, ".\nAdd the key that sealed them to SONGSPY_SEAL_KEYS, after the first; or %s.\n", s.Remedy)
	return &songspy.Error{Code: songspy.CodeInternal, Message: fmt.Sprintf("%d %s do not open.", len(r.Broken), s.What)}
}
