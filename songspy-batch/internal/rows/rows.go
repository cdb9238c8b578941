// Package rows keeps something of each person, found by their id.
//
// Ids are given out one after another, so what is kept stands in rows by them:
// neighbours were mostly taken together and lie together in memory. In a map of
// a million, every look and each round of the collector would jump to and fro.
package rows

import (
	"iter"
	"math/bits"
)

// rowBits is how many bits of an id say where in its row something stands.
const rowBits = 10

// ID is what names a person, or stands for one.
type ID interface{ ~int | ~int64 }

// Of keeps a V for each of many ids. The zero value is empty and ready for use.
// A row stays once somebody of it was kept, for they mostly come back.
type Of[K ID, V any] struct {
	rows map[K]*row[V] // by what the ids of a row have in common
	kept int
}

type row[V any] struct {
	values [1 << rowBits]V
	taken  [1 << rowBits / 64]uint64 // a bit for each place
}

func place[K ID](id K) (of K, in uint) { return id >> rowBits, uint(id & (1<<rowBits - 1)) }

func (r *row[V]) has(in uint) bool { return r.taken[in/64]&(1<<(in%64)) != 0 }

// Len is how many are kept.
func (o *Of[K, V]) Len() int { return o.kept }

// Get is what is kept of the id; the zero V and false if nothing is.
func (o *Of[K, V]) Get(id K) (v V, ok bool) {
	of, in := place(id)
	if r := o.rows[of]; r != nil && r.has(in) {
		return r.values[in], true
	}
	return v, false
}

// Put keeps v of the id, in place of anything that was.
func (o *Of[K, V]) Put(id K, v V) {
	of, in := place(id)
	r := o.rows[of]
	if r == nil {
		if o.rows == nil {
			o.rows = map[K]*row[V]{}
		}
		r = new(row[V])
		o.rows[of] = r
	}
	if !r.has(in) {
		r.taken[in/64] |= 1 << (in % 64)
		o.kept++
	}
	r.values[in] = v
}

// Remove forgets what is kept of the id.
func (o *Of[K, V]) Remove(id K) {
	of, in := place(id)
	r := o.rows[of]
	if r == nil || !r.has(in) {
		return
	}
	var none V
	r.values[in] = none
	r.taken[in/64] &^= 1 << (in % 64)
	o.kept--
}

// All goes through everything that is kept; whatever is met may be removed meanwhile.
func (o *Of[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for of, r := range o.rows {
			for word, taken := range r.taken {
				for ; taken != 0; taken &= taken - 1 {
					in := word*64 + bits.TrailingZeros64(taken)
					if !yield(of<<rowBits|K(in), r.values[in]) {
						return
					}
				}
			}
		}
	}
}
