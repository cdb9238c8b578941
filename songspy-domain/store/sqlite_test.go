package store

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSQLite_AcceptsAnyFileNameAndCreatesItPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a name with %20, ü & more.db")
	s, err := Open(t.Context(), Options{URL: "sqlite:" + path, SealKeys: []SealKey{sealKey("a", 1)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{path, path + "-wal"} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has the mode %o", filepath.Base(file), mode)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
