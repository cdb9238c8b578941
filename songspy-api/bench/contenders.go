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
	"github.com/songspy/songspy/songspy-domain/telemetry"

	"github.com/songspy/songspy/songspy-api/internal/board"
	"github.com/songspy/songspy/songspy-api/internal/httpapi"
	"github.com/songspy/songspy/songspy-api/internal/identity"
	"github.com/songspy/songspy/songspy-api/internal/linking"
)

const route = "/v1/songspy/tracks/current-playing"

// start serves the bare handler, a board that stands still and one that changes.
func start(ctx context.Context, o options) ([]contender, *errgroup.Group, error) {
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
		{name: fmt.Sprintf("board, %d people", o.people), url: still + route},
		{name: fmt.Sprintf("the same, %d songs/s", o.changes), url: changing + route},
	}, group, nil
}

// readContract finds openapi.yaml from wherever the command is run.
func readContract() ([]byte, error) {
	for _, path := range []string{"openapi.yaml", "songspy-api/openapi.yaml", "../openapi.yaml"} {
		if spec, err := os.ReadFile(path); err == nil {
			return spec, nil
		}
	}
	return nil, fmt.Errorf("openapi.yaml is not here; run this from the repository's root")
}

// serveBoard serves the API's own handler over a crowd, and gives its first answer.
func serveBoard(ctx context.Context, group *errgroup.Group, o options, contract []byte, changes int) (string, []byte, error) {
	log := telemetry.NewLogger(os.Stderr, "info", "json")
	who, err := identity.New(identity.Options{
		Keys: []identity.Key{{ID: "bench", Seed: bytes.Repeat([]byte("b"), 32)}}, SignUp: identity.SignUp{Policy: identity.PolicyOpen},
		Now: time.Now, Log: log,
	})
	if err != nil {
		return "", nil, err
	}
	c := newCrowd(o.people)
	live := board.New(board.Options{Feed: c, Render: httpapi.NewTrackIDs([]byte("bench")).RenderBoard, Now: time.Now, Log: log})
	handler, err := httpapi.New(httpapi.Options{
		Contract: contract, Identity: who, Linking: linking.New(linking.Options{}), Board: live,
		PublicURL: "http://127.0.0.1", Metrics: prometheus.NewRegistry(), Now: time.Now, Log: log,
	})
	if err != nil {
		return "", nil, err
	}
	group.Go(func() error { live.Run(ctx); return nil })
	if err := await(ctx, live, o.people); err != nil {
		return "", nil, err
	}
	page, err := live.Current()
	if err != nil {
		return "", nil, err
	}
	if changes > 0 {
		group.Go(func() error { c.sing(ctx, changes); return nil })
	}
	log.InfoContext(ctx, "serving a board", slog.Int("people", live.Stats().People), slog.Int("bytes", len(page.Body)), slog.Int("changes", changes))
	base, err := listen(ctx, group, handler)
	return base, page.Body, err
}

// crowd is a change feed in memory over people who all play something.
type crowd struct {
	mu      sync.Mutex
	people  []songspy.OnBoard
	changes []songspy.Change
	last    int64
	news    chan struct{}
}

func newCrowd(people int) *crowd {
	c := &crowd{people: make([]songspy.OnBoard, people), news: make(chan struct{})}
	now := time.Now()
	for i := range c.people {
		c.people[i] = singer(i, now.Add(-time.Duration(rand.IntN(600))*time.Second))
	}
	return c
}

// singer plays a long song, with all the words that a real one has.
func singer(i int, start time.Time) songspy.OnBoard {
	name, end := fmt.Sprintf("듣는 사람 %d", i), start.Add(time.Hour)
	return songspy.OnBoard{
		User:    songspy.User{ID: songspy.UserID(i + 1), NickName: &name, Audience: songspy.AudienceEveryone},
		Playing: songspy.NowPlaying{UserID: songspy.UserID(i + 1), State: songspy.PlayerPlaying, TrackURI: "spotify:track:song", StartedAt: start, ObservedAt: start, EndsAt: &end},
		Track: songspy.Track{
			ID: songspy.TrackID(i + 1), Kind: songspy.KindTrack, Title: fmt.Sprintf("A Song of the Evening, No. %d", i), Artists: "Somebody, Somebody Else",
			URL: fmt.Sprintf("https://open.spotify.com/track/%022d", i), ImageURL: fmt.Sprintf("https://i.scdn.co/image/%040d", i), DurationMS: 3_600_000,
		},
	}
}

// await returns when everyone is on the board.
func await(ctx context.Context, b *board.Board, people int) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for b.Stats().People < people || b.Ready() != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// sing begins so many songs a second until ctx ends.
func (c *crowd) sing(ctx context.Context, perSecond int) {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.begin(rand.IntN(len(c.people)))
		}
	}
}

func (c *crowd) begin(i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.people[i] = singer(i, time.Now())
	c.last++
	c.changes = append(c.changes, songspy.Change{Number: c.last, UserID: songspy.UserID(i + 1), Kind: songspy.ChangePlaying})
	close(c.news)
	c.news = make(chan struct{})
}

// Feed implements board.Feed.
func (c *crowd) Feed(context.Context) (oldest, last int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return min(c.last, 1), c.last, nil
}

// Changes implements board.Feed.
func (c *crowd) Changes(_ context.Context, after int64, limit int) ([]songspy.Change, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]songspy.Change{}, c.changes[after:min(int64(len(c.changes)), after+int64(limit))]...), nil
}

// WaitForChange implements board.Feed.
func (c *crowd) WaitForChange(ctx context.Context, after int64) error {
	c.mu.Lock()
	last, news := c.last, c.news
	c.mu.Unlock()
	if last != after {
		return nil
	}
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-news:
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// OnBoard implements board.Feed.
func (c *crowd) OnBoard(_ context.Context, ids []songspy.UserID) ([]songspy.OnBoard, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	people := make([]songspy.OnBoard, len(ids))
	for i, id := range ids {
		people[i] = c.people[id-1]
	}
	return people, nil
}

// BoardSnapshot implements board.Feed.
func (c *crowd) BoardSnapshot(_ context.Context, each func(songspy.OnBoard) error) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.people {
		if err := each(p); err != nil {
			return 0, err
		}
	}
	return c.last, nil
}
