// Package npmtest installs packages of npm for tests.
package npmtest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Install copies the JSON, MJS and TypeScript files of a folder, installs the locked packages in
// the copy by "npm ci", and returns the path of the copy. If Node.js is missing or the packages
// cannot be installed, the test is skipped; in CI (if the variable CI is set), it fails. The
// argument notTested is the part of the message that says what was not tested.
func Install(t *testing.T, folder, notTested string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, pattern := range []string{"*.json", "*.mjs", "*.ts"} {
		names, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			file, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), file, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, "npm", "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("npm cannot install the packages of %s: %v, and CI must not skip this test\n%s", folder, err, out)
		}
		t.Skipf("NOT TESTED: %s. npm (Node.js 20 or later) cannot install the packages of %s: %v\n%s", notTested, folder, err, out)
	}
	return dir
}
