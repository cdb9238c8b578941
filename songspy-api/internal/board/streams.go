package board

import (
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

// streams holds all open streams. The board's lock guards it.
type streams struct {
	open    map[*Stream]struct{}
	counts  map[ViewerID]int
	joining []*Stream
	reread  map[*Stream]struct{} // streams whose viewer was read since the last tick
	shared  map[sharedKey]*sharedTopic
	// rereadOn maps a user to the streams whose ReadViewer reads data of this user. They call it
	// again when that data changes. Most streams share one view of a topic, which shows what
	// strangers see. updateOn maps a user to the streams whose own views may change when the entry
	// of this user changes, although the shared view does not.
	rereadOn, updateOn map[songspy.UserID][]*Stream

	isReloaded  bool // the index was replaced since the last tick
	isAvailable bool // the board was available at the last tick
	isDraining  bool
	drained     chan struct{} // closed when the last stream is closed while draining
}

func newStreams() streams {
	return streams{
		open: map[*Stream]struct{}{}, counts: map[ViewerID]int{}, reread: map[*Stream]struct{}{}, shared: map[sharedKey]*sharedTopic{},
		rereadOn: map[songspy.UserID][]*Stream{}, updateOn: map[songspy.UserID][]*Stream{}, drained: make(chan struct{}),
	}
}

// register adds a stream. It returns CodeTooMany above the limits, and CodeUnavailable while
// the service stops.
func (h *streams) register(b *Board, s *Stream) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h.isDraining {
		return &songspy.Error{Code: songspy.CodeUnavailable, Message: "The service is stopping.", RetryAfter: time.Second}
	}
	limit := b.opts.StreamsPerAddress
	if s.opts.Viewer.Account != 0 {
		limit = b.opts.StreamsPerAccount
	}
	if limit > 0 && h.counts[s.opts.Viewer] >= limit {
		return &songspy.Error{Code: songspy.CodeTooMany, Message: "Too many streams are open.", RetryAfter: retryTooMany}
	}
	h.counts[s.opts.Viewer]++
	h.open[s] = struct{}{}
	for _, id := range s.opts.RereadOn {
		h.rereadOn[id] = append(h.rereadOn[id], s)
	}
	return nil
}

// remove forgets a stream.
func (h *streams) remove(s *Stream) {
	if s.closed {
		return
	}
	s.closed = true
	if s.sessionTimer != nil {
		s.sessionTimer.Stop()
	}
	if h.counts[s.opts.Viewer]--; h.counts[s.opts.Viewer] == 0 {
		delete(h.counts, s.opts.Viewer)
	}
	delete(h.open, s)
	delete(h.reread, s)
	for _, id := range s.opts.RereadOn {
		removeStream(h.rereadOn, id, s)
	}
	h.setUpdateOn(s, nil)
	for _, sub := range s.subscriptions {
		if t := sub.shared; t != nil {
			delete(t.withoutOwnView, sub)
			delete(t.withOwnView, sub)
			if len(t.withoutOwnView)+len(t.withOwnView) == 0 {
				delete(h.shared, t.key)
			}
		}
	}
	if h.isDraining && len(h.open) == 0 {
		close(h.drained)
	}
}

func removeStream(by map[songspy.UserID][]*Stream, id songspy.UserID, s *Stream) {
	list := by[id]
	if i := slices.Index(list, s); i >= 0 {
		last := len(list) - 1
		list[i], list[last] = list[last], nil
		by[id] = list[:last]
	}
	if len(by[id]) == 0 {
		delete(by, id)
	}
}

func (h *streams) join(s *Stream) {
	if !s.closed && !s.isJoining {
		s.isJoining = true
		h.joining = append(h.joining, s)
	}
}

func (h *streams) setViewer(s *Stream, v visibility.Viewer) {
	s.viewer = v
	watched := v.Known()
	for _, t := range s.opts.Topics {
		if t.Kind == TopicPerson {
			watched = append(watched, t.User)
		}
	}
	slices.Sort(watched)
	h.setUpdateOn(s, slices.Compact(watched))
	h.reread[s] = struct{}{}
}

// setUpdateOn sets the users whose changes may change the stream's own views.
func (h *streams) setUpdateOn(s *Stream, users []songspy.UserID) {
	for _, id := range s.updateOn {
		removeStream(h.updateOn, id, s)
	}
	for _, id := range users {
		h.updateOn[id] = append(h.updateOn[id], s)
	}
	s.updateOn = users
}

// toReread returns the streams whose ReadViewer reads data of the users.
func (h *streams) toReread(users []songspy.UserID) (streams []*Stream) {
	for _, id := range users {
		streams = append(streams, h.rereadOn[id]...)
	}
	return streams
}

// Shown is what one stream shows.
type Shown struct {
	Viewer   ViewerID
	OpenedAt time.Time
	Users    []songspy.UserID // in no order; a user may be listed twice
	// Followed are the users that the viewer follows with approval, if the stream has the topic
	// of followed users. Some of them may play nothing: the viewer waits for their next song.
	Followed []songspy.UserID
}

// Ticked returns a channel that has a value after a tick: then streams may show other
// users than before. Only one reader may use the channel.
func (b *Board) Ticked() <-chan struct{} { return b.ticked }

// Shown returns what each open stream shows now.
func (b *Board) Shown() []Shown {
	b.mu.Lock()
	defer b.mu.Unlock()
	shared := map[*view][]songspy.UserID{} // by view, because most streams share a view
	watched := make([]Shown, 0, len(b.streams.open))
	for s := range b.streams.open {
		w := Shown{Viewer: s.opts.Viewer, OpenedAt: s.openedAt}
		for i, sub := range s.subscriptions {
			if sub.topic.Kind == TopicFollowing {
				w.Followed = s.viewer.Follows()
			}
			v := sub.visible()
			if v == nil {
				continue
			}
			users, known := shared[v]
			if !known {
				for _, e := range v.slots {
					if e != nil {
						users = append(users, e.user)
					}
				}
				users = slices.Clip(users)
				shared[v] = users
			}
			if i == 0 {
				w.Users = users
			} else {
				w.Users = append(w.Users, users...)
			}
		}
		watched = append(watched, w)
	}
	return watched
}
