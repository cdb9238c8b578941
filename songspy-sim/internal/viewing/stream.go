package viewing

import (
	"bufio"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/frontend"
)

// The rules of docs/streams.md.
const (
	// silentAfter is how long a working connection is silent at most.
	silentAfter = 20 * time.Second
	// longestWait is the longest time that the client chooses to wait before it
	// connects again. The server may ask it to wait longer.
	longestWait = time.Minute
	// firstRetry is the retry time that the client uses until the server sends one.
	firstRetry = time.Second
	// longestLine is the longest line of a stream in bytes.
	longestLine = 16 << 20
)

// connection says how one connection to a stream went.
type connection struct {
	shown        bool          // the server sent a snapshot
	sessionEnded bool          // the viewer must sign in again
	refused      bool          // another connection would not help
	retryAfter   time.Duration // how long the server asked to wait
}

// read reads the stream until ctx ends. After a connection ends, it waits and connects again,
// as docs/streams.md says. It returns before ctx ends if the server refuses the stream, or if
// the viewer's session has ended and a new sign-in fails.
func (v *Viewing) read(ctx context.Context, p *viewer) {
	retry, failures := firstRetry, 0
	for ctx.Err() == nil {
		c := v.connect(ctx, p, &retry)
		if c.refused || c.sessionEnded && (p.token == "" || v.signIn(ctx, p) != nil) {
			return
		}
		if c.shown {
			failures = 0
		}
		// Full jitter: clients that were disconnected together do not come back together.
		if !frontend.Wait(ctx, c.retryAfter+rand.N(min(longestWait, retry<<failures))) {
			return
		}
		failures = min(failures+1, 16)
		v.figures.reconnects.Add(1)
	}
}

// connect opens the stream and reads it until the connection ends. If the server sends a
// retry time, connect stores it in retry.
func (v *Viewing) connect(ctx context.Context, p *viewer, retry *time.Duration) (c connection) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(silentAfter, cancel)
	defer silence.Stop()
	topics := "window"
	if p.token != "" {
		topics = "window,following"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.client.API+frontend.Prefix+"/listening/stream?topics="+topics, nil)
	if err != nil {
		return connection{refused: true}
	}
	if p.token != "" {
		r.Header.Set("Authorization", "Bearer "+p.token)
	}
	resp, err := v.streams.Do(r)
	if err != nil {
		return c
	}
	defer func() { _ = resp.Body.Close() }()
	switch status := resp.StatusCode; {
	case status == http.StatusUnauthorized:
		return connection{sessionEnded: true}
	case status == http.StatusTooManyRequests || status >= 500:
		return connection{retryAfter: frontend.RetryAfter(resp)}
	case status != http.StatusOK:
		return connection{refused: true}
	}
	v.figures.open.Add(1)
	defer v.figures.open.Add(-1)
	event, lines := "", bufio.NewScanner(resp.Body)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		silence.Reset(silentAfter)
		name, value, _ := strings.Cut(lines.Text(), ":")
		switch value = strings.TrimPrefix(value, " "); name {
		case "retry":
			if milliseconds, err := strconv.Atoi(value); err == nil && milliseconds > 0 {
				*retry = time.Duration(milliseconds) * time.Millisecond
			}
		case "event":
			event = value
		case "data": // each event has one line of data
			v.figures.events.Add(1)
			switch event {
			case "snapshot":
				c.shown = true
			case "reset":
				v.figures.resets.Add(1)
			case "end":
				var end struct{ Reason string }
				_ = json.Unmarshal([]byte(value), &end) // without a reason it is a restart
				c.sessionEnded = end.Reason == "session"
				return c
			}
		}
	}
	return c
}
