package poller

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

const (
	// partName is the sweep's name among those whose beats are kept.
	heartbeatName = "sweep"
	// beatEvery is how exactly it is known when a process that died last looked.
	heartbeatInterval = 15 * time.Second
)

// pulse tells the next process how long this one has been looking.
type heartbeat struct {
	mu      sync.Mutex
	wasRead bool
	last    time.Time   // of the process before; zero: there was none
	active  atomic.Bool // a look has told something since the last beat
}

// wake reads, once, when the process before was last at work.
func (p *heartbeat) readLast(ctx context.Context, s Store) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.wasRead {
		p.last, err = s.LastHeartbeat(ctx, heartbeatName)
		p.wasRead = err == nil
	}
	return err
}

// beat notes regularly that looks tell something, until ctx ends.
func (s *Poller) sendHeartbeats(ctx context.Context) {
	for delayqueue.Wait(ctx, heartbeatInterval) {
		if !s.isLoaded() || !s.heartbeat.active.Swap(false) {
			continue
		}
		if err := s.Store.RecordHeartbeat(ctx, heartbeatName); err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "it could not be noted that looks are made", "err", err)
		}
	}
}

// merge takes over a listener. Of whom the process before looked after it is
// known until when; who arrives later has been waiting for nobody.
func (s *Poller) merge(l songspy.PolledUser) mergeResult {
	now := s.Now()
	l, ahead := s.correctUser(l, now)
	p := coverage{watchedUntil: now, history: playback.HistoryState{FetchedAt: now}, aheadOfClock: ahead}
	switch {
	case !s.isLoaded():
		p = s.coverageSince(l, s.heartbeat.last, now)
		p.aheadOfClock = ahead
	case !l.Playing.ObservedAt.IsZero(): // linked anew, perhaps after a time without a link
		p.history.UncoveredUntil, p.history.Reason = now, playback.HistoryResumed
	}
	return s.registry.merge(l, p)
}

// pastOf is the past of somebody whom another process looked after until the
// time given; the zero time: none did.
func (s *Poller) coverageSince(l songspy.PolledUser, until, now time.Time) coverage {
	p := coverage{watchedUntil: now}
	if watchedUntil := later(later(l.Playing.ObservedAt, until), l.Link.AuthorizedAt); !until.IsZero() && watchedUntil.Before(now) {
		p.watchedUntil = watchedUntil
	}
	// Nobody knows when history was asked last: everyone's turn comes within
	// the time that it is asked in anyway.
	p.history.FetchedAt = now.Add(songspy.PhaseOf(l.Link.UserID, playback.HistoryFetchInterval) - playback.HistoryFetchInterval)
	return p
}

// missed is the gap that ended with a look; nil if nothing was missed.
func (s *Poller) endedGap(before userState, now songspy.NowPlaying) *songspy.Gap {
	if !now.ObservedAt.After(before.playing.ObservedAt) {
		return nil // the look told nothing
	}
	s.heartbeat.active.Store(true)
	if before.watchedUntil.IsZero() || now.ObservedAt.Sub(before.watchedUntil) <= 2*s.budgets.forApp(before.access.App).maxPollInterval(s.Interval) {
		return nil
	}
	ended := now.ObservedAt
	gap := songspy.Gap{BeganAt: before.watchedUntil, EndedAt: &ended, Reason: before.gapReason}
	if gap.Reason == "" {
		gap.Reason = songspy.GapBatchDown
	}
	return &gap
}

// blindness is why a failed look told nothing.
func gapReasonOf(err error) songspy.GapReason {
	if errors.Is(err, errRenewalPending) || errors.Is(err, errUnlinked) {
		return songspy.GapLinkBroken
	}
	switch songspy.DispositionOf(err) {
	case songspy.DispositionAppBlocked:
		return songspy.GapAppBlocked
	case songspy.DispositionNeedsUser, songspy.DispositionNotRegistered, songspy.DispositionRenewToken:
		return songspy.GapLinkBroken
	default:
		return songspy.GapProviderDown
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
