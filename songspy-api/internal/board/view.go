package board

import (
	"reflect"
	"slices"
	"strconv"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// view is what one viewer, or all viewers without relations, see of a topic: a user in
// each slot. A user keeps the slot until the view does not show them any more.
type view struct {
	topic Topic
	seed  uint64
	slots []*entry // an element is nil if the slot is free
}

// difference is what an update has changed.
type difference struct {
	gone    []string // handles (public ids as text) of users
	changed []int    // slots with a new user, or whose entry renders to another text
}

// update shows the candidates with the smallest ranks. The candidates are sorted by rank, and
// the viewers of the view see all of them. A user keeps the slot at least until the next track
// begins, even if others have smaller ranks by then. The function current returns the present
// entry of a user, or nil if the viewers do not see the user any more.
func (v *view) update(candidates []ranked, current func(songspy.UserID) *entry) (d difference) {
	size := v.topic.size()
	isBeyond := func(e *entry) bool {
		return size > 0 && len(candidates) > size && compareRank(candidates[size-1], ranked{e.rankIn(v.seed), e}) < 0
	}
	shown := make(map[songspy.UserID]bool, len(v.slots))
	for i, before := range v.slots {
		if before == nil {
			continue
		}
		after := current(before.user)
		if after == nil || after.beganAfter(before) && isBeyond(after) {
			d.gone = append(d.gone, songspy.Handle(before.publicID))
			v.slots[i] = nil
			continue
		}
		v.slots[i], shown[after.user] = after, true
		if !after.rendersLike(before) {
			d.changed = append(d.changed, i)
		}
	}
	slot := 0
	for _, c := range candidates {
		if size > 0 && len(shown) == size {
			break
		}
		if shown[c.user] {
			continue
		}
		for slot < len(v.slots) && v.slots[slot] != nil {
			slot++
		}
		if slot == len(v.slots) {
			v.slots = append(v.slots, nil)
		}
		v.slots[slot], shown[c.user] = c.entry, true
		d.changed = append(d.changed, slot)
	}
	slices.Sort(d.changed)
	return d
}

// restartTolerance is how much polls may correct the start of a play. A greater difference
// means that the same track plays again.
const restartTolerance = 30 * time.Second

// beganAfter reports whether the entry is of another play than the earlier entry of the same
// user.
func (e *entry) beganAfter(before *entry) bool {
	return e.track.PublicID != before.track.PublicID || e.startedAt.time().Sub(before.startedAt.time()).Abs() > restartTolerance
}

// rendersLike reports whether both entries are rendered to the same text.
func (e *entry) rendersLike(other *entry) bool {
	return e == other ||
		e.track.PublicID == other.track.PublicID && e.isPaused == other.isPaused && e.startedAt == other.startedAt && e.endsAt == other.endsAt &&
			e.name == other.name && e.picture == other.picture && (e.track == other.track || reflect.DeepEqual(e.track, other.track))
}

// frame returns the events of a difference, in the format of server-sent events, or nil if
// nothing has changed. The function item returns an entry as JSON, or nil if the entry must be
// left out.
func (v *view) frame(d difference, item func(*entry) []byte) (frame []byte) {
	if len(d.gone) > 0 {
		frame = append(v.beginEvent(frame, "gone"), `,"handles":[`...)
		for i, handle := range d.gone {
			frame = strconv.AppendQuote(appendComma(frame, i), handle)
		}
		frame = append(frame, "]}\n\n"...)
	}
	for _, state := range []songspy.PlayerState{songspy.PlayerPaused, songspy.PlayerPlaying} { // the states are also the names of the events
		slots := slices.DeleteFunc(slices.Clone(d.changed), func(i int) bool { return v.slots[i].state() != state })
		if len(slots) > 0 {
			frame = v.appendItems(v.beginEvent(frame, string(state)), slots, item)
		}
	}
	return frame
}

// snapshot returns the event that replaces all that a client has of the topic.
func (v *view) snapshot(now time.Time, item func(*entry) []byte) []byte {
	frame := append(v.beginEvent(nil, "snapshot"), `,"serverTime":"`...)
	frame = append(now.UTC().AppendFormat(frame, "2006-01-02T15:04:05.000Z"), '"')
	slots := make([]int, 0, len(v.slots))
	for i, e := range v.slots {
		if e != nil {
			slots = append(slots, i)
		}
	}
	return v.appendItems(frame, slots, item)
}

// resetEvent returns the event that tells a client that it has missed changes.
func (v *view) resetEvent() []byte { return append(v.beginEvent(nil, "reset"), "}\n\n"...) }

// beginEvent appends the name of an event and the beginning of its object.
func (v *view) beginEvent(frame []byte, name string) []byte {
	frame = append(append(frame, "event: "...), name...)
	frame = append(frame, "\ndata: {\"topic\":"...)
	return strconv.AppendQuote(frame, v.topic.Name) // names have no characters that JSON writes in another way
}

// appendItems appends the entries of the slots, and the end of the event.
func (v *view) appendItems(frame []byte, slots []int, item func(*entry) []byte) []byte {
	frame = append(frame, `,"items":[`...)
	written := 0
	for _, slot := range slots {
		text := item(v.slots[slot])
		if text == nil {
			continue
		}
		frame = append(appendComma(frame, written), text...)
		written++
		if v.topic.Kind == TopicWindow { // the slot goes before the closing brace
			frame = append(strconv.AppendInt(append(frame[:len(frame)-1], `,"slot":`...), int64(slot), 10), '}')
		}
	}
	return append(frame, "]}\n\n"...)
}

func appendComma(frame []byte, i int) []byte {
	if i > 0 {
		frame = append(frame, ',')
	}
	return frame
}
