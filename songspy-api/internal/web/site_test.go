package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// get reads the path from the test's server. It reports an error if the status is not 200, or if
// the media type is not contentType.
func (s *pageTest) get(path, contentType string) []byte {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if got := answer.Header.Get("Content-Type"); err != nil || answer.StatusCode != http.StatusOK || got != contentType {
		s.t.Errorf("%s: %d %q, want %q, error %v", path, answer.StatusCode, got, contentType, err)
	}
	return body
}

// getIcon reads a PNG, and reports an error if it is not an opaque square with sides of size pixels.
// Operating systems cut an icon to a shape of their own, and show black where it is transparent.
func (s *pageTest) getIcon(path string, size int) {
	s.t.Helper()
	icon, err := png.Decode(bytes.NewReader(s.get(path, "image/png")))
	if err != nil {
		s.t.Errorf("%s: %v", path, err)
		return
	}
	filled, ok := icon.(interface{ Opaque() bool })
	if icon.Bounds() != image.Rect(0, 0, size, size) || !ok || !filled.Opaque() {
		s.t.Errorf("%s is %v, want %d px, and is filled: %t", path, icon.Bounds(), size, ok && filled.Opaque())
	}
}

func TestManifest_NamesTheAppAndItsIcons(t *testing.T) {
	s := newPageTest(t)
	page := string(s.get("/welcome", "text/html; charset=utf-8"))
	if !strings.Contains(page, `<link rel="manifest" href="/manifest.webmanifest">`) {
		t.Error("the page links no manifest")
	}
	var manifest struct {
		Name, ShortName, Display, Scope string
		StartURL                        string `json:"start_url"`
		Icons                           []struct{ Src, Sizes, Type, Purpose string }
	}
	if err := json.Unmarshal(s.get("/manifest.webmanifest", "application/manifest+json"), &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.Name != "Songspy" || manifest.StartURL != "/" || manifest.Scope != "/" || manifest.Display != "standalone" {
		t.Errorf("the manifest is %+v", manifest)
	}
	var found []string
	for _, icon := range manifest.Icons {
		side, _, _ := strings.Cut(icon.Sizes, "x")
		size, err := strconv.Atoi(side)
		if err != nil || icon.Sizes != side+"x"+side || icon.Type != "image/png" {
			t.Errorf("the icon %+v has no size, or is no PNG", icon)
		}
		s.getIcon(icon.Src, size)
		for purpose := range strings.FieldsSeq(icon.Purpose) {
			found = append(found, side+" "+purpose)
		}
	}
	slices.Sort(found)
	if want := []string{"192 any", "192 maskable", "512 any", "512 maskable"}; !slices.Equal(found, want) {
		t.Errorf("the icons are %v, want %v", found, want)
	}
	for rel, read := range map[string]func(string){
		"apple-touch-icon": func(path string) { s.getIcon(path, 192) },
		"icon":             func(path string) { s.get(path, "image/svg+xml") },
	} {
		link := regexp.MustCompile(`<link rel="` + rel + `" href="([^"]+)"`).FindStringSubmatch(page)
		if link == nil {
			t.Errorf("the page has no %s", rel)
			continue
		}
		read(link[1])
	}
}

// notesViolations is a script that lists in the variable "violations" what the Content-Security-Policy
// has refused: the directive and the address.
const notesViolations = `window.violations = []; document.addEventListener("securitypolicyviolation", (event) => violations.push(event.effectiveDirective + " " + event.blockedURI));`

// checkTrustedTypes reports an error if scripts of the page can write HTML, or can create a Trusted
// Types policy that lets them.
func (s *pageTest) checkTrustedTypes(tab context.Context, page string) {
	s.t.Helper()
	for script, want := range map[string]string{
		`document.createElement("p").innerHTML = "x"`:                          "require-trusted-types-for trusted-types-sink",
		`trustedTypes.createPolicy("another", {})`:                             "trusted-types trusted-types-policy",
		`trustedTypes.createPolicy("songspy", { createHTML: (text) => text })`: "trusted-types trusted-types-policy", // js/router.js has created it
	} {
		s.expect(tab, page+": "+script, `(() => { violations.length = 0; try { `+script+`; } catch (error) { return error.name; } return "no error"; })()`, "TypeError")
		s.waitFor(tab, `violations.join() === "`+want+`"`)
	}
	evaluate[any](s, tab, `violations.length = 0`)
}

func TestPolicy_RefusesImagesInAddressesAndNothingOfThePages(t *testing.T) {
	s, paths := newEverywhere(t, nil)
	covers := s.url + "/cover" // the covers stay at 127.0.0.1, while the pages are at another host, localhost
	s.url = strings.Replace(s.url, "127.0.0.1", "localhost", 1)
	tab := s.openPage("/privacy", 1280, 800, notesViolations)
	var mu sync.Mutex
	var asked []string
	if err := chromedp.Listen(tab, func(event any) {
		if sent, ok := event.(*network.EventRequestWillBeSent); ok {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, sent.Request.URL)
		}
	}); err != nil {
		t.Fatal(err)
	}
	call(s, tab, network.Enable, network.EnableParams{})
	for _, viewer := range []songspy.UserID{1, 0} {
		s.feed.viewer = viewer
		for _, path := range paths {
			s.navigate(tab, path)
			s.waitFor(tab, isRead)
			s.expectTexts(tab, path, nil, []string{"Try again", "Something is wrong with this page."})
			s.expect(tab, path+": violations of the policy", `violations.join()`, "")
			s.checkTrustedTypes(tab, path)
			mu.Lock()
			own := slices.ContainsFunc(asked, func(address string) bool { return strings.HasPrefix(address, s.url+"/assets/") })
			hasCover := slices.Contains(asked, covers)
			asked = slices.DeleteFunc(asked, func(address string) bool { return strings.HasPrefix(address, s.url+"/") || address == covers })
			if len(asked) > 0 || !own || hasCover != (path == "/" || strings.HasPrefix(path, "/u/") || strings.HasPrefix(path, "/t/")) {
				t.Errorf("%s: requests of the page's own files: %t, of a cover: %t, to others: %q", path, own, hasCover, asked)
			}
			asked = nil
			mu.Unlock()
		}
	}
	evaluate[any](s, tab, `document.querySelector("main").append(Object.assign(new Image(), { src: "data:image/gif;base64,R0lGODlhAQABAAAAACw=" }))`)
	s.waitFor(tab, `violations.join() === "img-src data"`)
}
