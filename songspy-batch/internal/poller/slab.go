package poller

import "sync/atomic"

// slab holds rows, each of width values of type T, in pages of slabRows rows.
type slab[T rowValue] struct {
	width int // values per row
	pages [][]T
	free  []place // the places of removed rows
	used  place   // the highest place that was ever used
}

// rowValue lists the types of the values in slabs. They must have no pointers, because the pages lie
// outside Go's heap (see newPage), where the garbage collector would not see them.
type rowValue interface{ byte | entry | openPlay }

// place is the number of a row in a slab. 0 means no row.
type place uint32

// slabRows is the number of rows in a page.
const slabRows = 512

// mappedBytes is the size of all pages of this process that lie outside Go's heap.
var mappedBytes atomic.Int64

// at returns the row at the place. It stays valid until the row is removed.
func (s *slab[T]) at(p place) []T {
	from := int(p%slabRows) * s.width
	return s.pages[p/slabRows][from : from+s.width : from+s.width]
}

// add returns the place of a new row of zeros.
func (s *slab[T]) add() (p place) {
	if last := len(s.free) - 1; last >= 0 {
		p, s.free = s.free[last], s.free[:last]
		return p
	}
	s.used++
	if int(s.used/slabRows) == len(s.pages) {
		s.pages = append(s.pages, newPage[T](slabRows*s.width))
	}
	return s.used
}

// remove clears the row. Its place becomes free for another row.
func (s *slab[T]) remove(p place) {
	clear(s.at(p))
	s.free = append(s.free, p)
}

// texts holds texts in slabs. The map key of a slab is the length of its rows in bytes, which is
// a multiple of textUnit.
type texts map[uint32]*slab[byte]

// textRef refers to a text in texts; the zero textRef is the empty text.
type textRef struct {
	place  place
	length uint32
}

// textUnit is the length of the shortest rows for texts, in bytes. The lengths of longer rows are
// multiples of it.
const textUnit = 32

// rowLength returns the length of the row that holds the text.
func (r textRef) rowLength() uint32 { return (r.length + textUnit - 1) / textUnit * textUnit }

// get returns a copy of the text.
func (t texts) get(r textRef) string {
	if r.length == 0 {
		return ""
	}
	return string(t[r.rowLength()].at(r.place)[:r.length])
}

// set replaces the text to which r refers, and updates r.
func (t texts) set(r *textRef, text string) {
	next := textRef{r.place, uint32(len(text))}
	if row := next.rowLength(); row != r.rowLength() {
		if next.place = 0; r.length > 0 {
			t[r.rowLength()].remove(r.place)
		}
		if text != "" {
			if t[row] == nil {
				t[row] = &slab[byte]{width: int(row)}
			}
			next.place = t[row].add()
		}
	}
	if *r = next; text != "" {
		copy(t[r.rowLength()].at(r.place), text)
	}
}

// names gives a number to each text of a small set, such as the ids of apps and the reasons
// of gaps. So an entry can hold a number instead of a string, which has a pointer.
type names struct {
	all   []string
	index map[string]name
}

// name is the number of a text in names. 0 is the number of the empty text.
type name uint32

func (n *names) text(of name) string { return n.all[of] }

func (n *names) of(text string) name {
	i, ok := n.index[text]
	if !ok {
		i = name(len(n.all))
		n.all, n.index[text] = append(n.all, text), i
	}
	return i
}
