// Package alone keeps two batches off one SQLite file: both would ask Spotify
// about the same people. On Postgres replicas share the listeners instead.
package singleinstance

import (
	"fmt"
	"strings"

	"github.com/gofrs/flock"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Claim makes this process the only batch of the database. The operating
// system ends the claim with the process, however that ends; release ends it
// sooner. A database that is not a SQLite file needs no claim.
//
// It returns CodeConflict if another batch runs on the file.
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
			Message: fmt.Sprintf("The lock file %s cannot be opened; check that its folder exists and that this user may write there.", path),
			Err:     err,
		}
	case !held:
		return nil, &songspy.Error{
			Code: songspy.CodeConflict,
			Message: fmt.Sprintf("Another songspy-batch already runs on this SQLite database (it holds %s); end it first. "+
				"Several batches need Postgres.", path),
		}
	}
	return lock.Unlock, nil
}
