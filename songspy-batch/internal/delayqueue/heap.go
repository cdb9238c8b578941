package delayqueue

import "github.com/songspy/songspy/songspy-batch/internal/idmap"

// item is a key and its due time in microseconds of the queue's time. A
// time.Time would double its size.
type item[K idmap.ID] struct {
	micros int64
	key    K
}

// before orders items by due time, then by key. Neighbouring keys are stored
// close to each other in memory and in the database, so it is faster to run
// them one after the other.
func (i item[K]) before(j item[K]) bool {
	return i.micros < j.micros || i.micros == j.micros && i.key < j.key
}

// itemHeap is a heap of items, the earliest first. container/heap would allocate
// for each item that is pushed or popped.
type itemHeap[K idmap.ID] []item[K]

func (h *itemHeap[K]) push(new item[K]) {
	*h = append(*h, new)
	h.up(len(*h)-1, new)
}

// pop removes the earliest item; there must be one.
func (h *itemHeap[K]) pop() item[K] {
	items := *h
	first, last := items[0], items[len(items)-1]
	*h = items[:len(items)-1]
	if len(*h) > 0 {
		h.down(0, last)
	}
	return first
}

// up puts the item at the index place, and moves it towards the top of the heap
// until no earlier item is below a later one.
func (h *itemHeap[K]) up(place int, i item[K]) {
	items := *h
	for place > 0 {
		parent := (place - 1) / 2
		if !i.before(items[parent]) {
			break
		}
		items[place] = items[parent]
		place = parent
	}
	items[place] = i
}

// down puts the item at the index place, and moves it towards the bottom of the
// heap until no later item is above an earlier one.
func (h *itemHeap[K]) down(place int, i item[K]) {
	items := *h
	for {
		child := 2*place + 1
		if child >= len(items) {
			break
		}
		if right := child + 1; right < len(items) && items[right].before(items[child]) {
			child = right
		}
		if !items[child].before(i) {
			break
		}
		items[place] = items[child]
		place = child
	}
	items[place] = i
}

// filter removes the items for which the function wanted returns false.
func (h *itemHeap[K]) filter(wanted func(item[K]) bool) {
	items := (*h)[:0]
	for _, i := range *h {
		if wanted(i) {
			items = append(items, i)
		}
	}
	*h = items
	for place := len(items)/2 - 1; place >= 0; place-- {
		h.down(place, items[place])
	}
}
