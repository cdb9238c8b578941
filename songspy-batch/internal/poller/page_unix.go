//go:build unix && !race

package poller

import (
	"syscall"
	"unsafe"
)

// newPage returns n zeros of type T. Their memory lies outside Go's heap, and stays reserved until
// the process ends: rows of removed users are used again.
//
// Go lets its heap grow to twice the bytes in use before it collects garbage. So in the heap, the
// rows of a million users would need twice their size. If the system refuses, the page lies in the
// heap.
func newPage[T rowValue](n int) []T {
	var value T
	size := n * int(unsafe.Sizeof(value))
	memory, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return make([]T, n)
	}
	mappedBytes.Add(int64(size))
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(memory))), n)
}
