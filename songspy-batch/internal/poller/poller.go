// Package sweep looks at every linked listener's player in time, and writes
// down what was heard.
//
//	Plan    the scheduler's tick: reads who is to be asked and plans a first
//	        look at whoever has none; returns in seconds
//	tail    follows the change feed: new links are looked at at once, what is
//	        unlinked or erased leaves at once
//	look    one look at one player when it is due, on one of a bounded number
//	        of workers; listening.Step says what it means, listening.NextLook
//	        when the next one is worth it
//	remember  asks history, seldom, about what looks left unexplained
//	writer  gathers what is worth storing into few transactions
//
// Every listener on the roster has exactly one look planned or under way. The
// roster is newer than the store, which is told only what a restart must not
// lack; so a kill loses nothing that the next look can still prove.
package poller

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// finishWithin is how long what was learnt may still be written once the
// process is told to stop.
const shutdownGrace = 8 * time.Second

// Store is where listeners are read and what they heard is written.
type Store interface {
	// LinkMarks pages by user through everyone who may be asked; fewer than
	// limit means that there are no more.
	LinkVersions(ctx context.Context, after songspy.UserID, limit int) ([]songspy.LinkVersion, error)
	// ListenersByID gives those of the people who may be asked.
	PolledUsersByID(ctx context.Context, ids []songspy.UserID) ([]songspy.PolledUser, error)
	// WriteListening writes all that can be written, and says of each what became of it.
	WritePlaybackUpdates(ctx context.Context, updates []songspy.PlaybackUpdate) ([]songspy.PlaybackUpdateResult, error)
	// UpdateLink changes one link; an error of fn leaves it as it is.
	UpdateLink(ctx context.Context, id songspy.UserID, fn func(*songspy.Link) error) (songspy.Link, error)
	// UpdateHistory lets fn hold what history tells against what is kept, and
	// writes what that adds; CodeGone if the link is no longer of that generation.
	ReconcileHistory(ctx context.Context, id songspy.UserID, generation int64, items []songspy.HistoryItem,
		fn func(songspy.StoredPlays) songspy.Reconciliation) (songspy.Reconciliation, error)
	// Beat notes that the named part is at work; LastBeat tells when it was last.
	RecordHeartbeat(ctx context.Context, name string) error
	LastHeartbeat(ctx context.Context, name string) (time.Time, error)
}

// Feed tells who has changed.
type Feed interface {
	// Feed gives the oldest number that is kept, 0 if none is, and the last one given.
	FeedBounds(ctx context.Context) (oldest, last int64, err error)
	// Changes gives what came after that number, in order.
	Changes(ctx context.Context, after int64, limit int) ([]songspy.Change, error)
	// WaitForChange returns when there may be something after that number.
	WaitForChange(ctx context.Context, after int64) error
}

// Player is asked what a listener hears, and what they heard.
type Player interface {
	CurrentlyPlaying(ctx context.Context, access songspy.Credentials) (songspy.Observation, error)
	// RecentlyPlayed gives what was played after the time, oldest first.
	RecentlyPlayed(ctx context.Context, access songspy.Credentials, after time.Time) ([]songspy.HistoryItem, error)
}

// Renewer renews a link's tokens unless it was changed since that version.
type Renewer interface {
	Renew(ctx context.Context, id songspy.UserID, version int64) (songspy.Link, error)
	// Refused enters that a poll was refused with a token that was renewed just
	// before, and says how long to leave the user alone.
	PollRefused(ctx context.Context, id songspy.UserID, generation int64) (wait time.Duration, err error)
	// Answered enters that a poll was answered of somebody whose polls were refused.
	PollRecovered(ctx context.Context, id songspy.UserID, generation int64) error
	// Granted enters that a poll was answered of a user whose polls were not refused.
	PollAnswered(ctx context.Context, app string, id songspy.UserID)
}

// Options are what a sweep works with; all are needed but Shards and Spending.
type Options struct {
	Store   Store
	Feed    Feed
	Player  Player
	Renewer Renewer
	// Forbid pauses an app whose users' calls Spotify forbids; nil: nothing does.
	BlockApp func(ctx context.Context, app string)
	// Shards says whom this replica looks after; nil: everyone.
	Shards Shards
	// Interval is the floor: the longest time between two looks at one player.
	Interval time.Duration
	// Spread gives everyone their own place in the interval; without it all
	// are due at once, and history is left alone.
	Spread bool
	// Workers bounds the looks under way.
	Workers int
	// Spending bounds the calls of 24 hours; nil: nothing does.
	Quota   *QuotaOptions
	Now     func() time.Time
	Logger  *slog.Logger
	Metrics *Metrics
}

// Sweep is the sweep. Plan is the scheduler's; Serve is to run all the while.
type Poller struct {
	Options
	registry  *registry
	polls     *delayqueue.Queue[songspy.UserID] // of looks
	fetches   *delayqueue.Queue[songspy.UserID] // of askings of history
	writer    *writer
	outcomes  outcomeCounts
	heartbeat heartbeat
	deadlines sharedDeadline
	budgets   *budgets

	refusals  refusals
	clockSkew clockSkew

	reloadMu   sync.Mutex    // one reading of the store is taken over at a time, in the order read
	loaded     chan struct{} // closed once the roster was read for the first time
	loadOnce   sync.Once
	lastChange int64 // the last change taken over; the tail's own once begun is closed
}

// New makes a sweep with nobody on its roster.
func New(o Options) *Poller {
	if o.Shards == nil {
		o.Shards = allShards{}
	}
	s := &Poller{Options: o, budgets: newBudgets(o.Quota, o.Interval), polls: delayqueue.New[songspy.UserID](o.Now), fetches: delayqueue.New[songspy.UserID](o.Now), loaded: make(chan struct{})}
	s.registry = newRegistry(func(id songspy.UserID) {
		s.polls.Remove(id)
		s.fetches.Remove(id)
		s.budgets.forget(id)
	})
	s.writer = newWriter(o, s.handleWritten)
	o.Metrics.registerGauges(s.registry.len, s.polls.Len, s.overdue,
		func() time.Duration { return s.budgets.longestIdleWait(s.Interval) }, s.budgets.keptRatio)
	return s
}

// Serve looks, follows the feed and writes until ctx ends. Then looks under
// way are abandoned, what was learnt is written, and within ten seconds Serve
// returns with no goroutine left.
func (s *Poller) Serve(ctx context.Context) {
	writing, cancel := withGracePeriod(ctx, shutdownGrace)
	defer cancel()
	var background, writer sync.WaitGroup
	background.Go(func() { s.followChanges(ctx) })
	background.Go(func() { s.sendHeartbeats(ctx) })
	background.Go(func() { s.fetches.Run(ctx, max(1, s.Workers/8), s.fetchHistory) })
	writer.Go(func() { s.writer.run(writing) })

	s.polls.Run(ctx, s.Workers, s.poll)
	background.Wait()
	for _, u := range s.registry.takeDirty() {
		s.writer.put(pendingUpdate{u.entry, songspy.PlaybackUpdate{Playing: u.playing}})
	}
	s.writer.close()
	writer.Wait()
}

// Renewed takes over the new tokens or state of a link.
func (s *Poller) LinkRenewed(l songspy.Link) { s.registry.updateLink(l) }

// Ready says what keeps the sweep from its work; nil: nothing does.
func (s *Poller) Ready(context.Context) error {
	if !s.isLoaded() {
		return &songspy.Error{Code: songspy.CodeUnavailable, Message: "The listeners have not been read yet."}
	}
	if s.writer.failing.Load() {
		return &songspy.Error{Code: songspy.CodeUnavailable, Message: "The database refuses what was heard; it is tried again."}
	}
	return nil
}

// Notes says in sentences what limits a sweep that works.
func (s *Poller) Notes() []string {
	notes := append(s.budgets.notes(s.Interval), s.clockNotes(s.Now())...)
	if overdue := s.overdue(); overdue > s.Interval/3 {
		notes = append(notes, fmt.Sprintf("Looks are late: the oldest that has not been made was due %s ago.", overdue.Round(time.Second)))
	}
	return notes
}

// behind is how long ago the oldest look was due that has not been made.
func (s *Poller) overdue() time.Duration { return max(0, s.Now().Sub(s.PolledUntil())) }

// started reports whether everyone has been read once.
func (s *Poller) isLoaded() bool {
	select {
	case <-s.loaded:
		return true
	default:
		return false
	}
}

// plan is when somebody is looked at, and why.
type plannedPoll struct {
	at     time.Time
	reason pollReason
}

// planFirst plans a look that none came before.
func (s *Poller) planFirstPoll(id songspy.UserID, at time.Time, reason pollReason) {
	s.registry.setPollReason(id, reason)
	s.polls.Plan(id, at)
}

// firstLook is when somebody who was just read from the store is looked at.
func (s *Poller) firstPollAt(id songspy.UserID, n songspy.NowPlaying, now time.Time) time.Time {
	if !s.Spread {
		return now
	}
	return playback.FirstPoll(n, now, s.phase(id), s.Interval).At
}

// nextLook is when somebody who was looked at just now is looked at again, and why.
func (s *Poller) nextPoll(id songspy.UserID, before userState, n songspy.NowPlaying, last songspy.ObservationKind) plannedPoll {
	if !s.Spread {
		return plannedPoll{s.nextAtPhase(id, 0), reasonInterval}
	}
	now := s.Now()
	next := playback.NextPoll(n, last, now, s.phase(id), s.Interval)
	if !before.listsPartial {
		next = next.WithProof(n, now, s.Interval)
	}
	next = s.budgets.forApp(before.access.App).apply(id, next, n, now)
	return plannedPoll{next.At, reasonOf(next.Reason)}
}

// nextSlot is when somebody who could not be looked at is asked again: in
// their own place, not before the provider wants it, so that no failure
// brings people into step.
func (s *Poller) nextAtPhase(id songspy.UserID, wait time.Duration) time.Time {
	return delayqueue.NextAtPhase(s.Now().Add(wait), s.phase(id), s.Interval)
}

func (s *Poller) phase(id songspy.UserID) time.Duration {
	if !s.Spread {
		return 0
	}
	return songspy.PhaseOf(id, s.Interval)
}

// outlive gives a context that ends only d after ctx does.
func withGracePeriod(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}
