package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/changefeed/changefeedtest"
	"github.com/songspy/songspy/songspy-domain/telemetry"
	"github.com/songspy/songspy/songspy-domain/visibility"

	"github.com/songspy/songspy/songspy-api/internal/attempt"
	"github.com/songspy/songspy/songspy-api/internal/attention"
	"github.com/songspy/songspy/songspy-api/internal/auth"
	"github.com/songspy/songspy/songspy-api/internal/board"
	"github.com/songspy/songspy/songspy-api/internal/httpapi"
	"github.com/songspy/songspy/songspy-api/internal/linking"
	"github.com/songspy/songspy/songspy-api/internal/people"
)

const (
	streamPath = "/v1/songspy/listening/stream"
	statsPath  = "/bench/stats"
	// interval is the time between two frames.
	interval = 250 * time.Millisecond
	// windowSize is the number of users in a window. Row a changes all of them in each
	// interval.
	windowSize = 48
	// trackLength is how long a song lasts in the rows b and c, in seconds.
	trackLength = 210
	// catalogue is how many different tracks the listening users play.
	catalogue = 10_000
	// mark precedes the time at which an item was rendered, in Unix nanoseconds. It occurs
	// nowhere else in a frame.
	mark = '~'
)

// usage holds the resources that a server process has used so far.
type usage struct {
	RSS        int64   // bytes
	Heap       int64   // bytes that are reachable
	Stacks     int64   // bytes of stacks
	BoardHeap  int64   // bytes that the board added to the heap when it was loaded
	CPUSeconds float64 // of all threads
	Resets     int64
}

// serve runs a server and prints its address. It ends at SIGTERM, or when its standard input
// ends: that happens when the bench ends, even if it crashes.
func serve(o options) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // any error is an end
		stop()
	}()
	group, ctx := errgroup.WithContext(ctx)
	mux := http.NewServeMux()
	stats := func() usage { return usage{} }
	if o.serve == "bare" {
		mux.HandleFunc("GET "+streamPath, newBareLoop(ctx).serve)
	} else {
		live, handler, size, err := newBoard(ctx, group, o)
		if err != nil {
			return err
		}
		mux.Handle("/", handler)
		stats = func() usage { return usage{BoardHeap: size, Resets: live.Stats().Resets} }
	}
	mux.HandleFunc("GET "+statsPath, func(w http.ResponseWriter, _ *http.Request) {
		u := stats()
		u.measure()
		_ = json.NewEncoder(w).Encode(u) // if it fails, the bench cannot decode the answer
	})
	listener, err := telemetry.Listen(ctx, "bench", "127.0.0.1:0")
	if err != nil {
		return err
	}
	debug.FreeOSMemory() // otherwise streams would use memory that the process freed while starting, and RSS would not grow
	fmt.Println(listener.Addr())
	log := telemetry.NewLogger(os.Stderr, "error", "json")
	group.Go(func() error { return telemetry.ServeOn(ctx, listener, &http.Server{Handler: mux}, log) })
	return group.Wait()
}

func (u *usage) measure() {
	u.Heap = heap()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.Stacks = int64(m.StackInuse) //nolint:gosec // far below 2^63
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err == nil {
		u.CPUSeconds = float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
	}
	status, _ := os.ReadFile("/proc/self/statm") // on another system the size is 0
	var total, resident int64
	if _, err := fmt.Sscan(string(status), &total, &resident); err == nil {
		u.RSS = resident * int64(os.Getpagesize())
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // far below 2^63
}

// bareLoop writes one shared frame each interval to all connections, and nothing else.
type bareLoop struct {
	mu   sync.Mutex
	next *bareFrame
}

type bareFrame struct {
	ready chan struct{} // closed when text and next are set
	text  []byte
	next  *bareFrame
}

func newBareLoop(ctx context.Context) *bareLoop {
	b := &bareLoop{next: &bareFrame{ready: make(chan struct{})}}
	item := rendered(newEntry(1, 1, time.Now()))
	go func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				b.publish(item)
			case <-ctx.Done():
				return
			}
		}
	}()
	return b
}

func (b *bareLoop) publish(item []byte) {
	text := []byte("event: playing\ndata: {\"topic\":\"window\",\"items\":[")
	for i := range windowSize {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, item...)
	}
	text = append(text, "]}\n\n"...)
	stamp(text)
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.next
	b.next = &bareFrame{ready: make(chan struct{})}
	now.text, now.next = text, b.next
	close(now.ready)
}

// stamp writes the present time after each mark.
func stamp(text []byte) {
	now := fmt.Appendf(nil, "%019d", time.Now().UnixNano())
	for rest := text; ; {
		i := bytes.IndexByte(rest, mark)
		if i < 0 {
			return
		}
		copy(rest[i+1:], now)
		rest = rest[i+1:]
	}
}

func (b *bareLoop) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Transfer-Encoding", "identity")
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{})
	_ = out.SetWriteDeadline(time.Time{})
	b.mu.Lock()
	frame := b.next
	b.mu.Unlock()
	_, err := w.Write([]byte("retry: 1000\n\n"))
	for err == nil {
		if err = out.Flush(); err != nil {
			return
		}
		select {
		case <-frame.ready:
			_, err = w.Write(frame.text)
			frame = frame.next
		case <-r.Context().Done():
			return
		}
	}
}

// newBoard runs a board with the API's handler. The users on the board begin songs as the row
// o.row requires; see feed.change. The result size is how many bytes of heap the loaded board
// needs.
func newBoard(ctx context.Context, group *errgroup.Group, o options) (live *board.Board, handler http.Handler, size int64, err error) {
	contract, err := readContract()
	if err != nil {
		return nil, nil, 0, err
	}
	log := telemetry.NewLogger(os.Stderr, "error", "json")
	authService, err := auth.New(auth.Options{
		Keys: []auth.Key{{ID: "bench", Seed: bytes.Repeat([]byte("b"), 32)}}, SignUp: auth.SignUp{Policy: auth.PolicyOpen}, Sessions: newSessions(o.streams),
		SessionLife: time.Hour, SessionMaxLife: time.Hour, Now: time.Now, Log: log,
	})
	if err != nil {
		return nil, nil, 0, err
	}
	f := newFeed(o.listeners)
	live = board.New(board.Options{
		Feed: f, Render: httpapi.NewTrackIDs([]byte("bench")).BoardRenderer(""), RenderList: httpapi.RenderList, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		RenderLive: func(seen visibility.Seen[songspy.BoardEntry]) []byte { return marked(httpapi.RenderLive(seen)) },
	})
	var reporter *attention.Reporter
	if o.row == "b" { // in the other rows all viewers have one address, so they would count as one viewer
		reporter = attention.New(noWatches{}, []byte("bench"), time.Now, log)
		group.Go(func() error { reporter.Run(ctx); return nil })
		group.Go(func() error { reporter.ReportStreams(ctx, live); return nil })
	}
	handler, err = httpapi.New(httpapi.Options{
		Contract: contract, Auth: authService, Linking: linking.New(linking.Options{}), Board: live, Attention: reporter,
		People:    people.New(follows{listeners: o.listeners, each: o.followed}, live, nil, time.Now),
		PublicURL: "http://127.0.0.1", Metrics: prometheus.NewRegistry(), Now: time.Now, Log: log,
	})
	if err != nil {
		return nil, nil, 0, err
	}
	before := heap()
	group.Go(func() error { live.Run(ctx); return nil })
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for live.Stats().Users < o.listeners || live.Ready() != nil {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, nil, 0, ctx.Err()
		}
	}
	size = heap() - before
	group.Go(func() error { f.change(ctx, o); return nil })
	return live, handler, size, nil
}

// readContract parses openapi.yaml. It finds the file if the working directory is the
// repository's root, the module's folder or that of this package.
func readContract() (*httpapi.Contract, error) {
	for _, path := range []string{"songspy-api/openapi.yaml", "openapi.yaml", "../../openapi.yaml"} {
		if spec, err := os.ReadFile(path); err == nil {
			return httpapi.ParseContract(spec)
		}
	}
	return nil, fmt.Errorf("openapi.yaml was not found; run this in the root of the repository")
}

// marked adds the mark and the present time to an item.
func marked(item []byte) []byte {
	return fmt.Appendf(item[:len(item)-1], `,"rendered":"%c%019d"}`, mark, time.Now().UnixNano())
}

// rendered returns an entry as the JSON of a stream, with the mark.
func rendered(p songspy.BoardEntry) []byte {
	seen, _ := visibility.Reveal(&p, p.User.ID, p.Rule, visibility.NowThing(&p.Track, p.Playing.StartedAt), visibility.Anonymous(), time.Now())
	return marked(httpapi.RenderLive(seen))
}

// feed is a change feed in memory. It stores when each user's song began and which one it
// is, and makes the entries from that, so that the heap holds the board and little else.
type feed struct {
	changefeedtest.Feed
	mu      sync.Mutex
	started []int64 // Unix nanoseconds
	tracks  []int32
}

func newFeed(listeners int) *feed {
	f := &feed{started: make([]int64, listeners), tracks: make([]int32, listeners)}
	for i := range f.started {
		f.started[i] = time.Now().Add(-time.Duration(rand.IntN(trackLength)) * time.Second).UnixNano()
		f.tracks[i] = int32(rand.IntN(catalogue)) //nolint:gosec // it is small
	}
	return f
}

// change begins songs until ctx ends. In row a, windowSize songs begin in each interval. In the
// other rows, as many songs begin as end in the same time: each user begins one every
// trackLength seconds on average.
func (f *feed) change(ctx context.Context, o options) {
	every, each := 20*time.Millisecond, 0.0
	if o.row == "a" {
		every, each = interval, windowSize
	} else {
		each = float64(o.listeners) / trackLength * every.Seconds()
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	due, next := 0.0, 0
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		for due += each; due >= 1; due-- {
			i := next % len(f.started)
			next += 7919 // a prime, so that the users change in no visible order
			f.mu.Lock()
			f.started[i], f.tracks[i] = time.Now().UnixNano(), int32(rand.IntN(catalogue)) //nolint:gosec // it is small
			f.mu.Unlock()
			f.Add(songspy.UserID(i+1), songspy.ChangePlaying)
		}
		if next > 1<<40 {
			next = 0
		}
	}
}

func (f *feed) entry(i int) songspy.BoardEntry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return newEntry(i+1, int(f.tracks[i]), time.Unix(0, f.started[i]))
}

// newEntry returns a user who plays a song, with texts as long as real ones.
func newEntry(user, track int, start time.Time) songspy.BoardEntry {
	id, name, end := songspy.UserID(user), fmt.Sprintf("듣는 사람 %d", user), start.Add(time.Hour)
	return songspy.BoardEntry{
		User:    songspy.User{ID: id, PublicID: songspy.PublicID(user), NickName: &name},
		Rule:    songspy.SharingRule{Owner: id, Periods: []songspy.Sharing{{UserID: id, Now: songspy.AudienceEveryone, History: songspy.AudienceEveryone}}},
		Playing: songspy.NowPlaying{UserID: id, State: songspy.PlayerPlaying, TrackURI: "spotify:track:song", StartedAt: start, ObservedAt: start, SeenAt: start, EndsAt: &end},
		Track: songspy.Track{
			ID: songspy.TrackID(track + 1), PublicID: songspy.PublicID(track + 1), Kind: songspy.KindTrack, URI: fmt.Sprintf("spotify:track:%022d", track),
			Title: fmt.Sprintf("A Song of the Evening, No. %d", track), Artists: "Somebody, Somebody Else",
			URL: fmt.Sprintf("https://open.spotify.com/track/%022d", track), ImageURL: fmt.Sprintf("https://i.scdn.co/image/%040d", track), DurationMS: 3_600_000,
		},
	}
}

func (f *feed) BoardEntries(_ context.Context, ids []songspy.UserID) ([]songspy.BoardEntry, error) {
	entries := make([]songspy.BoardEntry, len(ids))
	for i, id := range ids {
		entries[i] = f.entry(int(id) - 1)
	}
	return entries, nil
}

func (f *feed) BoardSnapshot(ctx context.Context, each func(songspy.BoardEntry) error) (int64, error) {
	_, last, err := f.FeedBounds(ctx)
	for i := range f.started {
		if err == nil {
			err = each(f.entry(i))
		}
	}
	return last, err
}

// follows is a store in which each viewer follows some of the listening users.
type follows struct {
	people.Store
	listeners, each int
}

func (f follows) Relations(_ context.Context, id songspy.UserID) (list []songspy.Follow, _ []songspy.Block, _ error) {
	r := rand.New(rand.NewPCG(uint64(id), 0)) //nolint:gosec // ids are positive
	for range f.each {
		list = append(list, songspy.Follow{UserID: songspy.UserID(1 + r.IntN(f.listeners)), FollowerID: id, State: songspy.FollowApproved})
	}
	return list, nil, nil
}

// noWatches is an attention.Store that discards the watches (which viewer watches which users).
type noWatches struct{}

func (noWatches) WriteWatches(context.Context, []songspy.Watch) error { return nil }
func (noWatches) PruneWatches(context.Context) (int64, error)         { return 0, nil }

type authSessions = auth.Sessions

// sessions holds a session for each viewer.
type sessions struct {
	authSessions
	byHash map[string]songspy.Session
	byID   map[int64]songspy.Session
}

// firstViewer is the id of the first viewer. The listening users have smaller ids.
const firstViewer = 1 << 30

func cookie(viewer int) string { return fmt.Sprintf("viewer-%d", viewer) }

func newSessions(viewers int) sessions {
	s, now := sessions{byHash: map[string]songspy.Session{}, byID: map[int64]songspy.Session{}}, time.Now()
	for i := range viewers {
		session := songspy.Session{
			ID: int64(i + 1), Family: int64(i + 1), UserID: songspy.UserID(firstViewer + i), Kind: songspy.SessionCookie,
			CreatedAt: now, SignedInAt: now, LastUsedAt: now, ExpiresAt: now.Add(time.Hour),
		}
		s.byHash[string(attempt.Hash(songspy.Secret(cookie(i))))], s.byID[session.ID] = session, session
	}
	return s
}

func (s sessions) Session(_ context.Context, id int64) (songspy.Session, error) {
	return s.byID[id], nil
}

func (s sessions) SessionBySecret(_ context.Context, hash []byte) (songspy.Session, error) {
	return s.byHash[string(hash)], nil
}

func (s sessions) TouchSession(context.Context, int64, time.Time) error { return nil }
