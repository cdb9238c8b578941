package web_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
)

// accessible returns the accessibility tree of the page: a line for each heading, link, button, list,
// list item, region, image and live region (status, alert), with its role and its name, indented by
// depth.
func (s *pageTest) accessible(tab context.Context) (lines []string) {
	s.t.Helper()
	nodes := call(s, tab, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes
	byID := map[accessibility.NodeID]*accessibility.Node{}
	for _, node := range nodes {
		byID[node.NodeID] = node
	}
	text := func(value *accessibility.Value) string {
		if value == nil {
			return ""
		}
		return strings.Trim(string(value.Value), `"`)
	}
	var walk func(node *accessibility.Node, depth int)
	walk = func(node *accessibility.Node, depth int) {
		role := text(node.Role)
		if !node.Ignored && slices.Contains([]string{"heading", "link", "button", "list", "listitem", "status", "alert", "region", "image"}, role) {
			lines = append(lines, strings.Repeat(" ", depth)+role+" "+text(node.Name))
			depth++
		}
		for _, id := range node.ChildIDs {
			if child := byID[id]; child != nil {
				walk(child, depth)
			}
		}
	}
	walk(nodes[0], 0)
	return lines
}

func TestPage_AScreenReaderFindsTheCardsInOrder(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20), newEntry(3, "three", 30))
	tab := s.openTab(1280, 800, "")
	s.waitFor(tab, titles+` === "two,three,one"`)
	lines := s.accessible(tab)
	if n := len(slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		return strings.TrimSpace(line) != "heading What are you listening to right now?"
	})); n != 1 {
		t.Errorf("the question is a heading %d times", n)
	}
	begin := slices.IndexFunc(lines, func(line string) bool { return strings.TrimSpace(line) == "region Listening now" })
	if begin < 0 {
		t.Fatalf("there is no region for the window:\n%s", strings.Join(lines, "\n"))
	}
	for _, hero := range []string{"link Listener A", "link one"} {
		if !slices.ContainsFunc(lines[:begin], func(line string) bool { return strings.TrimSpace(line) == hero }) {
			t.Errorf("a screen reader does not find %q before the window:\n%s", hero, strings.Join(lines[:begin], "\n"))
		}
	}
	card := func(name, title string) string {
		return fmt.Sprintf("listitem \n link %s\n heading %s\n  link %s\n link Somebody\n link Somebody Else\n link An Album\n", name, title, title)
	}
	want := "region Listening now\n heading Listening now\n button Pause updates\n image Spotify\n list \n" +
		indent(card("Listener B", "two")+card("Listener C", "three"), 2)
	depth := len(lines[begin]) - len(strings.TrimLeft(lines[begin], " "))
	got := ""
	for _, line := range lines[begin:min(len(lines), begin+strings.Count(want, "\n"))] {
		got += line[min(depth, len(line)):] + "\n"
	}
	if got != want {
		t.Errorf("a screen reader finds\n%s\nwant\n%s", got, want)
	}
}

func indent(text string, by int) string {
	prefix := strings.Repeat(" ", by)
	return prefix + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+prefix) + "\n"
}

// spoken is a script that appends to the array window.spoken each new text of a live region. Screen
// readers read a live region aloud when its text changes.
const spoken = `window.spoken = [];
	const live = '[role=status], [role=alert], [aria-live]:not([aria-live=off])';
	new MutationObserver((all) => {
		for (const { target } of all) {
			const region = (target.nodeType === 1 ? target : target.parentElement)?.closest(live);
			const text = region && !region.hidden ? region.textContent.trim() : "";
			if (text && spoken.at(-1) !== text) spoken.push(text);
		}
	}).observe(document, { subtree: true, childList: true, characterData: true });`

func TestPage_AScreenReaderHearsOnesOwnActionsAndNotTheBoard(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20))
	tab := s.openTab(1280, 800, spoken)
	s.waitFor(tab, titles+` === "two,one"`)
	s.put(newEntry(2, "second", 0))
	s.put(newEntry(3, "three", 30))
	s.waitFor(tab, titles+` === "second,three,one"`)
	s.remove(1)
	s.waitFor(tab, titles+` === "-,three,second"`)
	if got := evaluate[string](s, tab, `spoken.join("|")`); got != "" {
		t.Errorf("the changes of the board are read: %s", got)
	}
	evaluate[any](s, tab, `document.querySelector("[data-pause]").click()`)
	s.waitFor(tab, `spoken.join("|") === "Updates are paused. People who stop sharing still disappear."`)
}
