//go:build !unix || race

package poller

// newPage returns n zeros of type T, in Go's heap. The race detector does not see memory outside
// it, and other systems than Unix have no mmap: see page_unix.go.
func newPage[T rowValue](n int) []T { return make([]T, n) }
