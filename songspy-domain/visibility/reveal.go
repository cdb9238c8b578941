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

// Seen is a value that its viewer may see. Only Reveal makes one. Printing or logging a
// Seen shows a mask, and marshalling it to JSON fails, so that no value reaches an answer
// by accident: answers are built from Value.
type Seen[T any] struct {
	_ [0]*T
	v unsafe.Pointer // to a T; it is not a *T, because fmt can print the target of a *T in a private field
}

// Reveal returns *v as a Seen if the viewer may see this value at the given time. The
// value belongs to the user with the ID owner. The rule r is that of the owner, and th
// describes what the value is. The Seen refers to *v and does not copy it. If the viewer
// may not see the value, or v is nil, the Seen is empty and the second result is false.
func Reveal[T any](v *T, owner songspy.UserID, r Rule, th Thing, by Viewer, at time.Time) (s Seen[T], ok bool) {
	if v == nil || !maySee(owner, &r, &th, &by, at) {
		return Seen[T]{}, false
	}
	return Seen[T]{v: unsafe.Pointer(v)}, true
}

// VisibleFrom returns the first time, not before the given time, when the viewer may see
// the owner's thing if no data changes. It returns the given time itself if the thing is
// visible then, and the zero time if the passing of time alone does not reveal the thing.
// The passing of time alone never hides a thing again.
func VisibleFrom(owner songspy.UserID, r Rule, th Thing, by Viewer, at time.Time) time.Time {
	for !maySee(owner, &r, &th, &by, at) {
		if at = nextChange(&r, &th, at); at.IsZero() {
			break
		}
	}
	return at
}

// NextChange returns the first time after the given time when the set of viewers who may
// see the thing may change although no data changes. It returns the zero time if there is
// no such time. The rule r is that of the thing's owner.
func NextChange(r Rule, th Thing, at time.Time) time.Time { return nextChange(&r, &th, at) }

// nextChange returns the first time after the given time when the function required may
// return another relation although the rule stays the same. It returns the zero time if
// there is no such time.
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

// HistorySince returns a lower bound for the starts of the owner's plays that the viewer
// may see at the given time. So older plays need not be read. The result is the start of
// the oldest sharing period in which a play could be visible to the viewer. If the owner
// was hidden until some time in that period, the result is that time. HistorySince returns
// the given time if there is no such period, and the zero time if the viewer is the owner.
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
		// Test whether the viewer may see the play of this period that is easiest to see:
		// it has no length, and no setting hides its track. Only the settings of this
		// period and the present ones count, without their minimum lengths.
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

// Value returns the revealed value. It panics if s is empty, that is, if Reveal returned
// false.
func (s Seen[T]) Value() T {
	if s.v == nil {
		panic("visibility: the value of an empty Seen; use what Reveal returned with ok")
	}
	return *(*T)(s.v)
}

// mask is printed and logged instead of a value.
const mask = "[seen]"

// String returns the mask.
func (Seen[T]) String() string { return mask }

// GoString returns the mask for the verb %#v.
func (Seen[T]) GoString() string { return mask }

// Format writes the mask for every verb except %T and %p.
func (Seen[T]) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) }

// LogValue returns the mask for structured logs.
func (Seen[T]) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalJSON always returns an error, so that no answer contains a Seen.
func (Seen[T]) MarshalJSON() ([]byte, error) {
	return nil, errors.New("visibility: a Seen does not marshal; build the answer from its Value")
}
