package journey

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-api/internal/npmtest"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// firefox returns the path of an installed Firefox, or an empty text if there is none.
func firefox() string {
	for _, name := range []string{os.Getenv("SONGSPY_TEST_FIREFOX"), "firefox-esr", "firefox"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// The page must also work in Firefox: a user signs up, is seen by a stranger, hides, and
// erases the account. journey.test.mjs has the steps and the checks.
func TestPage_InFirefox(t *testing.T) {
	onlyInTestPage(t)
	path := firefox()
	if path == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("Firefox is missing, and CI must not skip this test: apt-get install firefox-esr")
		}
		t.Skip("NOT RUN: the page in Firefox. Firefox is missing: apt-get install firefox-esr, or set SONGSPY_TEST_FIREFOX")
	}
	axe := npmtest.Install(t, "axe", "the accessibility of the page in Firefox")
	dir := npmtest.Install(t, "firefox", "the page in Firefox")
	w := newPageSystem(t, sim.Options{Seed: 7, People: 2})
	w.sim.Script(0, songsInARow(w.sim, 100, 200, 15*time.Second))
	w.start("songspy-api")
	w.start("songspy-batch")
	journey := exec.CommandContext(t.Context(), "node", "--test", "journey.test.mjs")
	journey.Dir = dir
	journey.Env = append(os.Environ(), "HOME="+t.TempDir(), "SONGSPY_URL="+w.api, "SONGSPY_TEST_FIREFOX="+path, "AXE="+filepath.Join(axe, "node_modules", "axe-core", "axe.min.js"))
	out, err := journey.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}
