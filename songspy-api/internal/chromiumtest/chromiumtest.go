// Package chromiumtest starts Chromium for tests.
package chromiumtest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// Start starts a browser. It returns the context of the browser's first tab, and a function
// that ends the browser. The context is nil if there is no Chromium.
func Start() (browser context.Context, end func()) {
	path := find()
	if path == "" {
		return nil, func() {}
	}
	dir, err := os.MkdirTemp("", "songspy-chromium-")
	if err != nil {
		panic(err)
	}
	o := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.UserDataDir(dir), chromedp.Flag("lang", "en-US")}
	for _, flag := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-dev-shm-usage", "hide-scrollbars",
	} {
		o = append(o, chromedp.Flag(flag, true))
	}
	allocated, release := chromedp.NewExecAllocator(context.Background(), o...)
	browser, leave := chromedp.NewContext(allocated)
	if err := chromedp.Do(browser); err != nil { // the browser lives as long as the context of its first action
		panic(err)
	}
	return browser, func() {
		leave()
		release()
		_ = os.RemoveAll(dir)
	}
}

// find returns the path of a Chromium, or an empty text. It prefers the one that
// SONGSPY_TEST_CHROMIUM names, and then the headless shell, which is the same browser without
// its windows and takes half the processor time.
func find() string {
	for _, name := range []string{os.Getenv("SONGSPY_TEST_CHROMIUM"), "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// Require skips the test if browser is nil, because there is no Chromium. The message of the
// skip contains notTested, which says what was not tested. In CI the test fails instead.
func Require(t testing.TB, browser context.Context, notTested string) { //nolint:revive // as chromedp has it
	t.Helper()
	if browser != nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("Chromium is missing, and CI must not skip this test: apt-get install chromium")
	}
	t.Skipf("NOT TESTED: %s. Chromium is missing: apt-get install chromium, or set SONGSPY_TEST_CHROMIUM", notTested)
}

// KeepPicture writes a screenshot of the whole page of a tab into the folder that the
// environment variable SONGSPY_ARTEFACTS names, for people to look at. Without the variable it
// does nothing.
func KeepPicture(t testing.TB, tab context.Context, name string) { //nolint:revive // as chromedp has it
	t.Helper()
	dir := os.Getenv("SONGSPY_ARTEFACTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.MkdirAll(dir, 0o750)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600)
	}
	if err != nil {
		t.Errorf("the picture %s: %v", name, err)
	}
}
