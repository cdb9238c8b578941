package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/changefeed/changefeedtest"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/telemetry"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"

	"github.com/songspy/songspy/songspy-api/internal/attempt"
	"github.com/songspy/songspy/songspy-api/internal/auth"
	"github.com/songspy/songspy/songspy-api/internal/board"
	"github.com/songspy/songspy/songspy-api/internal/httpapi"
	"github.com/songspy/songspy/songspy-api/internal/linking"
	"github.com/songspy/songspy/songspy-api/internal/people"
	"github.com/songspy/songspy/songspy-api/internal/viewercache"
)

const route, listeningRoute = "/v1/songspy/tracks/current-playing", "/v1/songspy/listening"

// startServers serves a board that does not change, a board that changes, the list of listening
// users of the board that does not change, and bare handlers that write the same bytes. It
// returns the contenders, and the group that ends when ctx ends or a server fails.
func startServers(ctx context.Context, o options) ([]contender, *errgroup.Group, error) {
	contract, err := readContract()
	if err != nil {
		return nil, nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	db, err := newDatabase(ctx, group)
	if err != nil {
		return nil, nil, err
	}
	still, err := serveBoard(ctx, group, o, contract, db, 0)
	if err != nil {
		return nil, nil, err
	}
	changing, err := serveBoard(ctx, group, o, contract, db, o.changes)
	if err != nil {
		return nil, nil, err
	}
	contenders := []contender{
		{name: "bare Gin, the board's bytes"},
		{name: fmt.Sprintf("board, %d users", o.users), url: still + route},
		{name: fmt.Sprintf("the same, %d songs/s", o.changes), url: changing + route},
		{name: "bare Gin, the list's bytes", bare: bareListening},
		{name: fmt.Sprintf("list of listeners, %d followed, %d blocked", followed, blocked), url: still + listeningRoute, cookie: cookie, bare: bareListening},
	}
	gin.SetMode(gin.ReleaseMode)
	bare := gin.New()
	for _, c := range []*contender{&contenders[1], &contenders[4]} {
		var body bytes.Buffer
		if err := request(ctx, http.DefaultTransport, c, &body); err != nil {
			return nil, nil, err
		}
		bare.GET(strings.TrimPrefix(c.url, still), func(c *gin.Context) { c.Data(http.StatusOK, "application/json", body.Bytes()) })
	}
	plain, err := listen(ctx, group, bare)
	contenders[0].url, contenders[bareListening].url = plain+route, plain+listeningRoute
	return contenders, group, err
}

const (
	// followed is how many users the viewer follows who requests the list of listening users, and
	// blocked is how many users that viewer blocks.
	followed, blocked = 50, 5
	// bareListening is the index of the contender whose bare handler writes the same bytes as
	// the list of listening users.
	bareListening = 3
	cookie        = "cookie-of-the-viewer"
)

// newDatabase returns a database with the session and the relations of a viewer. When ctx
// ends, the group deletes the database.
func newDatabase(ctx context.Context, group *errgroup.Group) (*store.Store, error) {
	dir, err := os.MkdirTemp("", "songspy-bench")
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, store.Options{
		URL: "sqlite:" + filepath.Join(dir, "bench.db"), SealKeys: []store.SealKey{{ID: "bench", Key: bytes.Repeat([]byte("b"), 32)}}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	group.Go(func() error {
		<-ctx.Done()
		return errors.Join(db.Close(), os.RemoveAll(dir))
	})
	return db, errors.Join(db.Migrate(ctx), addViewer(ctx, db))
}

// addViewer adds the viewer, and the users that the viewer follows and blocks.
func addViewer(ctx context.Context, db *store.Store) error {
	var viewer songspy.UserID
	for i := range 1 + followed + blocked {
		u, _, err := db.SignIn(ctx, songspy.GoogleProfile{Subject: fmt.Sprint(i)}, songspy.AudienceEveryone)
		switch {
		case err != nil:
		case i == 0:
			viewer = u.ID
		case i <= followed:
			if _, err = db.RequestFollow(ctx, u.ID, viewer); err == nil {
				_, err = db.ApproveFollow(ctx, u.ID, viewer)
			}
		default:
			err = db.Block(ctx, viewer, u.ID)
		}
		if err != nil {
			return err
		}
	}
	now := time.Now()
	_, err := db.CreateSession(ctx, songspy.Session{
		UserID: viewer, Kind: songspy.SessionCookie, SecretHash: attempt.Hash(cookie),
		CreatedAt: now, SignedInAt: now, LastUsedAt: now, ExpiresAt: now.Add(sessionLife),
	})
	return err
}

const sessionLife = 24 * time.Hour

// readContract parses openapi.yaml. It finds the file if the working directory is the
// repository's root, the module's folder or that of this package.
func readContract() (*httpapi.Contract, error) {
	for _, path := range []string{"openapi.yaml", "songspy-api/openapi.yaml", "../openapi.yaml"} {
		if spec, err := os.ReadFile(path); err == nil {
			return httpapi.ParseContract(spec)
		}
	}
	return nil, fmt.Errorf("openapi.yaml was not found; run this in the root of the repository")
}

// serveBoard starts a server with the API's handler, and returns its URL. Its board follows a
// fake change feed, in which as many songs begin each second as the parameter changes says. The
// database db has the sessions and relations of viewers.
func serveBoard(ctx context.Context, group *errgroup.Group, o options, contract *httpapi.Contract, db *store.Store, changes int) (string, error) {
	log := telemetry.NewLogger(os.Stderr, "info", "json")
	viewers := viewercache.New(time.Now)
	authService, err := auth.New(auth.Options{
		Keys: []auth.Key{{ID: "bench", Seed: bytes.Repeat([]byte("b"), 32)}}, SignUp: auth.SignUp{Policy: auth.PolicyOpen},
		Sessions: db, SessionLife: sessionLife, SessionMaxLife: sessionLife, Viewers: viewers, Now: time.Now, Log: log,
	})
	if err != nil {
		return "", err
	}
	c := newFakeFeed(o.users)
	live := board.New(board.Options{Feed: c, Render: httpapi.NewTrackIDs([]byte("bench")).BoardRenderer(""), RenderList: httpapi.RenderList, Viewers: viewers, Now: time.Now, Log: log})
	handler, err := httpapi.New(httpapi.Options{
		Contract: contract, Auth: authService, Linking: linking.New(linking.Options{}), Board: live, People: people.New(db, live, viewers, time.Now),
		PublicURL: "http://127.0.0.1", Metrics: prometheus.NewRegistry(), Now: time.Now, Log: log, RequestTimeout: time.Minute,
	})
	if err != nil {
		return "", err
	}
	group.Go(func() error { live.Run(ctx); return nil })
	if err := waitUntilLoaded(ctx, live, o.users); err != nil {
		return "", err
	}
	if changes > 0 {
		group.Go(func() error { c.changeSongs(ctx, changes); return nil })
	}
	log.InfoContext(ctx, "serving a board", slog.Int(logkey.Users, live.Stats().Users), slog.Int("changes", changes))
	return listen(ctx, group, handler)
}

// fakeFeed is a change feed in memory. All its users play a song.
type fakeFeed struct {
	changefeedtest.Feed
	mu      sync.Mutex
	entries []songspy.BoardEntry
}

func newFakeFeed(entries int) *fakeFeed {
	c := &fakeFeed{entries: make([]songspy.BoardEntry, entries)}
	now := time.Now()
	for i := range c.entries {
		c.entries[i] = newEntry(i, now.Add(-time.Duration(rand.IntN(600))*time.Second))
	}
	return c
}

// newEntry returns a user who plays a long song, with texts as long as real ones.
func newEntry(i int, start time.Time) songspy.BoardEntry {
	name, end := fmt.Sprintf("듣는 사람 %d", i), start.Add(time.Hour)
	return songspy.BoardEntry{
		User:    songspy.User{ID: songspy.UserID(i + 1), PublicID: songspy.PublicID(i + 1), NickName: &name},
		Rule:    songspy.SharingRule{Owner: songspy.UserID(i + 1), Periods: []songspy.Sharing{{Now: songspy.AudienceEveryone}}},
		Playing: songspy.NowPlaying{UserID: songspy.UserID(i + 1), State: songspy.PlayerPlaying, TrackURI: "spotify:track:song", StartedAt: start, ObservedAt: start, EndsAt: &end},
		Track: songspy.Track{
			ID: songspy.TrackID(i + 1), Kind: songspy.KindTrack, Title: fmt.Sprintf("A Song of the Evening, No. %d", i), Artists: "Somebody, Somebody Else",
			URL: fmt.Sprintf("https://open.spotify.com/track/%022d", i), ImageURL: fmt.Sprintf("https://i.scdn.co/image/%040d", i), DurationMS: 3_600_000,
		},
	}
}

// waitUntilLoaded waits until all users are on the board. It returns an error if ctx ends
// first.
func waitUntilLoaded(ctx context.Context, b *board.Board, entries int) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for b.Stats().Users < entries || b.Ready() != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// changeSongs begins perSecond songs a second until ctx ends.
func (c *fakeFeed) changeSongs(ctx context.Context, perSecond int) {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.startSong(rand.IntN(len(c.entries)))
		}
	}
}

func (c *fakeFeed) startSong(i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries[i] = newEntry(i, time.Now())
	c.Add(songspy.UserID(i+1), songspy.ChangePlaying)
}

// BoardEntries implements board.Feed.
func (c *fakeFeed) BoardEntries(_ context.Context, ids []songspy.UserID) ([]songspy.BoardEntry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entries := make([]songspy.BoardEntry, len(ids))
	for i, id := range ids {
		entries[i] = c.entries[id-1]
	}
	return entries, nil
}

// BoardSnapshot implements board.Feed.
func (c *fakeFeed) BoardSnapshot(ctx context.Context, each func(songspy.BoardEntry) error) (int64, error) {
	_, last, err := c.FeedBounds(ctx)
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.entries {
		if err := each(p); err != nil {
			return 0, err
		}
	}
	return last, nil
}
