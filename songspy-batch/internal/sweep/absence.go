package sweep

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/due"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/listening"
)

const (
	// partName is the sweep's name among those whose beats are kept.
	partName = "sweep"
	// beatEvery is how exactly it is known when a process that died last looked.
	beatEvery = 15 * time.Second
)

// pulse tells the next process how long this one has been looking.
type pulse struct {
	once  sync.Mutex
	awake bool
	last  time.Time   // of the process before; zero: there was none
	looks atomic.Bool // a look has told something since the last beat
}

// wake reads, once, when the process before was last at work.
func (p *pulse) wake(ctx context.Context, s Store) (err error) {
	p.once.Lock()
	defer p.once.Unlock()
	if !p.awake {
		p.last, err = s.LastBeat(ctx, partName)
		p.awake = err == nil
	}
	return err
}

// beat notes regularly that looks tell something, until ctx ends.
func (s *Sweep) beat(ctx context.Context) {
	for due.Wait(ctx, beatEvery) {
		if !s.started() || !s.pulse.looks.Swap(false) {
			continue
		}
		if err := s.Store.Beat(ctx, partName); err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "it could not be noted that looks are made", "err", err)
		}
	}
}

// merge takes over a listener. Of whom the process before looked after it is
// known until when; who arrives later has been waiting for nobody.
func (s *Sweep) merge(l songspy.Listener) arrival {
	now := s.Now()
	l, ahead := s.notAhead(l, now)
	p := past{watched: now, untold: listening.Untold{AskedAt: now}, ahead: ahead}
	switch {
	case !s.started():
		p = s.pastOf(l, s.pulse.last, now)
		p.ahead = ahead
	case !l.Playing.ObservedAt.IsZero(): // linked anew, perhaps after a time without a link
		p.untold.Until, p.untold.Why = now, listening.ErrandReturn
	}
	return s.roster.merge(l, p)
}

// pastOf is the past of somebody whom another process looked after until the
// time given; the zero time: none did.
func (s *Sweep) pastOf(l songspy.Listener, until, now time.Time) past {
	p := past{watched: now}
	if watched := later(later(l.Playing.ObservedAt, until), l.Link.AuthorizedAt); !until.IsZero() && watched.Before(now) {
		p.watched = watched
	}
	// Nobody knows when history was asked last: everyone's turn comes within
	// the time that it is asked in anyway.
	p.untold.AskedAt = now.Add(songspy.PhaseOf(l.Link.UserID, listening.HistoryEvery) - listening.HistoryEvery)
	return p
}

// missed is the gap that ended with a look; nil if nothing was missed.
func (s *Sweep) missed(before listener, now songspy.NowPlaying) *songspy.Gap {
	if !now.ObservedAt.After(before.playing.ObservedAt) {
		return nil // the look told nothing
	}
	s.pulse.looks.Store(true)
	if before.watched.IsZero() || now.ObservedAt.Sub(before.watched) <= 2*s.budgets.of(before.access.App).longest(s.Interval) {
		return nil
	}
	ended := now.ObservedAt
	gap := songspy.Gap{BeganAt: before.watched, EndedAt: &ended, Reason: before.blind}
	if gap.Reason == "" {
		gap.Reason = songspy.GapBatchDown
	}
	return &gap
}

// blindness is why a failed look told nothing.
func blindness(err error) songspy.GapReason {
	if errors.Is(err, errSuspended) || errors.Is(err, errLeft) {
		return songspy.GapLinkBroken
	}
	switch songspy.DispositionOf(err) {
	case songspy.DispositionAppPaused:
		return songspy.GapDoorClosed
	case songspy.DispositionNeedsPerson, songspy.DispositionNotRegistered, songspy.DispositionRenewToken:
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
