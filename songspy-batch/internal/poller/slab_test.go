package poller

import (
	"runtime"
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

func TestAMillionUsersStayUnderHalfAGibibyte(t *testing.T) {
	const users = 100_000
	heap, mapped := heapBytes(), mappedBytes.Load()
	r := registryOf(users)
	mapped = mappedBytes.Load() - mapped
	inHeap := float64(heapBytes()-heap) / users
	each := inHeap + float64(mapped)/users
	t.Logf("%.0f bytes per user, %.0f of them in the heap", each, inHeap)
	if mapped > 0 { // false under the race detector and without mmap
		each += inHeap // by default (GOGC=100) the heap grows to twice the bytes in use before a collection
	}
	if most := float64(1<<29) / 1e6; each > most {
		t.Errorf("%.0f bytes per user, want at most %.0f", each, most)
	}
	runtime.KeepAlive(r)
}

// heapBytes returns how many bytes of the heap are in use. It collects twice, because a sync.Pool
// releases its objects in the second collection.
func heapBytes() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
