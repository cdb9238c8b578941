package poller

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

const (
	// heartbeatName is the poller's name in the table of heartbeats.
	heartbeatName = "poller"
	// heartbeatInterval is the time between two heartbeats. A process that died may
	// have polled for that long after its last heartbeat.
	heartbeatInterval = 15 * time.Second
)

// heartbeat regularly stores the current time while polls succeed. The next process reads the
// last stored time to find out how long polling was interrupted.
type heartbeat struct {
	store     Store
	firstRead *firstRead
	log       *slog.Logger

	mu      sync.Mutex
	wasRead bool
	last    time.Time   // the last heartbeat of the previous process, set by readLast; zero if there was none
	active  atomic.Bool // whether a poll has succeeded since the last heartbeat
}

// readLast reads the last heartbeat of the previous process. After a call has
// succeeded, further calls do not read the store.
func (h *heartbeat) readLast(ctx context.Context) (err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.wasRead {
		h.last, err = h.store.LastHeartbeat(ctx, heartbeatName)
		h.wasRead = err == nil
	}
	return err
}

// touch records that a poll has succeeded.
func (h *heartbeat) touch() { h.active.Store(true) }

// run stores a heartbeat in every interval in which a poll has succeeded, until ctx ends.
func (h *heartbeat) run(ctx context.Context) {
	for delayqueue.Wait(ctx, heartbeatInterval) {
		if !h.firstRead.isDone() || !h.active.Swap(false) {
			continue
		}
		if err := h.store.RecordHeartbeat(ctx, heartbeatName); err != nil && ctx.Err() == nil {
			h.log.WarnContext(ctx, "writing the heartbeat failed", logkey.Error, err)
		}
	}
}
