package board

import (
	"context"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

const (
	// KeepAlive is the longest time in which a stream sends nothing. After this time, it sends
	// a comment. KeepAlive is half of StaleAfter, because a page that receives nothing for
	// StaleAfter hides all users.
	KeepAlive = StaleAfter / 2
	// retryTooMany is how long a viewer with too many streams has to wait before the next
	// attempt.
	retryTooMany = 15 * time.Second
	// queueTime and queueBytes limit the frames (each the events of one topic at one tick) that
	// wait for a slow reader. A reader that is further behind gets a reset and a snapshot of
	// each topic instead of these frames. A page that has received nothing for queueTime hides
	// all users, so the older frames are of no use to it. queueBytes limits the memory for
	// frames that the stream does not share with other streams. It is enough for 48 users who
	// change once a second for queueTime.
	queueTime, queueBytes = 10 * time.Second, 256 << 10
	// batchBytes limits how much Next returns at once; it returns a longer frame alone. Frames
	// beyond the limit stay in the queue, where a snapshot can replace them if the reader is
	// slow.
	batchBytes = 64 << 10
	// DrainTime is how long the streams take to end when the service stops, so that not
	// all clients connect to another replica at once.
	DrainTime = 5 * time.Second
)

// EndReason says why the server ends a stream.
type EndReason string

// The reasons.
const (
	EndRestart EndReason = "restart" // the service stops, or cannot read the session when it is to end
	EndSession EndReason = "session" // the session of the viewer has ended
)

// ViewerID identifies a viewer: by the user in Account or, if the viewer is not signed in,
// by the network of the client in Address.
type ViewerID struct {
	Account songspy.UserID
	Address netip.Prefix // from SubscriberOf
}

// SubscriberOf returns the network that one subscriber of a provider usually has: the single
// IPv4 address, or the /64 of an IPv6 address. It returns the zero Prefix for a text that is
// not an address.
func SubscriberOf(address string) netip.Prefix {
	const ipv4, subscriber = 32, 64
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return netip.PrefixFrom(addr, ipv4)
	}
	prefix, _ := addr.Prefix(subscriber) // cannot fail: an IPv6 address has more bits
	return prefix
}

// window returns the seed of the viewer's window, which is between 1 and windowCount. It
// selects the users, at most 48, that the front page shows to the viewer. The seed depends only
// on the viewer, so that it is the same on every replica and at every request.
func (k ViewerID) window() uint64 {
	hash := mix(uint64(k.Account))
	if k.Account == 0 {
		for _, b := range k.Address.Addr().As16() {
			hash = mix(hash ^ uint64(b))
		}
	}
	return 1 + hash%windowCount
}

// StreamOptions configures a stream.
type StreamOptions struct {
	Viewer ViewerID
	Topics []Topic
	// RereadOn are the users whose data ReadViewer reads: the viewer, and the owner of the
	// viewer's share link or of the overlay's token. The board calls ReadViewer again after a
	// change of these users, unless only their player or their link to Spotify has changed.
	RereadOn []songspy.UserID
	// ReadViewer returns the viewer as the store has it now, and when the viewer's session
	// ends, or the zero time if there is no session. It returns CodeUnauthorized if the session
	// has ended. people.Service.OpenStream passes it, so that the board does not need the
	// store.
	ReadViewer func(context.Context) (visibility.Viewer, time.Time, error)
}

// Stream is one open stream.
type Stream struct {
	board *Board
	opts  StreamOptions
	wake  chan struct{} // has a value if there may be something to read
	// keepAlive is the timer of KeepAlive. It runs while Next waits.
	keepAlive *time.Timer

	reading sync.Mutex // held while ReadViewer runs, so that the newest viewer is stored last

	// The lock of the board guards the fields from viewer to closed.
	viewer        visibility.Viewer
	updateOn      []songspy.UserID // users whose changes may change the own (unshared) views
	subscriptions []*subscription
	sessionTimer  *time.Timer
	openedAt      time.Time
	isJoining     bool // the next tick queues snapshots
	closed        bool

	mu     sync.Mutex
	queue  []queued
	taken  [][]byte // the slice that Next returns; each call uses it again
	bytes  int      // the sum of the field held over the queue
	behind bool     // the reader was too slow: the queue was dropped, and snapshots must be queued
	ended  bool     // no frames come after those in the queue
}

// queued is a frame that waits for a reader.
type queued struct {
	frame []byte
	// held is how many bytes of the frame count for this reader: the length of the frame
	// divided by the number of streams that share it. A snapshot counts as 0, because the
	// queue holds at most one for each topic.
	held int
	at   time.Time // the time of the tick
}

// subscription is one topic of one stream.
type subscription struct {
	stream *Stream
	topic  Topic
	shared *sharedTopic // nil for topics that are not shared
	own    *view        // nil while the stream gets the frames of the shared view
	frame  []byte       // the frame of the own view, during a tick
}

// visible returns the view that the stream shows of the topic. It returns nil before the
// stream's first tick.
func (s *subscription) visible() *view {
	switch {
	case s.own != nil:
		return s.own
	case s.shared != nil:
		return &s.shared.view
	}
	return nil
}

// OpenStream opens a stream. The caller must close it. The board queues frames for it at each
// tick. The snapshots of its topics come first.
func (b *Board) OpenStream(ctx context.Context, o StreamOptions) (*Stream, error) {
	if err := b.Ready(); err != nil {
		return nil, err
	}
	s := &Stream{board: b, opts: o, wake: make(chan struct{}, 1), keepAlive: time.NewTimer(KeepAlive), openedAt: b.opts.Now()}
	if err := b.streams.register(b, s); err != nil {
		return nil, err
	}
	if err := b.readViewer(ctx, s); err != nil {
		s.Close()
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range o.Topics {
		s.subscriptions = append(s.subscriptions, &subscription{stream: s, topic: t})
	}
	b.streams.join(s)
	return s, nil
}

// Next waits for frames and returns the first of them, as many as batchBytes allows. If none
// come within KeepAlive, it returns no frames and no error. After the last frame of the stream
// it returns io.EOF. The slice is valid until the next call.
func (s *Stream) Next(ctx context.Context) ([][]byte, error) {
	s.keepAlive.Reset(KeepAlive)
	defer s.keepAlive.Stop()
	for {
		frames, behind, ended := s.take()
		switch {
		case len(frames) > 0:
			return frames, nil
		case ended:
			return nil, io.EOF
		case behind:
			s.board.join(s)
		}
		select {
		case <-s.wake:
		case <-s.keepAlive.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *Stream) take() (frames [][]byte, behind, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = s.taken[:0]
	size := 0
	for _, f := range s.queue {
		if size += len(f.frame); size > batchBytes && len(s.taken) > 0 {
			break
		}
		s.taken = append(s.taken, f.frame)
		s.bytes -= f.held
	}
	s.queue = slices.Delete(s.queue, 0, len(s.taken))
	return s.taken, s.behind, s.ended
}

// push queues a frame for the reader. If the queue has reached a limit, push drops all its
// frames instead, and the reader gets a reset and snapshots.
func (s *Stream) push(f queued) {
	if len(f.frame) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.behind || s.ended {
		return
	}
	if s.bytes > queueBytes || len(s.queue) > 0 && f.at.Sub(s.queue[0].at) > queueTime {
		s.behind, s.queue, s.bytes = true, nil, 0
	} else {
		s.queue = append(s.queue, f)
		s.bytes += f.held
		s.board.frames.Add(1)
	}
	s.notify()
}

// pushSnapshots queues a snapshot of each topic of the stream. The function snapshot returns
// the snapshot of a subscription. If the reader was too slow, a reset comes before each
// snapshot.
func (s *Stream) pushSnapshots(now time.Time, snapshot func(*subscription) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	if s.behind {
		s.board.resets.Add(1)
	}
	for _, sub := range s.subscriptions {
		if s.behind {
			s.queue = append(s.queue, queued{frame: sub.visible().resetEvent(), at: now})
		}
		s.queue = append(s.queue, queued{frame: snapshot(sub), at: now})
	}
	s.behind = false
	s.board.frames.Add(int64(len(s.subscriptions)))
	s.notify()
}

// end queues the last frame of the stream: the event end with the reason.
func (s *Stream) end(reason EndReason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.queue = append(s.queue, queued{frame: []byte("event: end\ndata: {\"reason\":\"" + string(reason) + "\"}\n\n")})
		s.ended = true
		s.notify()
	}
}

func (s *Stream) notify() {
	select {
	case s.wake <- struct{}{}:
	default: // there is a value already
	}
}

// Close ends the stream. It may be called twice.
func (s *Stream) Close() {
	b := s.board
	b.mu.Lock()
	defer b.mu.Unlock()
	b.streams.remove(s)
}

// Drop closes the stream of a reader that does not read, and counts it in Stats.Dropped.
func (s *Stream) Drop() {
	s.board.dropped.Add(1)
	s.Close()
}

// join makes the stream get snapshots at the next tick.
func (b *Board) join(s *Stream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.streams.join(s)
}

// readViewer reads the viewer of the stream and stores the result in the stream. If the
// viewer's session has ended, it ends the stream. It returns any other error.
func (b *Board) readViewer(ctx context.Context, s *Stream) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	viewer, until, err := s.opts.ReadViewer(ctx)
	isOver := songspy.CodeOf(err) == songspy.CodeUnauthorized
	if err != nil && !isOver {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.closed {
		return nil
	}
	if isOver {
		s.end(EndSession)
		return nil
	}
	b.streams.setViewer(s, viewer)
	if s.sessionTimer != nil {
		s.sessionTimer.Stop()
	}
	if !until.IsZero() {
		s.sessionTimer = time.AfterFunc(until.Sub(b.opts.Now()), func() { b.rereadAtEnd(s) })
	}
	return nil
}

// rereadAtEnd runs at the time at which the session was to end. It reads the viewer again,
// and the stream ends unless the session was prolonged.
func (b *Board) rereadAtEnd(s *Stream) {
	ctx, cancel := context.WithTimeout(context.Background(), feedTimeout)
	defer cancel()
	if b.readViewer(ctx, s) != nil {
		s.end(EndRestart) // the viewer could not be read; when the client connects again, the session is read again
	}
}

// drain ends all streams, at random times within DrainTime. It returns when all are closed,
// but at the latest one second after DrainTime.
func (b *Board) drain() {
	const grace = time.Second
	b.mu.Lock()
	b.streams.isDraining = true
	for s := range b.streams.open {
		time.AfterFunc(rand.N(DrainTime), func() { s.end(EndRestart) })
	}
	if len(b.streams.open) == 0 {
		close(b.streams.drained) // otherwise the removal of the last stream closes it
	}
	b.mu.Unlock()
	select {
	case <-b.streams.drained:
	case <-time.After(DrainTime + grace):
	}
}
