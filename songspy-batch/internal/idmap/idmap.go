// Package rows keeps something of each person, found by their id.
//
// Ids are given out one after another, so what is kept stands in rows by them:
// neighbours were mostly taken together and lie together in memory. In a map of
// a million, every look and each round of the collector would jump to and fro.
package idmap

import (
	"iter"
	"math/bits"
)

// rowBits is how many bits of an id say where in its row something stands.
const chunkBits = 10

// ID is what names a person, or stands for one.
type ID interface{ ~int | ~int64 }

// Of keeps a V for each of many ids. The zero value is empty and ready for use.
// A row stays once somebody of it was kept, for they mostly come back.
type Map[K ID, V any] struct {
	chunks map[K]*chunk[V] // by what the ids of a row have in common
	count  int
}

type chunk[V any] struct {
	values  [1 << chunkBits]V
	present [1 << chunkBits / 64]uint64 // a bit for each place
}

func locate[K ID](id K) (chunkID K, index uint) {
	return id >> chunkBits, uint(id & (1<<chunkBits - 1))
}

func (c *chunk[V]) contains(index uint) bool { return c.present[index/64]&(1<<(index%64)) != 0 }

// Len is how many are kept.
func (m *Map[K, V]) Len() int { return m.count }

// Get is what is kept of the id; the zero V and false if nothing is.
func (m *Map[K, V]) Get(id K) (v V, ok bool) {
	chunkID, index := locate(id)
	if c := m.chunks[chunkID]; c != nil && c.contains(index) {
		return c.values[index], true
	}
	return v, false
}

// Put keeps v of the id, in place of anything that was.
func (m *Map[K, V]) Put(id K, v V) {
	chunkID, index := locate(id)
	c := m.chunks[chunkID]
	if c == nil {
		if m.chunks == nil {
			m.chunks = map[K]*chunk[V]{}
		}
		c = new(chunk[V])
		m.chunks[chunkID] = c
	}
	if !c.contains(index) {
		c.present[index/64] |= 1 << (index % 64)
		m.count++
	}
	c.values[index] = v
}

// Remove forgets what is kept of the id.
func (m *Map[K, V]) Remove(id K) {
	chunkID, index := locate(id)
	c := m.chunks[chunkID]
	if c == nil || !c.contains(index) {
		return
	}
	var none V
	c.values[index] = none
	c.present[index/64] &^= 1 << (index % 64)
	m.count--
}

// All goes through everything that is kept; whatever is met may be removed meanwhile.
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
