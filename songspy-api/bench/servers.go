package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/changefeed/changefeedtest"
	"github.com/songspy/songspy/songspy-domain/telemetry"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"

	"github.com/songspy/songspy/songspy-api/internal/auth"
	"github.com/songspy/songspy/songspy-api/internal/board"
	"github.com/songspy/songspy/songspy-api/internal/httpapi"
	"github.com/songspy/songspy/songspy-api/internal/linking"
)

const route = "/v1/songspy/tracks/current-playing"

// startServers serves the bare handler, a board that does not change and one that does.
func startServers(ctx context.Context, o options) ([]contender, *errgroup.Group, error) {
	contract, err := readContract()
	if err != nil {
		return nil, nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	still, body, err := serveBoard(ctx, group, o, contract, 0)
	if err != nil {
		return nil, nil, err
	}
	changing, _, err := serveBoard(ctx, group, o, contract, o.changes)
	if err != nil {
		return nil, nil, err
	}
	gin.SetMode(gin.ReleaseMode)
	bare := gin.New()
	bare.GET(route, func(c *gin.Context) { c.Data(http.StatusOK, "application/json", body) })
	plain, err := listen(ctx, group, bare)
	if err != nil {
		return nil, nil, err
	}
	return []contender{
		{name: "bare Gin, the same bytes", url: plain + route},
		{name: fmt.Sprintf("board, %d users", o.users), url: still + route},
		{name: fmt.Sprintf("the same, %d songs/s", o.changes), url: changing + route},
	}, group, nil
}

// readContract reads openapi.yaml from the repository's root or the module's folder.
func readContract() ([]byte, error) {
	for _, path := range []string{"openapi.yaml", "songspy-api/openapi.yaml", "../openapi.yaml"} {
		if spec, err := os.ReadFile(path); err == nil {
			return spec, nil
		}
	}
	return nil, fmt.Errorf("openapi.yaml was not found; run this in the root of the repository")
}

// serveBoard starts a server with the API's handler, whose data comes from a
// fake change feed. It returns its address and its first answer.
func serveBoard(ctx context.Context, group *errgroup.Group, o options, contract []byte, changes int) (string, []byte, error) {
	log := telemetry.NewLogger(os.Stderr, "info", "json")
	authService, err := auth.New(auth.Options{
		Keys: []auth.Key{{ID: "bench", Seed: bytes.Repeat([]byte("b"), 32)}}, SignUp: auth.SignUp{Policy: auth.PolicyOpen},
		Now: time.Now, Log: log,
	})
	if err != nil {
		return "", nil, err
	}
	c := newFakeFeed(o.users)
	live := board.New(board.Options{Feed: c, Render: httpapi.NewTrackIDs([]byte("bench")).BoardRenderer(""), Now: time.Now, Log: log})
	handler, err := httpapi.New(httpapi.Options{
		Contract: contract, Auth: authService, Linking: linking.New(linking.Options{}), Board: live,
		PublicURL: "http://127.0.0.1", Metrics: prometheus.NewRegistry(), Now: time.Now, Log: log,
	})
	if err != nil {
		return "", nil, err
	}
	group.Go(func() error { live.Run(ctx); return nil })
	if err := waitUntilLoaded(ctx, live, o.users); err != nil {
		return "", nil, err
	}
	page, err := live.Current()
	if err != nil {
		return "", nil, err
	}
	if changes > 0 {
		group.Go(func() error { c.changeSongs(ctx, changes); return nil })
	}
	log.InfoContext(ctx, "serving a board", slog.Int(logkey.Users, live.Stats().Users), slog.Int("bytes", len(page.Body)), slog.Int("changes", changes))
	base, err := listen(ctx, group, handler)
	return base, page.Body, err
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

// waitUntilLoaded returns when all users are on the board.
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
