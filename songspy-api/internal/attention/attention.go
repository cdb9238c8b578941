// Package attention reports to the batch which users are being watched, so that it polls
// them more often. Only keyed hashes of viewers are stored.
package attention

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/songspy/songspy/songspy-api/internal/board"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

const (
	// gather is how long new watches are gathered before they are written together.
	gather = 100 * time.Millisecond
	// renewal is how often watches are renewed.
	renewal = 30 * time.Second
	// life is how long a watch lasts without renewal.
	life = 75 * time.Second
	// streamInterval is how often the users that streams show are read.
	streamInterval = 200 * time.Millisecond
	// streamLasts is how long a stream counts after it was last read.
	streamLasts = 2 * time.Second
	// streamCounts is how long a stream counts after it was opened: a page may stay open without
	// a reader.
	streamCounts = 10 * time.Minute
	// ownLasts is how long a viewer who asked for a poll of themselves counts as watching.
	ownLasts = 10 * time.Second
	// usersMax is how many users one viewer watches at most.
	usersMax = 256
)

// Store stores watches for the batch.
type Store interface {
	WriteWatches(ctx context.Context, watches []songspy.Watch) error
	PruneWatches(ctx context.Context) (int64, error)
}

// Reporter gathers what viewers watch and writes it. A nil Reporter reports nothing.
type Reporter struct {
	store  Store
	key    []byte
	source string
	now    func() time.Time
	log    *slog.Logger

	mu      sync.Mutex
	viewers map[board.ViewerKey]*viewer
	changed map[board.ViewerKey]bool
	wake    chan struct{}
}

// viewer is what one viewer watches, by page.
type viewer struct {
	pages    map[string]page
	openedAt time.Time
}

type page struct {
	users []songspy.UserID
	until time.Time
}

// New returns a Reporter. The key makes hashes of viewers; replicas share it.
func New(store Store, key []byte, now func() time.Time, log *slog.Logger) *Reporter {
	return &Reporter{
		store: store, key: key, source: rand.Text(), now: now, log: log,
		viewers: map[board.ViewerKey]*viewer{}, changed: map[board.ViewerKey]bool{}, wake: make(chan struct{}, 1),
	}
}

// Watch records that the viewer sees these users on a page for the given time. It
// replaces what the viewer saw there before; no users end that.
func (r *Reporter) Watch(v board.ViewerKey, name string, users []songspy.UserID, lasts time.Duration) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	known := r.viewers[v]
	if known == nil {
		if len(users) == 0 {
			return
		}
		known = &viewer{pages: map[string]page{}}
		r.viewers[v] = known
	}
	former, open := known.pages[name]
	open = open && now.Before(former.until)
	isSame := slices.Equal(former.users, users)
	switch {
	case len(users) == 0:
		delete(known.pages, name)
	case isSame:
		known.pages[name] = page{former.users, now.Add(lasts)}
	default:
		known.pages[name] = page{slices.Clone(users), now.Add(lasts)}
	}
	if !open && len(users) > 0 {
		known.openedAt = now
	}
	if !open || !isSame {
		r.changed[v] = true
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// PollSelf asks the batch for one poll of the user, who is looking at their own page.
func (r *Reporter) PollSelf(ctx context.Context, self songspy.UserID) error {
	if r == nil {
		return nil
	}
	now := r.now()
	return r.store.WriteWatches(ctx, []songspy.Watch{{
		Viewer: r.keyOf(board.ViewerKey{Account: self}), Source: r.source, SignedIn: true, Own: true,
		Users: []songspy.UserID{self}, OpenedAt: now, Until: now.Add(ownLasts),
	}})
}

// keyOf returns the keyed hash of a viewer.
func (r *Reporter) keyOf(v board.ViewerKey) (key songspy.ViewerKey) {
	text := "address " + v.Address.String()
	if v.Account != 0 {
		text = "user " + strconv.FormatInt(int64(v.Account), 10)
	}
	mac := hmac.New(sha256.New, r.key)
	mac.Write([]byte(text))
	copy(key[:], mac.Sum(nil))
	return key
}

// Run writes watches until ctx ends.
func (r *Reporter) Run(ctx context.Context) {
	if r == nil {
		return
	}
	renew := time.NewTicker(renewal)
	defer renew.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-renew.C:
			r.write(ctx, true)
			if _, err := r.store.PruneWatches(ctx); err != nil && ctx.Err() == nil {
				r.log.WarnContext(ctx, "deleting ended watches failed; it is tried again", slog.Any(logkey.Error, err))
			}
		case <-r.wake:
			select {
			case <-ctx.Done():
				return
			case <-time.After(gather):
			}
			r.write(ctx, false)
		}
	}
}

// write writes the changed watches, or all.
func (r *Reporter) write(ctx context.Context, all bool) {
	watches := r.take(all)
	if err := r.store.WriteWatches(ctx, watches); err != nil && ctx.Err() == nil {
		r.log.WarnContext(ctx, "reporting watched users failed; the next renewal reports them again", slog.Any(logkey.Error, err))
	}
}

// Streams returns what each open stream shows now.
type Streams interface{ Watched() []board.Watch }

// FollowStreams reports the users that streams show until ctx ends. A stream counts for
// ten minutes.
func (r *Reporter) FollowStreams(ctx context.Context, streams Streams) {
	if r == nil {
		return
	}
	tick := time.NewTicker(streamInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, w := range streams.Watched() {
			if r.now().Sub(w.OpenedAt) < streamCounts {
				r.Watch(w.Viewer, strconv.FormatInt(w.OpenedAt.UnixNano(), 36), w.Users, streamLasts)
			}
		}
	}
}

// take returns the changed watches, or all, and forgets viewers who watch nobody.
func (r *Reporter) take(all bool) (watches []songspy.Watch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	for key, v := range r.viewers {
		if !all && !r.changed[key] {
			continue
		}
		w := songspy.Watch{Viewer: r.keyOf(key), Source: r.source, SignedIn: key.Account != 0, OpenedAt: v.openedAt, Until: now.Add(life)}
		for name, p := range v.pages {
			if !now.Before(p.until) {
				delete(v.pages, name)
				continue
			}
			w.Users = append(w.Users, p.users...)
		}
		slices.Sort(w.Users)
		w.Users = slices.Compact(w.Users)
		w.Users = w.Users[:min(len(w.Users), usersMax)]
		if len(w.Users) == 0 {
			delete(r.viewers, key)
		}
		watches = append(watches, w)
	}
	clear(r.changed)
	return watches
}
