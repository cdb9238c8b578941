// Package idmap is a map from sequential ids to values, stored in chunks.
//
// User ids are assigned in sequence, so values of neighbouring ids lie next to
// each other in memory. In a Go map with a million users, every poll and every
// garbage collection would access memory at random.
package idmap

import (
	"iter"
	"math/bits"
)

// chunkBits is how many low bits of an id are the index of its value within a
// chunk.
const chunkBits = 10

// ID is the constraint for the types of ids.
type ID interface{ ~int | ~int64 }

// Map holds a value for each of many ids. The zero Map is empty and ready to
// use. A chunk is kept after its last value is removed, because removed users
// often return.
type Map[K ID, V any] struct {
	chunks map[K]*chunk[V] // by chunk number: the high bits that the ids of a chunk share
	low    []*chunk[V]     // the chunks of ids below lowIDs a second time, by chunk number, because a list is faster than the map
	count  int
}

// lowIDs is the number of ids, from 0, whose chunks are also in Map.low. That list takes
// 8 kilobytes for each million ids.
const lowIDs = 1 << 27

type chunk[V any] struct {
	values  [1 << chunkBits]V
	present [1 << chunkBits / 64]uint64 // one bit per index
}

func locate[K ID](id K) (chunkID K, index uint) {
	return id >> chunkBits, uint(id & (1<<chunkBits - 1))
}

func (c *chunk[V]) contains(index uint) bool { return c.present[index/64]&(1<<(index%64)) != 0 }

// chunk returns the chunk with this number, or nil if the chunk has never held a value.
func (m *Map[K, V]) chunk(id K) *chunk[V] {
	if id >= 0 && int64(id) < int64(len(m.low)) {
		return m.low[id]
	}
	return m.chunks[id]
}

// addChunk adds an empty chunk with this number.
func (m *Map[K, V]) addChunk(id K) *chunk[V] {
	if m.chunks == nil {
		m.chunks = map[K]*chunk[V]{}
	}
	c := new(chunk[V])
	m.chunks[id] = c
	if id >= 0 && int64(id) < lowIDs>>chunkBits {
		for int64(len(m.low)) <= int64(id) {
			m.low = append(m.low, m.chunks[K(len(m.low))])
		}
		m.low[id] = c
	}
	return c
}

// Len returns the number of values.
func (m *Map[K, V]) Len() int { return m.count }

// Get returns the value of the id. ok is false if there is none.
func (m *Map[K, V]) Get(id K) (v V, ok bool) {
	chunkID, index := locate(id)
	if c := m.chunk(chunkID); c != nil && c.contains(index) {
		return c.values[index], true
	}
	return v, false
}

// Put sets the value of the id.
func (m *Map[K, V]) Put(id K, v V) {
	chunkID, index := locate(id)
	c := m.chunk(chunkID)
	if c == nil {
		c = m.addChunk(chunkID)
	}
	if !c.contains(index) {
		c.present[index/64] |= 1 << (index % 64)
		m.count++
	}
	c.values[index] = v
}

// Remove removes the value of the id.
func (m *Map[K, V]) Remove(id K) {
	chunkID, index := locate(id)
	c := m.chunk(chunkID)
	if c == nil || !c.contains(index) {
		return
	}
	var none V
	c.values[index] = none
	c.present[index/64] &^= 1 << (index % 64)
	m.count--
}

// All iterates over all ids and values. The loop may remove the current id.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for chunkID, c := range m.chunks {
			for word, bitmap := range c.present {
				for ; bitmap != 0; bitmap &= bitmap - 1 {
					index := word*64 + bits.TrailingZeros64(bitmap)
					if !yield(chunkID<<chunkBits|K(index), c.values[index]) {
						return
					}
				}
			}
		}
	}
}
