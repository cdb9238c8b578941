package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ExposureWarnings returns warnings about files with secrets that every user of
// this machine can access. An exposed file that a variable NAME_FILE names never
// causes more than a warning, because its access mode is chosen outside Songspy,
// where the file is mounted into a container. An exposed file that Songspy itself
// creates is an error in production: see checkFiles.
func (s Service) ExposureWarnings(environ map[string]string) []string {
	var warnings []string
	for _, name := range slices.Sorted(maps.Keys(environ)) {
		variable, ok := strings.CutSuffix(name, "_FILE")
		if ok && strings.HasPrefix(name, "SONGSPY_") && environ[name] != "" && isExposed(environ[name]) {
			warnings = append(warnings, fmt.Sprintf("%s: every user of this machine can access the file that %s names; mount it with mode 0400", variable, name))
		}
	}
	for _, f := range s.createdFiles() {
		if isExposed(f.path) {
			warnings = append(warnings, f.message())
		}
	}
	return warnings
}

// checkFiles returns an error, in production, for files that Songspy created
// and that other users of this machine can access. In development it returns
// nil, so that only ExposureWarnings reports such files.
func (s Service) checkFiles() error {
	if s.IsDevelopment() {
		return nil
	}
	var faults []error
	for _, f := range s.createdFiles() {
		if isExposed(f.path) {
			faults = append(faults, errors.New(f.message()))
		}
	}
	return errors.Join(faults...)
}

// createdFile is a file that Songspy creates with access for its own user only,
// and the environment variable that determines the file's path.
type createdFile struct{ variable, path string }

func (f createdFile) message() string {
	return fmt.Sprintf("%s: every user of this machine can access %s; run chmod 600 %[2]s", f.variable, f.path)
}

func (s Service) createdFiles() []createdFile {
	files := []createdFile{{"SONGSPY_STATE_DIR", filepath.Join(s.StateDir, keysFile)}}
	if path, ok := strings.CutPrefix(s.DatabaseURL.Reveal(), "sqlite:"); ok {
		path = strings.TrimPrefix(path, "//")
		for _, companion := range []string{"", "-wal", "-shm"} {
			files = append(files, createdFile{"SONGSPY_DATABASE_URL", path + companion})
		}
	}
	return files
}

// isExposed reports whether users outside the file's group can access it. A
// file that does not exist is not exposed.
func isExposed(path string) bool {
	const others = 0o007
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&others != 0
}
