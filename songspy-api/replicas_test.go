package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-domain/telemetry"

	"github.com/songspy/songspy/songspy-api/internal/contracttest"
)

// newReplica starts the API once more on the same database, and returns a client of it.
func (w *testAPI) newReplica(t *testing.T) *contracttest.Client {
	t.Helper()
	var s settings
	if err := config.Load(&s, w.env); err != nil {
		t.Fatal(err)
	}
	replica, err := newService(t.Context(), s, telemetry.NewLogger(w.log, "debug", "json"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- replica.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the replica ended with error %v", err)
		}
	})
	c := contracttest.New(t, "http://"+replica.publicListener.Addr().String(), contract)
	w.eventually(t, "the replica", func() bool { return c.Call("GET", "/readyz", nil).Status == 200 })
	return c
}

// This test measures wall-clock time, so the Makefile runs it alone.
func TestReplicas_HideAUserWithinASecond(t *testing.T) {
	w := newTestAPI(t, storetest.Postgres, "SONGSPY_WRITES_PER_MINUTE", "0")
	replicas := []*contracttest.Client{w.Client, w.newReplica(t)}
	ann := w.signIn(t, 0)
	// everywhere reports whether all replicas agree with shown: each has the song on the
	// board and in the list, or each lacks it in both.
	everywhere := func(title string, shown bool) bool {
		for _, r := range replicas {
			for _, path := range []string{"/tracks/current-playing", "/listening"} {
				if strings.Contains(string(r.Call("GET", prefix+path, nil).Data), title) != shown {
					return false
				}
			}
		}
		return true
	}
	const tries = 200
	var took []time.Duration
	for i := range tries {
		w.share(t, ann, map[string]any{"now": "everyone"})
		title := fmt.Sprintf("Song %d.", i)
		w.play(t, ann, title)
		w.eventually(t, title, func() bool { return everywhere(title, true) })
		hidden := time.Now()
		w.share(t, ann, map[string]any{"now": "nobody"})
		w.eventually(t, title+" to disappear", func() bool { return everywhere(title, false) })
		took = append(took, time.Since(hidden))
	}
	slices.Sort(took)
	p99 := took[tries*99/100-1]
	t.Logf("until no replica shows the user: median %v, p99 %v, longest %v", took[tries/2], p99, took[tries-1])
	if p99 > time.Second {
		t.Errorf("p99 is %v, want at most 1 s", p99)
	}
}
