package visibility

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"
	"unsafe"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Seen is a value that its viewer may see. Only Reveal makes one. It does not
// print, and it does not marshal: answers are built from Value.
type Seen[T any] struct {
	_ [0]*T
	v unsafe.Pointer // to a T; fmt prints what a *T in a private field points to
}

// Reveal returns the value as Seen if the viewer may see that thing of owner at
// that time. r is the rule of owner, and th describes the value. The Seen refers
// to *v and does not copy it. ok is false, and the Seen is empty, if the viewer
// may not see it or v is nil.
func Reveal[T any](v *T, owner songspy.UserID, r Rule, th Thing, by Viewer, at time.Time) (s Seen[T], ok bool) {
	if v == nil || !maySee(owner, &r, &th, &by, at) {
		return Seen[T]{}, false
	}
	return Seen[T]{v: unsafe.Pointer(v)}, true
}

// VisibleFrom returns the first time from at on at which the viewer may see the
// thing, if no data changes: at itself if it is visible already, and the zero
// time if time alone does not reveal it. Time alone never hides anything.
func VisibleFrom(owner songspy.UserID, r Rule, th Thing, by Viewer, at time.Time) time.Time {
	for !maySee(owner, &r, &th, &by, at) {
		if at = nextChange(&r, &th, at); at.IsZero() {
			break
		}
	}
	return at
}

// NextChange returns the first time after at when time alone may change which viewers
// see the thing; the zero time if there is none. r is the rule of its owner.
func NextChange(r Rule, th Thing, at time.Time) time.Time { return nextChange(&r, &th, at) }

// nextChange returns the first time after the given one when required may give
// another answer although the rule stays the same; the zero time if there is none.
func nextChange(r *Rule, th *Thing, at time.Time) (next time.Time) {
	candidate := func(t time.Time) {
		if t.After(at) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for i := range r.Periods {
		p := &r.Periods[i]
		candidate(p.BeganAt)
		candidate(th.started.Add(time.Duration(p.MinSeconds) * time.Second))
		if p.HiddenUntil != nil {
			candidate(*p.HiddenUntil)
		}
	}
	for i := range r.Hidden {
		candidate(r.Hidden[i].BeganAt)
		if r.Hidden[i].EndedAt != nil {
			candidate(*r.Hidden[i].EndedAt)
		}
	}
	return next
}

// HistorySince returns a time before which the viewer sees no play of owner, so that plays
// before it need not be read. It is the start of the oldest sharing period in which the
// viewer could see a play. If owner was hidden until a time in that period, it is that time.
// It is at if there is no such period, and the zero time if the viewer is the owner.
func HistorySince(owner songspy.UserID, r Rule, by Viewer, at time.Time) time.Time {
	if by.relation(owner) == Owner {
		return time.Time{}
	}
	for i := range r.Periods {
		start, last := r.Periods[i].BeganAt, len(r.Periods)-1
		if until := r.Periods[i].HiddenUntil; until != nil && until.After(start) {
			start = *until
		}
		if i < last && !start.Before(r.Periods[i+1].BeganAt) {
			continue
		}
		// The shortest play in this period, of a track that no setting hides.
		alone := Rule{Owner: r.Owner, HiddenByOperator: r.HiddenByOperator, Periods: slices.Clone(r.Periods[i:])}
		if i < last {
			alone.Periods = append(alone.Periods[:1], alone.Periods[last-i])
		}
		for j := range alone.Periods {
			alone.Periods[j].MinSeconds = 0
		}
		th := Thing{kind: history, track: &songspy.Track{Kind: songspy.KindTrack}, started: start, ended: start, certain: true}
		if maySee(owner, &alone, &th, &by, at) {
			return start
		}
	}
	return at
}

// Value returns the value. It panics if nothing was revealed.
func (s Seen[T]) Value() T {
	if s.v == nil {
		panic("visibility: the value of an empty Seen; use what Reveal returned with ok")
	}
	return *(*T)(s.v)
}

const mask = "[seen]"

// String returns a mask.
func (Seen[T]) String() string { return mask }

// GoString returns a mask for %#v.
func (Seen[T]) GoString() string { return mask }

// Format writes a mask for every verb.
func (Seen[T]) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) }

// LogValue returns a mask for structured logs.
func (Seen[T]) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalJSON always fails.
func (Seen[T]) MarshalJSON() ([]byte, error) {
	return nil, errors.New("visibility: a Seen does not marshal; build the answer from its Value")
}
