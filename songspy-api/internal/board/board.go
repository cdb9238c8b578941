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
)

const (
	// Size is how many people the board shows.
	Size = 40
	// Mistrust is how long the feed may stay unread before the board is no
	// longer shown: it might show people who have withdrawn.
	Mistrust = 10 * time.Second
)

// Options are what a Board is made of.
type Options struct {
	Feed Feed
	// Render makes the bytes that viewers get of at most Size people.
	Render func([]songspy.OnBoard) ([]byte, error)
	Now    func() time.Time
	Log    *slog.Logger
}

// Board is the live board. Run keeps it; Current reads it.
type Board struct {
	o      Options
	page   atomic.Pointer[Page]
	heard  atomic.Int64 // when the feed was last read, Unix nanoseconds; 0: never
	number atomic.Int64 // the last change that is on the board

	mu    sync.Mutex
	crowd *crowd
}

// New makes a Board, which is unavailable until Run has read the feed.
func New(o Options) *Board {
	return &Board{o: o, crowd: newCrowd()}
}

// Page is the board as viewers get it. It must not be changed.
type Page struct {
	Body []byte
	// ETag names the body: replicas that show the same give the same. It is weak,
	// since each answer also carries the time at which it was given.
	ETag string

	until time.Time // when it stops being true; zero: when news come
}

// Current is the board now. It is unavailable before the first reading of the
// feed and while the feed cannot be read.
func (b *Board) Current() (*Page, error) {
	now := b.o.Now()
	if err := b.readyAt(now); err != nil {
		return nil, err
	}
	if p := b.page.Load(); p != nil && p.holds(now) {
		return p, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.page.Load(); p != nil && p.holds(now) { // another viewer was faster
		return p, nil
	}
	return b.render(now)
}

// Ready says why the board cannot be shown, or nil.
func (b *Board) Ready() error { return b.readyAt(b.o.Now()) }

func (b *Board) readyAt(now time.Time) error {
	heard := b.heard.Load()
	if heard == 0 {
		return &songspy.Error{Code: songspy.CodeUnavailable, Message: "The board is being loaded.", RetryAfter: time.Second}
	}
	if silence := now.Sub(time.Unix(0, heard)); silence > Mistrust || silence < -Mistrust { // the clock may have been set back
		return &songspy.Error{
			Code: songspy.CodeUnavailable, RetryAfter: 2 * time.Second,
			Message: fmt.Sprintf("The change feed could not be read for %d s, so the board is not shown.", int(silence.Abs().Seconds())),
		}
	}
	return nil
}

// Stats are figures for metrics.
type Stats struct {
	People int       // who may be shown
	Number int64     // the last change that is on the board
	Heard  time.Time // when the feed was last read; zero: never
}

// Stats reads the figures.
func (b *Board) Stats() Stats {
	b.mu.Lock()
	people := len(b.crowd.people)
	b.mu.Unlock()
	s := Stats{People: people, Number: b.number.Load()}
	if heard := b.heard.Load(); heard != 0 {
		s.Heard = time.Unix(0, heard)
	}
	return s
}

func (p *Page) holds(now time.Time) bool { return p.until.IsZero() || now.Before(p.until) }

// render makes and keeps the page; the caller holds the lock.
func (b *Board) render(now time.Time) (*Page, error) {
	top, until := b.crowd.top(Size, now)
	body, err := b.o.Render(top)
	if err != nil {
		return nil, fmt.Errorf("render the board: %w", err)
	}
	sum := sha256.Sum256(body)
	p := &Page{Body: body, ETag: `W/"` + hex.EncodeToString(sum[:16]) + `"`, until: until}
	b.page.Store(p)
	return p, nil
}
