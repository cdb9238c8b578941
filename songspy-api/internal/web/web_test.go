package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/songspy/songspy/songspy-api/internal/board"
)

func newSite(t *testing.T) *Site {
	t.Helper()
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFiles_LoadNothingOfOtherSites(t *testing.T) {
	foreign := regexp.MustCompile(`(?:src|href|url|import|from)\s*[=(]?\s*["']?(?:https?:)?//`)
	for name, f := range newSite(t).files {
		if foreign.Match(f.Body) {
			t.Errorf("%s loads a file of another site", name)
		}
	}
}

func TestFiles_ShowDataAsTextOnly(t *testing.T) {
	for name, f := range newSite(t).files {
		for _, unsafe := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", " style=", "onclick"} {
			if strings.Contains(string(f.Body), unsafe) {
				t.Errorf("%s uses %s", name, unsafe)
			}
		}
	}
}

func TestPage_HasTheLimitsOfTheBoard(t *testing.T) {
	script := string(newSite(t).files["js/live.js"].Body)
	if rule := fmt.Sprintf("const emptyAfter = %d;", board.StaleAfter.Milliseconds()); !strings.Contains(script, rule) {
		t.Errorf("live.js lacks %q, so its limit differs from that of the board", rule)
	}
}

// Safari 15 drops a CSS rule, or stops the script, if it does not know the syntax. Chromium has no
// option to reject newer syntax, so this test searches the files for such syntax.
// TestPage_WorksWithoutWhatSafari15Lacks finds calls of functions that Safari 15 lacks.
func TestFiles_UseNoSyntaxThatSafari15Lacks(t *testing.T) {
	for name, f := range newSite(t).files {
		for _, newer := range []string{
			":has(", "@layer", "@container", "@property", "color-mix(", "light-dark(", "oklch(", "svh", "dvh", "lvh", "static {", "(?<",
			"\n  &", "canParse", "AbortSignal.", ".at(", "structuredClone", "Object.hasOwn", ".toSorted(", ".findLast(", "moveBefore", "with { type",
		} {
			if strings.Contains(string(f.Body), newer) {
				t.Errorf("%s uses %q, which Safari 15 lacks", name, newer)
			}
		}
	}
}

func TestPolicy_AllowsImagesOfASimulatedProviderByOrigin(t *testing.T) {
	for given, picture := range map[string]string{"http://127.0.0.1:8090/spotify/accounts/authorize": " http://127.0.0.1:8090", "not a URL": ""} {
		s, err := New(given)
		if err != nil {
			t.Fatal(err)
		}
		want := "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; " +
			"img-src 'self' https://*.scdn.co https://*.spotifycdn.com" + picture +
			"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types songspy"
		if got := s.Policy(); got != want {
			t.Errorf("%s: the policy is\n%s\nwant\n%s", given, got, want)
		}
	}
}

// texts returns all texts of a language by key, those of all files text/*.json together.
func texts(t *testing.T, lang string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for name, f := range newSite(t).files {
		if !strings.HasPrefix(name, "text/") || !strings.HasSuffix(name, lang+".json") {
			continue
		}
		one := map[string]string{}
		if err := json.Unmarshal(f.Body, &one); err != nil {
			t.Fatal(err)
		}
		for key, text := range one {
			if all[key] != "" {
				t.Errorf("two catalogues have the text %s", key)
			}
			all[key] = text
		}
	}
	return all
}

func TestDetails_TheBlockDialogSaysWhatIsSeenSignedOutAndNamesFollowersOnly(t *testing.T) {
	for lang, words := range map[string][]string{"en": {"share with everyone", "while signed out", "only with followers"}, "ko": {"‘모두’", "로그아웃하면", "승인한 팔로워"}} {
		for _, word := range words {
			if text := texts(t, lang)["person.blockAsk"]; !strings.Contains(text, word) {
				t.Errorf("the dialog %q lacks %q", text, word)
			}
		}
	}
}

func TestTexts_HaveTheSameKeysAndPlaceholdersInBothLanguages(t *testing.T) {
	placeholder := regexp.MustCompile(`\{\w+\}`)
	english, korean := texts(t, "en"), texts(t, "ko")
	if a, b := slices.Sorted(maps.Keys(english)), slices.Sorted(maps.Keys(korean)); !slices.Equal(a, b) {
		t.Fatalf("the keys differ:\nen %v\nko %v", a, b)
	}
	for key := range english {
		en, ko := placeholder.FindAllString(english[key], -1), placeholder.FindAllString(korean[key], -1)
		slices.Sort(en)
		slices.Sort(ko)
		if english[key] == "" || korean[key] == "" || !slices.Equal(slices.Compact(en), slices.Compact(ko)) {
			t.Errorf("%s has the placeholders %v in English and %v in Korean", key, en, ko)
		}
	}
}

// Each text key in a script or in the HTML must have a text, and each text must be used there. If a
// script builds a key from parts, such as t("me.link." + state), all keys with the prefix "me.link."
// count as used.
func TestTexts_AreThoseThatThePageUses(t *testing.T) {
	known, used := texts(t, "en"), map[string]bool{}
	key := regexp.MustCompile("[\"`]([a-z]+(?:\\.[A-Za-z0-9_]+)+|[a-z]+(?:\\.[A-Za-z0-9_]+)*\\.)[\"`$]")
	for name, f := range newSite(t).files {
		if ext := path.Ext(name); ext != ".js" && ext != ".html" {
			continue
		}
		for _, found := range key.FindAllStringSubmatch(string(f.Body), -1) {
			switch k := found[1]; {
			case strings.HasSuffix(k, "."):
				for one := range known {
					used[one] = used[one] || strings.HasPrefix(one, k)
				}
			case path.Ext(k) == ".js" || path.Ext(k) == ".html" || path.Ext(k) == ".json":
			case known[k] == "":
				t.Errorf("%s uses the text %s, which no catalogue has", name, k)
			default:
				used[k] = true
			}
		}
	}
	for k := range known {
		if !used[k] {
			t.Errorf("nothing uses the text %s", k)
		}
	}
}

func TestAsset_MayBeKeptOnlyIfItsVersionIsCurrent(t *testing.T) {
	s := newSite(t)
	for _, tt := range []struct {
		version, name string
		current, ok   bool
	}{
		{s.version, "/js/api.js", true, true}, {"another", "/js/api.js", false, true}, {s.version, "/js/none.js", true, false}, {s.version, "/html/now.html", false, false},
	} {
		f, current, ok := s.Asset(tt.version, tt.name)
		if current != tt.current || ok != tt.ok || ok && f.Gzip == nil {
			t.Errorf("%s of %s: current %t, found %t, compressed %t", tt.name, tt.version, current, ok, f.Gzip != nil)
		}
	}
}

// The privacy page must say, in both languages, what each cookie that a script sets is for.
func TestFiles_SetNoCookieThatThePrivacyPageDoesNotName(t *testing.T) {
	purposes := map[string][2]string{"songspy-language": {"choice of language", "언어 선택"}, "songspy-visit": {"time of your last visit", "마지막 방문 시각"}}
	site, cookie := newSite(t), regexp.MustCompile(`document\.cookie = "([a-z-]+)=`)
	found := 0
	for name, file := range site.files {
		for _, match := range cookie.FindAllSubmatch(file.Body, -1) {
			found++
			purpose, ok := purposes[string(match[1])]
			for i, lang := range []string{"en", "ko"} {
				if page := string(site.files["html/privacy."+lang+".html"].Body); !ok || !strings.Contains(page, purpose[i]) {
					t.Errorf("%s sets the cookie %s, whose purpose the privacy page in %s does not name", name, match[1], lang)
				}
			}
		}
	}
	if found < len(purposes) {
		t.Errorf("the scripts set %d cookies, want at least %d", found, len(purposes))
	}
}
