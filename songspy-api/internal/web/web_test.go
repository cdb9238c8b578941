package web

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/songspy/songspy/songspy-api/internal/board"
)

func TestFiles_AreSmallAndLoadNothingElse(t *testing.T) {
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	foreign := regexp.MustCompile(`(?:src|href|url|import|from)\s*[=(]?\s*["']?(?:https?:)?//`)
	for _, f := range files {
		lines += strings.Count(string(f.Body), "\n")
		if foreign.Match(f.Body) {
			t.Errorf("%s loads a file of another site", f.Path)
		}
	}
	if lines > 300 {
		t.Errorf("the page has %d lines, want at most 300", lines)
	}
}

func TestFiles_ShowDataAsTextOnly(t *testing.T) {
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		for _, unsafe := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", " style=", "onclick"} {
			if strings.Contains(string(f.Body), unsafe) {
				t.Errorf("%s uses %s", f.Path, unsafe)
			}
		}
	}
}

func TestPage_HasTheLimitsOfTheBoard(t *testing.T) {
	script, err := files.ReadFile("page/board.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range []string{
		fmt.Sprintf("const maxEntries = %d;", board.MaxEntries),
		fmt.Sprintf("const staleAfter = %d;", board.StaleAfter.Milliseconds()),
		"Date.now() - readAt > staleAfter) show([])",
	} {
		if !strings.Contains(string(script), rule) {
			t.Errorf("board.js lacks %q, so its limits differ from those of the board", rule)
		}
	}
}

// Safari 15 drops a CSS rule, or stops the script, if it does not know the syntax.
// TestPage_WorksWithoutWhatSafari15Lacks finds missing functions; Chromium cannot disable syntax.
func TestFiles_UseNoSyntaxThatSafari15Lacks(t *testing.T) {
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		for _, newer := range []string{
			":has(", "@layer", "@container", "@property", "color-mix(", "light-dark(", "oklch(", "svh", "dvh", "lvh", "static {", "(?<",
			"\n  &", "canParse", "AbortSignal.", ".at(", "structuredClone", "Object.hasOwn", ".toSorted(", ".findLast(", "moveBefore", "with { type",
		} {
			if strings.Contains(string(f.Body), newer) {
				t.Errorf("%s uses %q, which Safari 15 lacks", f.Path, newer)
			}
		}
	}
}

func TestContentSecurityPolicy_AllowsImagesOfASimulatedProviderByOrigin(t *testing.T) {
	for given, want := range map[string]string{
		"http://127.0.0.1:8090/spotify/accounts/authorize": "img-src https: data: http://127.0.0.1:8090;",
		"not a URL": "img-src https: data:;",
	} {
		if got := ContentSecurityPolicy(given); !strings.Contains(got, want) || strings.Contains(got, "unsafe") {
			t.Errorf("%s: the policy is %s", given, got)
		}
	}
}
