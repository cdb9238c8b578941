package board

import (
	"context"
	"math"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

// tickInterval is the time between two ticks, at which frames (the events of a topic) are made.
// Ticks come at fixed times. If they came when something changes, the time of a frame would
// reveal changes that a viewer may not see.
const tickInterval = 250 * time.Millisecond

// runTicks calls tick at fixed times until ctx ends.
func (b *Board) runTicks(ctx context.Context) {
	ticker := time.NewTicker(tickInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			b.tick(b.opts.Now())
			select {
			case b.ticked <- struct{}{}:
			default:
			}
		case <-ctx.Done():
			return
		}
	}
}

// tick makes the frames of all changes since the last tick, and queues them.
func (b *Board) tick(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.index.advance(now)
	changed, h := b.index.takeChanged(), &b.streams
	if len(h.open) == 0 {
		return
	}
	t := &tick{board: b, now: now, touched: map[*subscription]struct{}{}, streams: map[*Stream]struct{}{}, items: map[*entry][]byte{}}
	isAvailable := b.readyAt(now) == nil
	all := h.isReloaded || isAvailable != h.isAvailable
	h.isReloaded, h.isAvailable = false, isAvailable
	for _, s := range h.shared {
		s.snapshot = nil
		if s.isChanged = all; all {
			s.rank(b.index)
		}
	}
	if all {
		for s := range h.open {
			h.reread[s] = struct{}{}
		}
	}
	for id, before := range changed {
		t.apply(id, before, b.index.byUser[id])
	}
	for s := range h.reread {
		t.touch(s)
	}
	clear(h.reread)
	for sub := range t.touched {
		if sub.shared != nil && sub.own == nil && t.needsOwn(sub) {
			sub.leaveShared()
		}
	}
	for _, s := range h.shared {
		t.frameShared(s)
	}
	for sub := range t.touched {
		if sub.own != nil {
			sub.frame = sub.own.frame(t.updateOwn(sub), t.itemFor(sub.stream.viewer))
			t.streams[sub.stream] = struct{}{}
		}
	}
	for s := range t.streams {
		t.push(s)
	}
	for _, s := range h.joining {
		if !s.closed {
			t.join(s)
		}
	}
	h.joining = h.joining[:0]
}

// tick holds the state of one tick while its frames are made.
type tick struct {
	board   *Board
	now     time.Time
	touched map[*subscription]struct{} // subscriptions whose own (unshared) view may have changed
	streams map[*Stream]struct{}       // streams that have frames to queue after all views are updated
	items   map[*entry][]byte          // entries as JSON
}

// apply applies the change of one user's entry to the shared topics, and adds the subscriptions
// whose own views it may change to the set touched. The argument before is the previous entry,
// or nil if the user had none. The argument after is the new entry, or nil if the user has none
// any more.
func (t *tick) apply(id songspy.UserID, before, after *entry) {
	h := &t.board.streams
	for key, s := range h.shared {
		if key.kind == TopicWindow {
			s.apply(before, after)
		}
	}
	for _, e := range []*entry{before, after} {
		if e == nil {
			continue
		}
		key := sharedKey{TopicTrack, uint64(e.track.PublicID), "track:" + songspy.Handle(e.track.PublicID)}
		if s := h.shared[key]; s != nil {
			s.apply(before, after)
		}
	}
	for _, s := range h.updateOn[id] {
		t.touch(s)
	}
}

func (t *tick) touch(s *Stream) {
	for _, sub := range s.subscriptions {
		t.touched[sub] = struct{}{}
	}
}

// frameShared updates a shared view and makes its frame. It queues the frame for streams that
// have this topic only; push does so for the others. It adds the subscriptions with an own view
// of the topic to the set touched, so that tick updates these views too.
func (t *tick) frameShared(s *sharedTopic) {
	s.frame = nil
	s.limitRanks(t.board.index)
	if !s.isChanged {
		return
	}
	for sub := range s.withOwnView {
		t.touched[sub] = struct{}{}
	}
	if s.frame = s.view.frame(t.updateShared(s), t.itemFor(visibility.Anonymous())); s.frame == nil {
		return
	}
	for sub := range s.withoutOwnView {
		if len(sub.stream.subscriptions) == 1 {
			sub.stream.push(t.queued(s.frame, len(s.withoutOwnView)))
		} else {
			t.streams[sub.stream] = struct{}{}
		}
	}
}

// push queues the frames of a stream, in the order of its topics.
func (t *tick) push(s *Stream) {
	for _, sub := range s.subscriptions {
		switch {
		case sub.own != nil:
			s.push(t.queued(sub.frame, 1))
			sub.frame = nil
		case sub.shared != nil:
			s.push(t.queued(sub.shared.frame, len(sub.shared.withoutOwnView)))
		}
	}
}

// queued returns the frame with the time of this tick. The argument streams is how many
// streams share the frame.
func (t *tick) queued(frame []byte, streams int) queued {
	return queued{frame: frame, held: len(frame) / streams, at: t.now}
}

func (t *tick) updateShared(s *sharedTopic) difference {
	strangers := visibility.Anonymous()
	return s.view.update(t.filter(s.ranked, &s.view.topic, strangers), t.present(&s.view.topic, strangers))
}

// leaveShared gives the subscription an own view, which begins as a copy of the shared one.
func (s *subscription) leaveShared() {
	own := s.shared.view
	own.slots = slices.Clone(own.slots)
	s.own = &own
	delete(s.shared.withoutOwnView, s)
	s.shared.withOwnView[s] = struct{}{}
}

// needsOwn reports whether the viewer may see other users in a shared topic than strangers do:
// fewer because of a block, or more because some users show the viewer more than strangers.
func (t *tick) needsOwn(sub *subscription) bool {
	viewer := sub.stream.viewer
	if viewer.HasBlocks() {
		return true
	}
	for _, e := range t.known(sub, viewer.Known()) {
		if !e.isPublic && e.rankIn(sub.shared.key.seed) < sub.shared.below {
			return true
		}
	}
	return false
}

// known returns the entries of the users. It leaves out entries that the topic of the
// subscription does not show to its viewer.
func (t *tick) known(sub *subscription, users []songspy.UserID) (entries []*entry) {
	present := t.present(&sub.topic, sub.stream.viewer)
	for _, id := range users {
		if e := present(id); e != nil {
			entries = append(entries, e)
		}
	}
	return entries
}

// present returns a function that returns the entry of a user, or nil if the topic does not
// show the entry to the viewer.
func (t *tick) present(topic *Topic, v visibility.Viewer) func(songspy.UserID) *entry {
	return func(id songspy.UserID) *entry {
		if e := t.board.index.byUser[id]; e != nil && t.sees(topic, v, e) {
			return e
		}
		return nil
	}
}

func (t *tick) sees(topic *Topic, v visibility.Viewer, e *entry) bool {
	if !t.board.streams.isAvailable || e.isExpired(t.now) || !topic.shows(e) {
		return false
	}
	return e.isVisible(v, t.now)
}

// filter returns the entries that the topic shows to the viewer.
func (t *tick) filter(entries []ranked, topic *Topic, v visibility.Viewer) []ranked {
	seen := make([]ranked, 0, len(entries))
	for _, r := range entries {
		if t.sees(topic, v, r.entry) {
			seen = append(seen, r)
		}
	}
	return seen
}

// updateOwn updates the own view of the subscription, and returns the difference.
func (t *tick) updateOwn(sub *subscription) difference {
	return sub.own.update(t.candidates(sub), t.presentInOwn(sub))
}

// presentInOwn returns a function that returns the entry of a user, or nil if the own view of
// the subscription does not show the entry.
func (t *tick) presentInOwn(sub *subscription) func(songspy.UserID) *entry {
	present := t.present(&sub.topic, sub.stream.viewer)
	if sub.topic.Kind != TopicFollowing {
		return present
	}
	follows := sub.stream.viewer.Follows()
	return func(id songspy.UserID) *entry {
		if _, follows := slices.BinarySearch(follows, id); !follows {
			return nil
		}
		return present(id)
	}
}

// candidates returns the entries that an own view may show, in the order of their ranks.
func (t *tick) candidates(sub *subscription) (candidates []ranked) {
	var known []*entry
	viewer := sub.stream.viewer
	switch sub.topic.Kind {
	case TopicPerson:
		known = t.known(sub, []songspy.UserID{sub.topic.User})
	case TopicFollowing:
		known = t.known(sub, viewer.Follows())
	default:
		candidates = t.filter(sub.shared.ranked, &sub.topic, viewer)
		for len(candidates) < sub.topic.size() && sub.shared.below != math.MaxUint64 {
			sub.shared.target *= 2
			sub.shared.rank(t.board.index)
			candidates = t.filter(sub.shared.ranked, &sub.topic, viewer)
		}
		known = t.known(sub, viewer.Known())
	}
	for _, e := range known {
		candidates = append(candidates, ranked{e.rankIn(sub.own.seed), e})
	}
	slices.SortFunc(candidates, compareRank)
	return slices.Compact(candidates)
}

// join subscribes the stream to its topics, unless it is subscribed already, and queues a
// snapshot of each.
func (t *tick) join(s *Stream) {
	s.isJoining = false
	for _, sub := range s.subscriptions {
		if sub.own == nil && sub.shared == nil {
			t.subscribe(sub)
		}
	}
	s.pushSnapshots(t.now, func(sub *subscription) []byte {
		if sub.own != nil {
			return sub.own.snapshot(t.now, t.itemFor(s.viewer))
		}
		if sub.shared.snapshot == nil {
			sub.shared.snapshot = sub.shared.view.snapshot(t.now, t.itemFor(visibility.Anonymous()))
		}
		return sub.shared.snapshot
	})
}

func (t *tick) subscribe(sub *subscription) {
	seed := uint64(sub.topic.Handle)
	if sub.topic.Kind == TopicWindow {
		seed = sub.stream.opts.Viewer.window()
	}
	if sub.topic.size() == 0 {
		sub.own = &view{topic: sub.topic, seed: seed}
		t.updateOwn(sub)
		return
	}
	sub.shared = t.sharedTopic(sharedKey{sub.topic.Kind, seed, sub.topic.Name}, sub.topic)
	if !t.needsOwn(sub) {
		sub.shared.withoutOwnView[sub] = struct{}{}
		return
	}
	sub.own = &view{topic: sub.topic, seed: seed}
	sub.shared.withOwnView[sub] = struct{}{}
	t.updateOwn(sub)
}

// sharedTopic returns the shared topic with the key. It makes the topic if there is none yet.
func (t *tick) sharedTopic(key sharedKey, topic Topic) *sharedTopic {
	h := &t.board.streams
	s := h.shared[key]
	if s == nil {
		s = &sharedTopic{
			key: key, view: view{topic: topic, seed: key.seed}, target: rankedTarget,
			withoutOwnView: map[*subscription]struct{}{}, withOwnView: map[*subscription]struct{}{},
		}
		h.shared[key] = s
		s.rank(t.board.index)
		t.updateShared(s)
	}
	return s
}

// itemFor returns a function that returns an entry as JSON, or nil if the viewer does not see
// the entry. An entry is rendered once per tick, and all viewers share the text.
func (t *tick) itemFor(v visibility.Viewer) func(*entry) []byte {
	return func(e *entry) []byte {
		if !e.isVisible(v, t.now) {
			return nil
		}
		item := t.items[e]
		if item == nil {
			if seen, ok := e.reveal(v, t.now); ok {
				item = t.board.opts.RenderLive(seen)
				t.items[e] = item
			}
		}
		return item
	}
}
