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

// The limits of a client of the stream, by the rules of docs/streams.md.
const (
	// silentAfter is how long a connection may send nothing before the client closes it as
	// broken.
	silentAfter = 10 * time.Second
	// longestWait is the upper limit of the random wait before the client connects again.
	// The client waits for a Retry-After of the server in addition.
	longestWait = time.Minute
	// firstRetry is the upper limit of the random wait after the first failure. Each
	// further failure in a row doubles it. A "retry" line of the server replaces it.
	firstRetry = time.Second
	// longestLine is the maximum length of a line of the stream, in bytes. At a longer
	// line, the client ends the connection.
	longestLine = 16 << 20
)

// connection says what happened in one connection to the stream.
type connection struct {
	shown        bool          // the server sent a snapshot (all items of a topic)
	sessionEnded bool          // the viewer must sign in again
	refused      bool          // the server would refuse another connection too
	retryAfter   time.Duration // how long the server asked to wait; 0 if it did not
}

// read reads the stream for the viewer p until ctx ends. When a connection has ended, read
// waits and connects again, as docs/streams.md says. It returns before ctx ends if the server
// refuses the stream, or if the viewer's session has ended and the viewer cannot sign in
// again.
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
		// The time is random from 0 to the limit (full jitter), so that clients that were
		// disconnected together do not reconnect together.
		if !frontend.Wait(ctx, c.retryAfter+rand.N(min(longestWait, retry<<failures))) {
			return
		}
		failures = min(failures+1, 16)
		v.figures.reconnects.Add(1)
	}
}

// connect opens the stream for the viewer p and reads it until the connection ends. If the
// server sends a "retry" line, connect stores its time in *retry.
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
				_ = json.Unmarshal([]byte(value), &end) // if there is no reason, it counts as "restart": the client reconnects
				c.sessionEnded = end.Reason == "session"
				return c
			}
		}
	}
	return c
}
