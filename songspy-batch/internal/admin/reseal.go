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

// resealPageSize is the number of rows that one call of SealedKind.Reseal
// handles.
const resealPageSize = 200

// SealedKind is one kind of encrypted data, such as the tokens of links.
type SealedKind struct {
	// Name is the name of the kind, in the plural, for messages.
	Name string
	// Remedy tells the operator what to do about rows that cannot be decrypted
	// because their key is lost.
	Remedy string
	// Count returns the number of rows.
	Count func(ctx context.Context) (int64, error)
	// Reseal encrypts up to limit rows again, with the first key of SONGSPY_SEAL_KEYS. It
	// takes the rows in the order of their users' ids, from the first user after the given
	// one on.
	Reseal func(ctx context.Context, after songspy.UserID, limit int) (songspy.ResealResult, error)
}

// Reseal encrypts all stored secrets with the first key, except those that the first
// key has already encrypted. The argument primary is the id of that key. Reseal shows its
// progress on the writer err and writes its report to the writer out. It returns an error if
// rows cannot be decrypted.
func Reseal(ctx context.Context, all []SealedKind, primary string, now func() time.Time, out, err io.Writer) error {
	var failures []error
	for _, s := range all {
		sum, cause := s.reseal(ctx, now, out, err)
		if cause != nil {
			return cause
		}
		failures = append(failures, s.writeReport(out, sum, primary))
	}
	if cause := errors.Join(failures...); cause != nil {
		return cause
	}
	fmt.Fprintf(out, "Everything is encrypted with %s now. Once every service has it first in SONGSPY_SEAL_KEYS, the other keys can be removed.\n", primary)
	return nil
}

func (s SealedKind) reseal(ctx context.Context, now func() time.Time, out, err io.Writer) (sum songspy.ResealResult, cause error) {
	sum.ByKey = map[string]int{}
	total, cause := s.Count(ctx)
	if cause != nil {
		return sum, cause
	}
	p := newProgress(err, "re-encrypting "+s.Name, s.Name, total, now)
	for more := true; more; {
		r, cause := s.Reseal(ctx, sum.LastUserID, resealPageSize)
		if cause != nil {
			p.finish()
			fmt.Fprintf(out, "Stopped after %d of %d %s, which stay re-encrypted. Run it again to continue.\n", sum.Processed, total, s.Name)
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

func (s SealedKind) writeReport(out io.Writer, r songspy.ResealResult, primary string) error {
	fmt.Fprintf(out, "%d %s, by the key that encrypted them before:\n", r.Processed, s.Name)
	for _, key := range slices.Sorted(maps.Keys(r.ByKey)) {
		fmt.Fprintf(out, "  %-32s %d\n", key, r.ByKey[key])
	}
	fmt.Fprintf(out, "%d were re-encrypted with %s; %d were replaced meanwhile.\n", r.Resealed, primary, r.Replaced)
	if len(r.Undecryptable) == 0 {
		return nil
	}
	const maxListed = 20
	fmt.Fprintf(out, "%d %s cannot be decrypted and were not changed, of the users %v", len(r.Undecryptable), s.Name, r.Undecryptable[:min(maxListed, len(r.Undecryptable))])
	if len(r.Undecryptable) > maxListed {
		fmt.Fprintf(out, " and others")
	}
	fmt.Fprintf(out, ".\nAdd the key that encrypted them to SONGSPY_SEAL_KEYS, after the first; or %s.\n", s.Remedy)
	return &songspy.Error{Code: songspy.CodeInternal, Message: fmt.Sprintf("%d %s cannot be decrypted.", len(r.Undecryptable), s.Name)}
}
