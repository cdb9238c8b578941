// Package singleinstance prevents two batches from using one SQLite file.
// Otherwise both would poll the same users. On Postgres, several batches divide
// the users instead; see package sharding.
package singleinstance

import (
	"fmt"
	"strings"

	"github.com/gofrs/flock"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Claim locks the SQLite file for this process with a lock file next to it. The
// operating system releases the lock when the process ends. The returned
// function release releases it earlier. For any other database Claim does
// nothing.
//
// The error has CodeConflict if another batch holds the lock, and
// CodeUnavailable if the lock file cannot be opened.
func Claim(databaseURL songspy.Secret) (release func() error, err error) {
	path, ok := strings.CutPrefix(databaseURL.Reveal(), "sqlite:")
	if !ok {
		return func() error { return nil }, nil
	}
	path = strings.TrimPrefix(path, "//") + ".batch.lock"
	lock := flock.New(path, flock.SetPermissions(0o600))
	switch held, err := lock.TryLock(); {
	case err != nil:
		return nil, &songspy.Error{
			Code:    songspy.CodeUnavailable,
			Message: fmt.Sprintf("The lock file %s cannot be opened. Check that its folder exists and that this user may write to it.", path),
			Err:     err,
		}
	case !held:
		return nil, &songspy.Error{
			Code: songspy.CodeConflict,
			Message: fmt.Sprintf("Another songspy-batch already runs on this SQLite database (it holds %s). Stop it first. "+
				"Use Postgres to run several batches.", path),
		}
	}
	return lock.Unlock, nil
}
