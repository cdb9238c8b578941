package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// previewTags matches the tags of a page that other services read to show a preview of a link.
var previewTags = regexp.MustCompile(`<meta (?:property="og:|name="(?:twitter:|description))[^>]*>|<title>[^<]*</title>`)

// preview returns the tags of the page that a service reads to show a preview of a link.
func (w *testAPI) preview(t *testing.T, path, language string) string {
	t.Helper()
	a := w.Call("GET", path, nil, "Accept-Language", language)
	w.wantStatus(t, a, 200, "")
	return strings.Join(previewTags.FindAllString(string(a.Body), -1), "\n")
}

func TestDetails_ALinkPreviewNamesUsersWhoShareWithEveryoneAndNeverATrack(t *testing.T) {
	w, ann, bob, _ := newPeople(t)
	for user, name := range map[*signedIn]string{&ann: "Ann the first", &bob: "Bob"} {
		w.wantStatus(t, w.Call("POST", fmt.Sprint(prefix, "/users/", user.ID, "/edit"), map[string]any{"nickName": name}, user.bearer()...), 200, "")
	}
	w.play(t, ann, "A song")
	for _, path := range []string{"/", "/u/" + ann.handle(), "/t/00000000001"} {
		for language, want := range map[string]string{"en": "en_US", "ko": "ko_KR"} {
			tags := w.preview(t, path, language)
			if strings.Contains(tags, "A song") || !strings.Contains(tags, `"og:locale" content="`+want) || !strings.Contains(tags, `"og:image" content="`+publicURL+"/assets/") {
				t.Errorf("the preview of %s in %s is\n%s", path, language, tags)
			}
			if named := strings.Contains(tags, "Ann the first"); named != (path == "/u/"+ann.handle()) {
				t.Errorf("the preview of %s in %s names Ann: %t", path, language, named)
			}
		}
	}
	// unlike reports whether the page of Bob differs from that of an unknown user, for a viewer
	// who is not signed in. It ignores the handle (public id) in the address, which each page
	// repeats, and the time.
	unlike := func() bool {
		known := w.Call("GET", "/u/"+bob.handle(), nil)
		unknown := w.Call("GET", "/u/00000000001", nil)
		known.Body = []byte(withoutTime.ReplaceAllString(strings.ReplaceAll(string(known.Body), bob.handle(), "00000000001"), ""))
		unknown.Body = []byte(withoutTime.ReplaceAllString(string(unknown.Body), ""))
		return !sameAnswer(known, unknown)
	}
	for _, audience := range []string{"everyone", "link", "followers", "nobody"} {
		w.share(t, bob, map[string]any{"now": audience, "history": "everyone", "findable": true})
		if named := strings.Contains(w.preview(t, "/u/"+bob.handle(), "en"), "Bob"); named != (audience == "everyone") || named != unlike() {
			t.Errorf("audience %s: the preview names Bob: %t; the page differs from that of an unknown user: %t", audience, named, unlike())
		}
	}
	w.share(t, bob, map[string]any{"now": "everyone"})
	browser := w.newBrowser(t, 0)
	wantLocation(t, browser.signIn("/"), "/")
	if strings.Contains(string(browser.call("GET", "/u/"+bob.handle(), nil).Body), "Bob") {
		t.Error("the page names Bob to a viewer who is signed in, but Bob may have blocked the viewer")
	}
	w.wantStatus(t, w.Call("DELETE", prefix+"/me", nil, bob.bearer()...), 200, "")
	if unlike() {
		t.Error("the page of an erased user differs from that of an unknown one")
	}
}

// withoutTime matches the time of a page, which differs with each answer.
var withoutTime = regexp.MustCompile(`"now":"[^"]*"`)
