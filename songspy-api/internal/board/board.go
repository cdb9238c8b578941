package board

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"

	"github.com/songspy/songspy/songspy-api/internal/viewercache"
)

const (
	// MaxEntries is how many users the board shows at most.
	MaxEntries = 40
	// StaleAfter is how long the board is shown after the change feed was last read. After that
	// it is not shown, because it might show users who have stopped sharing.
	StaleAfter = 10 * time.Second
)

// Options configures a Board.
type Options struct {
	Feed Feed
	// Render, RenderList and RenderLive are functions of package httpapi. They are passed in,
	// so that this package does not depend on the contract. Render returns the body of the
	// answer for the users on the board, at most MaxEntries.
	Render func([]visibility.Seen[songspy.BoardEntry]) ([]byte, error)
	// RenderList returns the body of the answer for a list of listening users. The argument
	// next is the position of the last user in the list if more users follow, and nil
	// otherwise.
	RenderList func(listening []visibility.Seen[songspy.BoardEntry], next *Position) ([]byte, error)
	// RenderLive returns an entry of a stream as a JSON object.
	RenderLive func(visibility.Seen[songspy.BoardEntry]) []byte
	// StreamsPerAccount limits the open streams of a user, and StreamsPerAddress those of all
	// viewers at one address who are not signed in. 0 means no limit.
	StreamsPerAccount, StreamsPerAddress int
	// Viewers is the viewer cache, or nil if there is none. The board applies each change to
	// the cache before it calls ReadViewer, so that ReadViewer reads the changed values.
	Viewers *viewercache.Cache
	Now     func() time.Time
	Log     *slog.Logger
}

// Board is the live board. Run updates it; Current reads it.
type Board struct {
	opts       Options
	answer     atomic.Pointer[Answer]
	readAt     atomic.Int64 // when the feed was last read, in Unix nanoseconds; 0 if never
	lastChange atomic.Int64 // the number of the last change of the feed that the board has applied

	frames, resets, dropped atomic.Int64 // see Stats
	ticked                  chan struct{}

	mu       sync.Mutex
	index    *index
	list     *list // the rendered list of listening users; nil after a change, until a viewer requests the list
	streams  streams
	prunedAt time.Time // when entries whose song is over were last removed
}

// New returns a Board. It is unavailable until Run has read the feed.
func New(o Options) *Board {
	return &Board{opts: o, index: newIndex(), streams: newStreams(), ticked: make(chan struct{}, 1)}
}

// Answer is a rendered answer that many viewers get: the board, or a list of listening users.
// It must not be changed.
type Answer struct {
	Body []byte
	// ETag identifies the body; replicas with the same body have the same ETag. It is weak,
	// because the board is sent with the time of sending, which is not part of Body.
	ETag string

	validUntil time.Time // until when the answer is valid; zero if it is valid until a change
}

// Current returns the current board. It returns CodeUnavailable until the feed has
// been read, and when the feed was not read for longer than StaleAfter.
func (b *Board) Current() (*Answer, error) {
	now := b.opts.Now()
	if err := b.readyAt(now); err != nil {
		return nil, err
	}
	if p := b.answer.Load(); p != nil && p.isValidAt(now) {
		return p, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.answer.Load(); p != nil && p.isValidAt(now) { // another viewer has rendered it
		return p, nil
	}
	return b.render(now)
}

// Filter limits the users that Listening returns.
type Filter int

// The filters.
const (
	AllVisible   Filter = iota // all users that the viewer may see
	OnlyFollowed               // the users that the viewer follows
)

// Listening returns up to limit users that the viewer sees and the filter admits, newest start
// first. It begins after the given position in that order, or with the newest if the position
// is nil. The result next is the position of the last returned user if more users follow, and
// nil otherwise.
func (b *Board) Listening(v visibility.Viewer, f Filter, after *Position, limit int) (seen []visibility.Seen[songspy.BoardEntry], next *Position, err error) {
	if after == nil {
		after = &beginning
	}
	err = b.read(func(x *index, now time.Time) { seen, next = x.listening(v, f, *after, limit, now) })
	return seen, next, err
}

// Window returns the users in the viewer's window, a choice of at most 48 users that the viewer
// may see, newest start first. A stream also shows paused users there; Window leaves them out.
// The parameter key identifies the viewer, and the viewer's window is computed from it.
func (b *Board) Window(v visibility.Viewer, key ViewerID) (seen []visibility.Seen[songspy.BoardEntry], err error) {
	err = b.read(func(x *index, now time.Time) { seen = x.window(v, key.window(), now) })
	return seen, err
}

// Listeners returns up to limit users that the viewer sees listening to the track, newest start
// first.
func (b *Board) Listeners(v visibility.Viewer, track songspy.PublicID, limit int) (seen []visibility.Seen[songspy.BoardEntry], err error) {
	err = b.read(func(x *index, now time.Time) { seen = x.listeners(v, track, limit, now) })
	return seen, err
}

// NowPlaying returns what the user plays now, if the viewer sees it.
func (b *Board) NowPlaying(v visibility.Viewer, user songspy.UserID) (seen visibility.Seen[songspy.BoardEntry], ok bool, err error) {
	err = b.read(func(x *index, now time.Time) {
		if e, known := x.byUser[user]; known && !e.isExpired(now) && !e.isPaused {
			seen, ok = e.reveal(v, now)
		}
	})
	return seen, ok, err
}

// read calls the given function with the index and the time while it holds the lock. If the
// board is not available, it returns CodeUnavailable and does not call the function.
func (b *Board) read(read func(*index, time.Time)) error {
	now := b.opts.Now()
	if err := b.readyAt(now); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	read(b.index, now)
	return nil
}

// Ready returns an error that says why the board is not available, or nil.
func (b *Board) Ready() error { return b.readyAt(b.opts.Now()) }

func (b *Board) readyAt(now time.Time) error {
	readAt := b.readAt.Load()
	if readAt == 0 {
		return &songspy.Error{Code: songspy.CodeUnavailable, Message: "The board is being loaded.", RetryAfter: time.Second}
	}
	if age := now.Sub(time.Unix(0, readAt)); age > StaleAfter || age < -StaleAfter { // the clock may have been set back
		return &songspy.Error{
			Code: songspy.CodeUnavailable, RetryAfter: 2 * time.Second,
			Message: fmt.Sprintf("The change feed could not be read for %d s, so the board is not shown.", int(age.Abs().Seconds())),
		}
	}
	return nil
}

// Stats are the numbers for the metrics.
type Stats struct {
	Users      int       // users with an entry, also hidden and paused ones
	LastChange int64     // the number of the last change of the feed that the board has applied
	FeedReadAt time.Time // when the feed was last read; the zero time if it never was
	Streams    int       // open streams
	Frames     int64     // frames (the events of one topic at one tick) that were queued for streams
	Resets     int64     // resets of streams whose readers were too slow
	Dropped    int64     // streams that were closed because their readers did not read
}

// Stats returns the numbers for the metrics.
func (b *Board) Stats() Stats {
	b.mu.Lock()
	s := Stats{Users: len(b.index.byUser), Streams: len(b.streams.open)}
	b.mu.Unlock()
	s.LastChange, s.Frames, s.Resets, s.Dropped = b.lastChange.Load(), b.frames.Load(), b.resets.Load(), b.dropped.Load()
	if readAt := b.readAt.Load(); readAt != 0 {
		s.FeedReadAt = time.Unix(0, readAt)
	}
	return s
}

// ETag returns the weak ETag of a body.
func ETag(body []byte) string {
	sum := sha256.Sum256(body)
	return `W/"` + hex.EncodeToString(sum[:16]) + `"`
}

func (p *Answer) isValidAt(now time.Time) bool {
	return p.validUntil.IsZero() || now.Before(p.validUntil)
}

// forgetAnswers makes the next viewers render the answers again. The caller holds the lock.
func (b *Board) forgetAnswers() {
	b.answer.Store(nil)
	b.list = nil
}

// render renders the board and stores the result as the answer of Current. The caller holds the
// lock.
func (b *Board) render(now time.Time) (*Answer, error) {
	top, until := b.index.top(MaxEntries, now)
	body, err := b.opts.Render(top)
	if err != nil {
		return nil, fmt.Errorf("render the board: %w", err)
	}
	p := &Answer{Body: body, ETag: ETag(body), validUntil: until}
	b.answer.Store(p)
	return p, nil
}
