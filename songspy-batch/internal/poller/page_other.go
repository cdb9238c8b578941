//go:build !unix || race

package poller

// newPage returns n zeros of type T, in Go's heap. The race detector sees only that memory, and
// other systems than Unix have no mmap: see page_unix.go.
func newPage[T any](n int) []T { return make([]T, n) }
