// Package attention reports to the batch which users viewers watch on their pages, so that it
// polls them more often. A watch is the set of users that one viewer watches. Only keyed hashes
// of viewers are stored.
package attention

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/songspy/songspy/songspy-api/internal/board"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

const (
	// gather is how long new watches are gathered before they are written together. It is
	// short, because it delays the polls for the viewer.
	gather = 50 * time.Millisecond
	// renewal is how often watches are renewed.
	renewal = 30 * time.Second
	// life is how long a watch lasts without renewal.
	life = 75 * time.Second
	// readLasts is how long a viewer watches the users on a page without a stream, after
	// reading it.
	readLasts = 30 * time.Second
	// streamLasts is how long a viewer watches the users that a stream shows, after the
	// last tick (every 250 ms) at which it showed them.
	streamLasts = 2 * time.Second
	// activeFor is how long a stream is reported after it was opened, and after each request of
	// its viewer. After that time, the page is probably open without anyone reading it.
	activeFor = 10 * time.Minute
	// ownLasts is how long a viewer who asked for a poll of themselves counts as watching.
	ownLasts = 10 * time.Second
	// usersMax is how many users one viewer watches at most.
	usersMax = 256
	// viewersMax limits the number of signed-in viewers in memory and, separately, the number
	// of other viewers, because one client can use very many addresses. Watches of further
	// viewers are not reported.
	viewersMax = 1 << 15
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
	viewers map[board.ViewerID]*viewing
	counts  [2]int // how many viewers are known, by kind: 0 for not signed in, 1 for signed in
	most    int    // the limit of each of the two counts: viewersMax
	changed map[board.ViewerID]bool
	wake    chan struct{}
}

// viewing holds what one viewer watches, by the name of the page.
type viewing struct {
	pages    map[string]page
	openedAt time.Time
	// activeAt is when the viewer last sent a request.
	activeAt  time.Time
	isWritten bool // the last written watch has users, so an empty watch must follow when the viewer watches nobody any more
}

// page is what a viewer watches on one page until a time: the users that it shows, and the
// followed users whose next song the viewer waits for there.
type page struct {
	users, followed []songspy.UserID
	until           time.Time
}

func (p page) isEmpty() bool { return len(p.users)+len(p.followed) == 0 }

// New returns a Reporter. The parameter key is the key with which viewers are hashed. Replicas
// have the same key, so a viewer has the same hash on each.
func New(store Store, key []byte, now func() time.Time, log *slog.Logger) *Reporter {
	return &Reporter{
		store: store, key: key, source: rand.Text(), now: now, log: log,
		viewers: map[board.ViewerID]*viewing{}, changed: map[board.ViewerID]bool{}, most: viewersMax, wake: make(chan struct{}, 1),
	}
}

// RecordActive records that the viewer has sent a request and so is active. The open streams
// of the viewer count for ten more minutes.
func (r *Reporter) RecordActive(v board.ViewerID) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.viewingOf(v); known != nil {
		known.activeAt = r.now()
	}
}

// Read records that the viewer has read a page, which the string name identifies. The page
// shows the users in the slice users, and the viewer waits there for the users in the slice
// followed, who may play nothing. The new record replaces the previous one of this page. If
// both slices are empty, the viewer watches nobody on the page any more. Read counts as a
// request of the viewer.
func (r *Reporter) Read(v board.ViewerID, name string, users, followed []songspy.UserID) {
	r.RecordActive(v)
	r.watch(v, name, users, followed, readLasts)
}

// watch records that, for the duration lasts, the viewer sees the users on the page that the
// string name identifies, and waits there for the followed users. The new record replaces the
// previous one of this page. If both slices are empty, the viewer watches nobody on the page
// any more.
func (r *Reporter) watch(v board.ViewerID, name string, users, followed []songspy.UserID, lasts time.Duration) {
	if r == nil {
		return
	}
	seen := page{users: users[:min(len(users), usersMax)], followed: followed[:min(len(followed), usersMax)]}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if r.viewers[v] == nil && seen.isEmpty() {
		return
	}
	known := r.viewingOf(v)
	if known == nil {
		return
	}
	former, open := known.pages[name]
	open = open && now.Before(former.until)
	isSame := slices.Equal(former.users, seen.users) && slices.Equal(former.followed, seen.followed)
	switch {
	case seen.isEmpty():
		delete(known.pages, name)
	case isSame:
		known.pages[name] = page{former.users, former.followed, now.Add(lasts)}
	default:
		known.pages[name] = page{slices.Clone(seen.users), slices.Clone(seen.followed), now.Add(lasts)}
	}
	if !open && !seen.isEmpty() {
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

// viewingOf returns the viewing of the viewer, and creates it if there is none. It returns nil
// if the viewer is new and the limit of viewers of this kind is reached. The caller holds mu.
func (r *Reporter) viewingOf(v board.ViewerID) *viewing {
	known := r.viewers[v]
	if known == nil && r.counts[kind(v)] < r.most {
		known = &viewing{pages: map[string]page{}}
		r.viewers[v] = known
		r.counts[kind(v)]++
	}
	return known
}

func kind(v board.ViewerID) int {
	if v.Account != 0 {
		return 1
	}
	return 0
}

// PollSelf asks the batch for one poll of the user, who is looking at their own page.
func (r *Reporter) PollSelf(ctx context.Context, self songspy.UserID) error {
	if r == nil {
		return nil
	}
	now := r.now()
	return r.store.WriteWatches(ctx, []songspy.Watch{{
		Viewer: r.hashOf(board.ViewerID{Account: self}), Source: r.source, SignedIn: true, Own: true,
		Users: []songspy.UserID{self}, OpenedAt: now, Until: now.Add(ownLasts),
	}})
}

// hashOf returns the keyed hash of a viewer.
func (r *Reporter) hashOf(v board.ViewerID) (hash songspy.ViewerHash) {
	text := "address " + v.Address.String()
	if v.Account != 0 {
		text = "user " + strconv.FormatInt(int64(v.Account), 10)
	}
	mac := hmac.New(sha256.New, r.key)
	mac.Write([]byte(text))
	copy(hash[:], mac.Sum(nil))
	return hash
}

// Run writes watches to the store until ctx ends. It writes new and changed watches together, a
// short time (the constant gather) after the first of them. In each interval of the length renewal
// it writes all watches again, because a watch ends in the store if it is not renewed, and deletes
// those that have ended.
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

// write writes the changed watches, or all watches if the argument all is true.
func (r *Reporter) write(ctx context.Context, all bool) {
	watches := r.take(all)
	if err := r.store.WriteWatches(ctx, watches); err != nil && ctx.Err() == nil {
		r.log.WarnContext(ctx, "reporting watched users failed; the next renewal reports them again", slog.Any(logkey.Error, err))
	}
}

// Streams are the open streams.
type Streams interface {
	// Ticked returns a channel that has a value when streams may show other users than before.
	Ticked() <-chan struct{}
	// Shown returns what each open stream shows now.
	Shown() []board.Shown
}

// ReportStreams reports the users that streams show until ctx ends. A stream counts for the
// duration activeFor (ten minutes) after it was opened, and for the same time after each
// request of its viewer.
func (r *Reporter) ReportStreams(ctx context.Context, streams Streams) {
	if r == nil {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-streams.Ticked():
		}
		for _, w := range streams.Shown() {
			if now := r.now(); now.Sub(w.OpenedAt) < activeFor || now.Sub(r.activeAtOf(w.Viewer)) < activeFor {
				r.watch(w.Viewer, strconv.FormatInt(w.OpenedAt.UnixNano(), 36), w.Users, w.Followed, streamLasts)
			}
		}
	}
}

// activeAtOf returns when the viewer last sent a request, or the zero time if that is not
// known.
func (r *Reporter) activeAtOf(v board.ViewerID) (at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.viewers[v]; known != nil {
		at = known.activeAt
	}
	return at
}

// take returns the changed watches, or all watches if the argument all is true. Of the viewers
// of these watches, it removes those from memory that watch nobody and have sent no request for
// the duration activeFor.
func (r *Reporter) take(all bool) (watches []songspy.Watch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	keys := maps.Keys(r.changed)
	if all {
		keys = maps.Keys(r.viewers)
	}
	for key := range keys {
		v := r.viewers[key]
		w := songspy.Watch{Viewer: r.hashOf(key), Source: r.source, SignedIn: key.Account != 0, OpenedAt: v.openedAt, Until: now.Add(life)}
		for name, p := range v.pages {
			if !now.Before(p.until) {
				delete(v.pages, name)
				continue
			}
			w.Users = append(w.Users, p.users...)
			w.Followed = append(w.Followed, p.followed...)
		}
		w.Users = distinct(w.Users, usersMax)
		w.Followed = slices.DeleteFunc(w.Followed, func(id songspy.UserID) bool { _, seen := slices.BinarySearch(w.Users, id); return seen })
		w.Followed = distinct(w.Followed, usersMax-len(w.Users))
		isWatching := len(w.Users)+len(w.Followed) > 0
		if isWatching || v.isWritten {
			watches = append(watches, w)
		}
		if v.isWritten = isWatching; !isWatching && now.Sub(v.activeAt) >= activeFor {
			delete(r.viewers, key)
			r.counts[kind(key)]--
		}
	}
	clear(r.changed)
	return watches
}

// distinct sorts the users, removes repetitions, and returns at most the given number of users,
// those with the smallest ids.
func distinct(users []songspy.UserID, most int) []songspy.UserID {
	slices.Sort(users)
	users = slices.Compact(users)
	return users[:min(len(users), most)]
}
