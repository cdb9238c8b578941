package due

import "time"

// item is a key and when it is due; a time.Time would double its size.
type item[K comparable] struct {
	micros int64
	key    K
}

func (i item[K]) due() time.Time { return time.UnixMicro(i.micros).UTC() }

// byTime is a container/heap that knows where each key stands.
type byTime[K comparable] struct {
	items []item[K]
	place map[K]int32
}

func (h *byTime[K]) Len() int           { return len(h.items) }
func (h *byTime[K]) Less(i, j int) bool { return h.items[i].micros < h.items[j].micros }

func (h *byTime[K]) Swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	h.place[h.items[i].key], h.place[h.items[j].key] = int32(i), int32(j)
}

func (h *byTime[K]) Push(x any) {
	i := x.(item[K])
	h.place[i.key] = int32(len(h.items))
	h.items = append(h.items, i)
}

func (h *byTime[K]) Pop() any {
	last := h.items[len(h.items)-1]
	h.items = h.items[:len(h.items)-1]
	delete(h.place, last.key)
	return last
}
