package sweep

import (
	"iter"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// people finds seats by person. Ids are given out one after another, so seats
// stand in rows by their ids: neighbours were mostly taken together and lie
// together in memory. In a map of a million, every look and each round of the
// collector would jump to and fro.
type people struct {
	rows map[songspy.UserID]*row // by what the ids of a row have in common
	len  int
}

// rowBits is how many bits of an id say where in the row its seat is.
const rowBits = 10

type row struct {
	seats [1 << rowBits]*seat
	taken int
}

func place(id songspy.UserID) (of songspy.UserID, in int) {
	return id >> rowBits, int(id & (1<<rowBits - 1))
}

// get is the person's seat; nil if they have none.
func (p *people) get(id songspy.UserID) *seat {
	of, in := place(id)
	if r := p.rows[of]; r != nil {
		return r.seats[in]
	}
	return nil
}

// put gives the person a seat, in place of any that they had.
func (p *people) put(id songspy.UserID, s *seat) {
	of, in := place(id)
	r := p.rows[of]
	if r == nil {
		r = new(row)
		p.rows[of] = r
	}
	if r.seats[in] == nil {
		r.taken++
		p.len++
	}
	r.seats[in] = s
}

// remove takes the person's seat away, if they have one.
func (p *people) remove(id songspy.UserID) {
	of, in := place(id)
	r := p.rows[of]
	if r == nil || r.seats[in] == nil {
		return
	}
	r.seats[in] = nil
	p.len--
	if r.taken--; r.taken == 0 {
		delete(p.rows, of)
	}
}

// all goes through everyone; whoever is met may be removed meanwhile.
func (p *people) all() iter.Seq2[songspy.UserID, *seat] {
	return func(yield func(songspy.UserID, *seat) bool) {
		for of, r := range p.rows {
			for in, s := range r.seats {
				if s != nil && !yield(of<<rowBits|songspy.UserID(in), s) {
					return
				}
			}
		}
	}
}
