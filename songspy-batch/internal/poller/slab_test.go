package poller

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestTextsHoldEachTextUntilItIsReplaced(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		stored := texts{}
		refs, want := make([]textRef, 8), make([]string, 8)
		for step := range rapid.IntRange(1, 60).Draw(rt, "steps") {
			i := rapid.IntRange(0, 7).Draw(rt, "which")
			want[i] = strings.Repeat(string(rune('a'+step%26)), rapid.IntRange(0, 3*textUnit).Draw(rt, "length"))
			stored.set(&refs[i], want[i])
			for i, r := range refs {
				if got := stored.get(r); got != want[i] {
					rt.Fatalf("text %d is %q, want %q", i, got, want[i])
				}
			}
		}
	})
}

func TestMemoryOfRemovedUsersIsUsedAgain(t *testing.T) {
	r := NewRegistry(time.Now, nil)
	pages := func() (n int) {
		n = len(r.entries.entries.pages) + len(r.entries.open.pages)
		for _, s := range r.entries.texts {
			n += len(s.pages)
		}
		return n
	}
	fill(r, 3*slabRows)
	filled := pages()
	for range 5 {
		r.removeIf(func(songspy.UserID) bool { return true })
		fill(r, 3*slabRows)
	}
	if n := pages(); n != filled {
		t.Errorf("%d pages after users were removed and added, want %d", n, filled)
	}
}
