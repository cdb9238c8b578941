package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// claimDir creates a directory for a server. It uses the first of the user's numbered
// directories that no other running throwaway has locked. So a server that runs alone
// always has the same directory and the same URL. The tests read that URL from the
// environment, and Go reuses cached test results only while it stays the same. The function
// release deletes and unlocks the directory.
func claimDir() (dir string, release func() error, err error) {
	const most = 100
	var errs []error
	for n := range most {
		dir = filepath.Join(os.TempDir(), fmt.Sprintf("songspy-pg-%d-%d", os.Geteuid(), n))
		release, err := claim(dir)
		if err == nil {
			return dir, release, nil
		}
		errs = append(errs, err)
	}
	return "", nil, errors.Join(errs...)
}

// claim locks dir and creates it empty: it deletes files that an earlier process left
// there. It returns an error if another process has locked dir.
func claim(dir string) (release func() error, err error) {
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { //nolint:gosec // a descriptor is a small number
		return nil, errors.Join(fmt.Errorf("%s: %w", lock.Name(), err), lock.Close())
	}
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	// Do not delete the lock file. Otherwise one process could hold the lock of the deleted
	// file while another process creates and locks a new file of the same name.
	return func() error { return errors.Join(os.RemoveAll(dir), lock.Close()) }, nil
}
