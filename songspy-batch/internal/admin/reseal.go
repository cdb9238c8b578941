package admin

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
const resealPageSize = 200

// Resealed is what became of a page of rows: see store.Resealed.
type ResealResult struct {
	LastUserID         songspy.UserID
	Processed          int
	ByKey              map[string]int
	Resealed, Replaced int
	Undecryptable      []songspy.UserID
}

// Sealed is one kind of thing that lies sealed.
type SealedKind struct {
	// What names it, in the plural.
	Name string
	// Remedy is what mends those that no key opens, other than the key.
	Remedy string
	Count  func(ctx context.Context) (int64, error)
	Reseal func(ctx context.Context, after songspy.UserID, limit int) (ResealResult, error)
}

// Reseal seals everything with the primary key, and reports to out; what it
// does meanwhile is shown on err. It fails if something does not open.
func Reseal(ctx context.Context, all []SealedKind, primary string, now func() time.Time, out, err io.Writer) error {
	var faults []error
	for _, s := range all {
		sum, cause := s.reseal(ctx, now, out, err)
		if cause != nil {
			return cause
		}
		faults = append(faults, sum.writeReport(out, s, primary))
	}
	if cause := errors.Join(faults...); cause != nil {
		return cause
	}
	fmt.Fprintf(out, "Everything is sealed with %s now: once every service has it first in SONGSPY_SEAL_KEYS, the others may go.\n", primary)
	return nil
}

func (s SealedKind) reseal(ctx context.Context, now func() time.Time, out, err io.Writer) (sum ResealResult, cause error) {
	sum.ByKey = map[string]int{}
	total, cause := s.Count(ctx)
	if cause != nil {
		return sum, cause
	}
	p := newProgress(err, "sealing "+s.Name+" anew", s.Name, total, now)
	for more := true; more; {
		r, cause := s.Reseal(ctx, sum.LastUserID, resealPageSize)
		if cause != nil {
			p.finish()
			fmt.Fprintf(out, "Stopped after %d of %d %s; what was sealed anew stays so. Run it again to go on.\n", sum.Processed, total, s.Name)
			return sum, cause
		}
		sum.LastUserID, sum.Processed = r.LastUserID, sum.Processed+r.Processed
		sum.Resealed, sum.Replaced = sum.Resealed+r.Resealed, sum.Replaced+r.Replaced
		sum.Undecryptable = append(sum.Undecryptable, r.Undecryptable...)
		for key, n := range r.ByKey {
			sum.ByKey[key] += n
		}
		p.add(r.Processed)
		more = r.Processed == resealPageSize
	}
	p.finish()
	return sum, nil
}

func (r ResealResult) writeReport(out io.Writer, s SealedKind, primary string) error {
	fmt.Fprintf(out, "%d %s. The key that sealed them before:\n", r.Processed, s.Name)
	for _, key := range slices.Sorted(maps.Keys(r.ByKey)) {
		fmt.Fprintf(out, "  %-32s %d\n", key, r.ByKey[key])
	}
	fmt.Fprintf(out, "%d were sealed anew with %s; %d were replaced meanwhile.\n", r.Resealed, primary, r.Replaced)
	if len(r.Undecryptable) == 0 {
		return nil
	}
	const shown = 20
	fmt.Fprintf(out, "%d %s do not open and were left as they are, of the users %v", len(r.Undecryptable), s.Name, r.Undecryptable[:min(shown, len(r.Undecryptable))])
	if len(r.Undecryptable) > shown {
		fmt.Fprintf(out, " and others")
	}
	fmt.Fprintf(out, ".\nAdd the key that sealed them to SONGSPY_SEAL_KEYS, after the first; or %s.\n", s.Remedy)
	return &songspy.Error{Code: songspy.CodeInternal, Message: fmt.Sprintf("%d %s do not open.", len(r.Undecryptable), s.Name)}
}
