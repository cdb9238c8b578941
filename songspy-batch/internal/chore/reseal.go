package chore

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// page is how many links are sealed anew at once.
const page = 200

// Resealed is what became of a page of links: see store.Resealed.
type Resealed struct {
	Last            songspy.UserID
	Seen            int
	By              map[string]int
	Anew, Overtaken int
	Broken          []songspy.UserID
}

// Links are where tokens lie sealed.
type Links interface {
	LinkCount(ctx context.Context) (int64, error)
	Reseal(ctx context.Context, after songspy.UserID, limit int) (Resealed, error)
}

// Reseal seals every link's tokens with the primary key, and reports to out;
// what it does meanwhile is shown on err. It fails if some tokens do not open.
func Reseal(ctx context.Context, links Links, primary string, now func() time.Time, out, err io.Writer) error {
	total, fault := links.LinkCount(ctx)
	if fault != nil {
		return fault
	}
	sum := Resealed{By: map[string]int{}}
	p := newProgress(err, "sealing tokens anew", "links", total, now)
	for more := true; more; {
		r, fault := links.Reseal(ctx, sum.Last, page)
		if fault != nil {
			p.end()
			fmt.Fprintf(out, "Stopped after %d of %d links; what was sealed anew stays so. Run it again to go on.\n", sum.Seen, total)
			return fault
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
	return sum.report(out, primary)
}

func (r Resealed) report(out io.Writer, primary string) error {
	fmt.Fprintf(out, "%d links. The key that sealed their tokens before:\n", r.Seen)
	for _, key := range slices.Sorted(maps.Keys(r.By)) {
		fmt.Fprintf(out, "  %-32s %d\n", key, r.By[key])
	}
	fmt.Fprintf(out, "%d were sealed anew with %s; %d were renewed meanwhile.\n", r.Anew, primary, r.Overtaken)
	if len(r.Broken) == 0 {
		fmt.Fprintf(out, "Every token is sealed with %s now: once every service has it first in SONGSPY_SEAL_KEYS, the others may go.\n", primary)
		return nil
	}
	const shown = 20
	fmt.Fprintf(out, "%d links do not open and were left as they are, of the users %v", len(r.Broken), r.Broken[:min(shown, len(r.Broken))])
	if len(r.Broken) > shown {
		fmt.Fprintf(out, " and others")
	}
	fmt.Fprintln(out, ".\nAdd the key that sealed them to SONGSPY_SEAL_KEYS, after the first; or ask these people to link Spotify again.")
	return &songspy.Error{Code: songspy.CodeInternal, Message: fmt.Sprintf("The tokens of %d links do not open.", len(r.Broken))}
}
