package listening

import (
	"cmp"
	"slices"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Known is a play that is already kept, as history is held against it.
type Known struct {
	Play  songspy.Play
	Track songspy.Track
	// HeardAt is the history item that this play was matched with before; zero: none.
	HeardAt time.Time
}

// Confirmed is a known play that a history item was matched with, or whose
// unwitnessed tail had to make room for another one (then HeardAt is zero).
type Confirmed struct {
	Play    songspy.Play
	HeardAt time.Time
}

// Found is a play that only history knows.
type Found struct {
	Play    songspy.Play
	Track   songspy.Track
	HeardAt time.Time
}

// Reconciled is what an answer of history adds up to.
type Reconciled struct {
	Confirmed []Confirmed
	Found     []Found
	// Unplaced are items that fit nowhere: there is no hole between their
	// neighbours. They are noted so that they are not tried again.
	Unplaced []songspy.HistoryItem
}

// aside is how far a history item may lie from the edge of the play it tells of.
const aside = 15 * time.Second

// Reconcile holds an answer of history against the plays that are kept around
// it. known are the person's plays, tombstones included, that reach into the
// time that the items cover, told the times of the items that were reconciled
// before (placed or not), and until bounds what history may fill: the start of
// the open play, or now.
//
// Items are matched in order and one to one, by the start or by the end of a
// play. An item that was told before is passed over, so an answer seen twice
// changes nothing.
func Reconcile(known []Known, told []time.Time, items []songspy.HistoryItem, until time.Time) Reconciled {
	r := reconciliation{until: until}
	done := map[int64]bool{}
	for _, at := range told {
		done[at.UnixMicro()] = true
	}
	for _, k := range known {
		r.slots = append(r.slots, slot{Known: k})
		done[k.HeardAt.UnixMicro()] = true
	}
	slices.SortFunc(r.slots, func(a, b slot) int { return a.Play.StartedAt.Compare(b.Play.StartedAt) })
	for _, item := range items {
		if at := item.PlayedAt.UnixMicro(); !done[at] {
			done[at] = true
			r.items = append(r.items, item)
		}
	}
	slices.SortFunc(r.items, func(a, b songspy.HistoryItem) int { return a.PlayedAt.Compare(b.PlayedAt) })
	matched := r.align()
	r.confirm(matched)
	for i, item := range r.items {
		if matched[i] < 0 {
			r.place(item)
		}
	}
	return r.result()
}

// slot is a play on the person's time line.
type slot struct {
	Known
	item  songspy.HistoryItem // what it was matched with now
	fresh bool                // only history knows it
	moved bool                // its tail had to make room
}

// proven is how far the play is proven to reach; what lies between that and
// its end is elastic.
func (s slot) proven() time.Time {
	if !s.Play.Provisional {
		return s.Play.EndedAt
	}
	return earlier(s.Play.EndedAt, s.Play.StartedAt.Add(time.Duration(s.Play.ListenedMS)*time.Millisecond))
}

// reading is which edge of a play the provider's time tells for this person.
type reading int

const (
	readingUnknown reading = iota
	readingStart
	readingEnd
)

type reconciliation struct {
	slots []slot // by start
	items []songspy.HistoryItem
	until time.Time
	read  reading
}

// distance is how far an item lies from either edge of a play.
func (s slot) distance(item songspy.HistoryItem) (start, end time.Duration) {
	start = item.PlayedAt.Sub(s.Play.StartedAt).Abs()
	switch at := item.PlayedAt; {
	case at.Before(s.proven()):
		end = s.proven().Sub(at)
	case at.After(s.Play.EndedAt):
		end = at.Sub(s.Play.EndedAt)
	}
	return start, end
}

// align pairs items with slots: as many as possible, in order, and among equal
// numbers those that lie nearest. For each item it gives the slot, or -1.
func (r *reconciliation) align() []int {
	type cell struct {
		pairs int
		off   time.Duration
		step  byte // 'p'aired, 'i'tem left out, 's'lot left out
	}
	n, m := len(r.items), len(r.slots)
	table := make([][]cell, n+1)
	for i := range table {
		table[i] = make([]cell, m+1)
		for j := range table[i] {
			var best cell
			better := func(c cell) {
				if best.step == 0 || c.pairs > best.pairs || c.pairs == best.pairs && c.off < best.off {
					best = c
				}
			}
			if i > 0 {
				better(cell{table[i-1][j].pairs, table[i-1][j].off, 'i'})
			}
			if j > 0 {
				better(cell{table[i][j-1].pairs, table[i][j-1].off, 's'})
			}
			if i > 0 && j > 0 {
				if off, ok := r.fits(i-1, j-1); ok {
					better(cell{table[i-1][j-1].pairs + 1, table[i-1][j-1].off + off, 'p'})
				}
			}
			table[i][j] = best
		}
	}
	matched := make([]int, n)
	for i := range matched {
		matched[i] = -1
	}
	for i, j := n, m; i > 0 || j > 0; {
		switch table[i][j].step {
		case 'p':
			i, j = i-1, j-1
			matched[i] = j
		case 'i':
			i--
		default:
			j--
		}
	}
	return matched
}

// fits reports whether an item can tell of a slot, and how far it lies off.
func (r *reconciliation) fits(i, j int) (time.Duration, bool) {
	s := r.slots[j]
	if !s.HeardAt.IsZero() || !sameTrack(s.Track, r.items[i].Track) {
		return 0, false
	}
	start, end := s.distance(r.items[i])
	off := min(start, end)
	return off, off <= aside
}

// sameTrack reports whether two tracks are the same recording: Spotify relinks
// tracks, so that history may name it by another uri.
func sameTrack(a, b songspy.Track) bool {
	if a.URI == b.URI {
		return true
	}
	if a.ISRC != "" && b.ISRC != "" {
		return strings.EqualFold(a.ISRC, b.ISRC)
	}
	return a.Title != "" && strings.EqualFold(a.Title, b.Title) && strings.EqualFold(a.Artists, b.Artists) &&
		(a.Duration()-b.Duration()).Abs() <= 2*time.Second
}

// confirm marks the matched slots, and learns from those that tell start and
// end apart which of them this person's history means.
func (r *reconciliation) confirm(matched []int) {
	votes := 0
	for i, j := range matched {
		if j < 0 {
			continue
		}
		s := &r.slots[j]
		s.item = r.items[i]
		if start, end := s.distance(s.item); s.Play.EndedAt.Sub(s.Play.StartedAt) > 2*aside {
			votes += cmp.Compare(end, start)
		}
	}
	switch {
	case votes > 0:
		r.read = readingStart
	case votes < 0:
		r.read = readingEnd
	}
	for j := range r.slots {
		if s := &r.slots[j]; !s.item.PlayedAt.IsZero() && s.Play.Provisional && s.Play.DeletedAt == nil {
			r.settle(s)
		}
	}
}

// settle uses a history item to decide the unwitnessed tail of a play. Where
// history tells the end, that is the end. Where it tells the start, the play
// was heard, and nobody knows how much of its tail.
func (r *reconciliation) settle(s *slot) {
	if _, off := s.distance(s.item); r.read == readingEnd && off <= aside {
		end := clamp(s.item.PlayedAt, s.proven(), s.Play.EndedAt)
		s.Play.ListenedMS += ms(end.Sub(s.proven()))
		s.Play.EndedAt = end
		s.Play.Provisional = false
	}
}

// place makes a play of an item that nothing kept tells of, where a hole
// between its neighbours holds it.
func (r *reconciliation) place(item songspy.HistoryItem) {
	readings := []reading{r.read}
	if r.read == readingUnknown {
		readings = []reading{readingStart, readingEnd}
	}
	for _, read := range readings {
		from, to := item.PlayedAt, item.PlayedAt.Add(item.Track.Duration())
		if read == readingEnd {
			from, to = item.PlayedAt.Add(-item.Track.Duration()), item.PlayedAt
		}
		if r.fill(item, from, to) {
			return
		}
	}
	r.slots = append(r.slots, slot{item: item}) // remembered as unplaced
}

// fill puts an item into the time between from and to, as far as it is free.
func (r *reconciliation) fill(item songspy.HistoryItem, from, to time.Time) bool {
	middle := from.Add(to.Sub(from) / 2)
	low, high := time.Time{}, r.until
	before := -1
	for j, s := range r.slots {
		switch {
		case s.Play.StartedAt.IsZero():
		case s.Play.StartedAt.Before(middle):
			if reach := s.proven(); reach.After(low) {
				low, before = reach, j
			}
		case s.Play.StartedAt.Before(high):
			high = s.Play.StartedAt
		}
	}
	clipped := from.Before(low.Add(-aside)) || to.After(high.Add(aside))
	from, to = later(from, low), earlier(to, high)
	listened := to.Sub(from)
	if listened <= 0 || !songspy.Counts(ms(listened), item.Track.DurationMS) {
		return false
	}
	if before >= 0 && r.slots[before].Play.EndedAt.After(from) {
		r.slots[before].Play.EndedAt, r.slots[before].moved = from, true
	}
	s := slot{item: item, fresh: true}
	s.Track = item.Track
	s.Play = songspy.Play{
		TrackURI: item.Track.URI, StartedAt: from, EndedAt: to, ListenedMS: ms(listened),
		Source: songspy.SourceHistory, Provisional: clipped,
	}
	r.slots = append(r.slots, s)
	return true
}

func (r *reconciliation) result() Reconciled {
	var out Reconciled
	for _, s := range r.slots {
		switch {
		case s.fresh:
			out.Found = append(out.Found, Found{Play: s.Play, Track: s.Track, HeardAt: s.item.PlayedAt})
		case s.Play.StartedAt.IsZero():
			out.Unplaced = append(out.Unplaced, s.item)
		case s.moved || !s.item.PlayedAt.IsZero():
			out.Confirmed = append(out.Confirmed, Confirmed{Play: s.Play, HeardAt: s.item.PlayedAt})
		}
	}
	slices.SortFunc(out.Found, func(a, b Found) int { return a.Play.StartedAt.Compare(b.Play.StartedAt) })
	return out
}
