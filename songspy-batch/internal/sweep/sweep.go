package sweep

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/due"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/listening"
)

// finishWithin is how long what was learnt may still be written once the
// process is told to stop.
const finishWithin = 8 * time.Second

// Store is where listeners are read and what they heard is written.
type Store interface {
	// LinkMarks pages by user through everyone who may be asked; fewer than
	// limit means that there are no more.
	LinkMarks(ctx context.Context, after songspy.UserID, limit int) ([]songspy.LinkMark, error)
	// ListenersByID gives those of the people who may be asked.
	ListenersByID(ctx context.Context, ids []songspy.UserID) ([]songspy.Listener, error)
	// WriteListening writes all that can be written, and says of each what became of it.
	WriteListening(ctx context.Context, hearings []songspy.Hearing) ([]songspy.Written, error)
	// UpdateLink changes one link; an error of fn leaves it as it is.
	UpdateLink(ctx context.Context, id songspy.UserID, fn func(*songspy.Link) error) (songspy.Link, error)
	// UpdateHistory lets fn hold what history tells against what is kept, and
	// writes what that adds; CodeGone if the link is no longer of that generation.
	UpdateHistory(ctx context.Context, id songspy.UserID, generation int64, items []songspy.HistoryItem,
		fn func(songspy.Kept) songspy.Reconciled) (songspy.Reconciled, error)
	// Beat notes that the named part is at work; LastBeat tells when it was last.
	Beat(ctx context.Context, name string) error
	LastBeat(ctx context.Context, name string) (time.Time, error)
}

// Feed tells who has changed.
type Feed interface {
	// Feed gives the oldest number that is kept, 0 if none is, and the last one given.
	Feed(ctx context.Context) (oldest, last int64, err error)
	// Changes gives what came after that number, in order.
	Changes(ctx context.Context, after int64, limit int) ([]songspy.Change, error)
	// WaitForChange returns when there may be something after that number.
	WaitForChange(ctx context.Context, after int64) error
}

// Player is asked what a listener hears, and what they heard.
type Player interface {
	CurrentlyPlaying(ctx context.Context, access songspy.Access) (songspy.Observation, error)
	// RecentlyPlayed gives what was played after the time, oldest first.
	RecentlyPlayed(ctx context.Context, access songspy.Access, after time.Time) ([]songspy.HistoryItem, error)
}

// Renewer renews a link's tokens unless it was changed since that version.
type Renewer interface {
	Renew(ctx context.Context, id songspy.UserID, version int64) (songspy.Link, error)
	// Refused enters that a poll was refused with a token that was renewed just
	// before, and says how long to leave the user alone.
	Refused(ctx context.Context, id songspy.UserID, generation int64) (wait time.Duration, err error)
	// Answered enters that a poll was answered of somebody whose polls were refused.
	Answered(ctx context.Context, id songspy.UserID, generation int64) error
	// Granted enters that a poll was answered of a user whose polls were not refused.
	Granted(ctx context.Context, app string, id songspy.UserID)
}

// Options are what a sweep works with; all are needed but Shards and Spending.
type Options struct {
	Store   Store
	Feed    Feed
	Player  Player
	Renewer Renewer
	// Forbid pauses an app whose users' calls Spotify forbids; nil: nothing does.
	Forbid func(ctx context.Context, app string)
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
	Spending *Spending
	Now      func() time.Time
	Logger   *slog.Logger
	Metrics  *Metrics
}

// Sweep is the sweep. Plan is the scheduler's; Serve is to run all the while.
type Sweep struct {
	Options
	roster  *roster
	queue   *due.Queue[songspy.UserID] // of looks
	recall  *due.Queue[songspy.UserID] // of askings of history
	writer  *writer
	tally   tally
	pulse   pulse
	bound   bound
	budgets *budgets

	refusals refusals
	aheads   aheads

	reading sync.Mutex    // one reading of the store is taken over at a time, in the order read
	begun   chan struct{} // closed once the roster was read for the first time
	first   sync.Once
	after   int64 // the last change taken over; the tail's own once begun is closed
}

// New makes a sweep with nobody on its roster.
func New(o Options) *Sweep {
	if o.Shards == nil {
		o.Shards = everyone{}
	}
	s := &Sweep{Options: o, budgets: newBudgets(o.Spending, o.Interval), queue: due.New[songspy.UserID]().By(o.Now), recall: due.New[songspy.UserID]().By(o.Now), begun: make(chan struct{})}
	s.roster = newRoster(func(id songspy.UserID) {
		s.queue.Drop(id)
		s.recall.Drop(id)
		s.budgets.forget(id)
	})
	s.writer = newWriter(o, s.wrote)
	o.Metrics.watch(s.roster.len, s.queue.Len, s.behind,
		func() time.Duration { return s.budgets.idleWait(s.Interval) }, s.budgets.kept)
	return s
}

// Serve looks, follows the feed and writes until ctx ends. Then looks under
// way are abandoned, what was learnt is written, and within ten seconds Serve
// returns with no goroutine left.
func (s *Sweep) Serve(ctx context.Context) {
	writing, cancel := outlive(ctx, finishWithin)
	defer cancel()
	var beside, writer sync.WaitGroup
	beside.Go(func() { s.tail(ctx) })
	beside.Go(func() { s.beat(ctx) })
	beside.Go(func() { s.recall.Run(ctx, max(1, s.Workers/8), s.remember) })
	writer.Go(func() { s.writer.run(writing) })

	s.queue.Run(ctx, s.Workers, s.look)
	beside.Wait()
	for _, u := range s.roster.takeUnsaved() {
		s.writer.put(outcome{u.who, songspy.Hearing{Playing: u.playing}})
	}
	s.writer.close()
	writer.Wait()
}

// Renewed takes over the new tokens or state of a link.
func (s *Sweep) Renewed(l songspy.Link) { s.roster.renewed(l) }

// Ready says what keeps the sweep from its work; nil: nothing does.
func (s *Sweep) Ready(context.Context) error {
	if !s.started() {
		return &songspy.Error{Code: songspy.CodeUnavailable, Message: "The listeners have not been read yet."}
	}
	if s.writer.failing.Load() {
		return &songspy.Error{Code: songspy.CodeUnavailable, Message: "The database refuses what was heard; it is tried again."}
	}
	return nil
}

// Notes says in sentences what limits a sweep that works.
func (s *Sweep) Notes() []string {
	notes := append(s.budgets.notes(s.Interval), s.clockNotes(s.Now())...)
	if behind := s.behind(); behind > s.Interval/3 {
		notes = append(notes, fmt.Sprintf("Looks are late: the oldest that has not been made was due %s ago.", behind.Round(time.Second)))
	}
	return notes
}

// behind is how long ago the oldest look was due that has not been made.
func (s *Sweep) behind() time.Duration { return max(0, s.Now().Sub(s.Done())) }

// started reports whether everyone has been read once.
func (s *Sweep) started() bool {
	select {
	case <-s.begun:
		return true
	default:
		return false
	}
}

// plan is when somebody is looked at, and why.
type plan struct {
	at  time.Time
	why reason
}

// planFirst plans a look that none came before.
func (s *Sweep) planFirst(id songspy.UserID, at time.Time, why reason) {
	s.roster.expect(id, why)
	s.queue.Plan(id, at)
}

// firstLook is when somebody who was just read from the store is looked at.
func (s *Sweep) firstLook(id songspy.UserID, n songspy.NowPlaying, now time.Time) time.Time {
	if !s.Spread {
		return now
	}
	return listening.FirstLook(n, now, s.phase(id), s.Interval).At
}

// nextLook is when somebody who was looked at just now is looked at again, and why.
func (s *Sweep) nextLook(id songspy.UserID, before listener, n songspy.NowPlaying, last songspy.Sighting) plan {
	if !s.Spread {
		return plan{s.nextSlot(id, 0), reasonFloor}
	}
	now := s.Now()
	choose := listening.NextLook
	if !before.partial {
		choose = listening.NextLookProving
	}
	next := choose(n, last, now, s.phase(id), s.Interval)
	next = s.budgets.of(before.access.App).heed(id, next, n, now)
	return plan{next.At, reasonOf(next.Reason)}
}

// nextSlot is when somebody who could not be looked at is asked again: in
// their own place, not before the provider wants it, so that no failure
// brings people into step.
func (s *Sweep) nextSlot(id songspy.UserID, wait time.Duration) time.Time {
	return due.Slot(s.Now().Add(wait), s.phase(id), s.Interval)
}

func (s *Sweep) phase(id songspy.UserID) time.Duration {
	if !s.Spread {
		return 0
	}
	return songspy.PhaseOf(id, s.Interval)
}

// outlive gives a context that ends only d after ctx does.
func outlive(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}
