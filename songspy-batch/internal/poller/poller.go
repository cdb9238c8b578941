// Package poller polls the Spotify player of every linked user and stores what
// the polls show.
//
// The path of one poll, from top to bottom:
//
//	plan.go   Plan plans a first poll for every user who has none
//	poll.go   poll makes a planned poll when it is due, and handles the answer
//	step.go   of songspy-domain/playback: Step computes the now-playing state and
//	          the plays that have ended
//	write.go  save keeps the state in memory; run writes to the store in batches
//	plan.go   next chooses the time of the next poll
//
// These functions also call functions of the other files. To follow the path, the first
// sentence of their doc comments is enough:
//
//	poller.go    the parts of the poller; Run, Ready, Notes
//	load.go      reads users from the store into the registry, also when the change
//	             feed reports new or removed links
//	registry.go  all users, behind one lock
//	entry.go     one user, in compact form
//	clock.go     stored times that are ahead of the clock
//	coverage.go  which time polls and history have covered; gaps
//	heartbeat.go stores regularly that this process is polling
//	history.go   fetches recently-played and reconciles it with stored plays
//	budget.go    spreads the calls that a quota allows over 24 hours
//	attention.go plans earlier polls of users who are being watched
//	outcome.go   counts answered and failed polls, and records what a failure says
//	             about the link and the app
//	refusals.go  counts unknown 403 responses, per user and per app
//	metrics.go   the metrics
//	pollcounts.go stores regularly how many polls were made, by reason
//
// Every user in the registry has exactly one poll that is planned or running.
// The registry is often newer than the store, because the result of a poll is written
// only if viewers or a restart need it. After a crash, the next polls observe again
// what was not written.
package poller

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/changefeed"
)

// shutdownGrace is how long pending updates may still be written after Run's
// context has ended.
const shutdownGrace = 8 * time.Second

// Store reads users and writes what polls and history show.
type Store interface {
	// LinkVersions returns the versions of up to limit links that may be polled, of users whose
	// id is greater than the argument after, ordered by user id. Fewer than limit means that
	// there are no more.
	LinkVersions(ctx context.Context, after songspy.UserID, limit int) ([]songspy.LinkVersion, error)
	// PolledUsersByID returns those of the given users who may be polled.
	PolledUsersByID(ctx context.Context, ids []songspy.UserID) ([]songspy.PolledUser, error)
	// WritePlaybackUpdates writes every update that the database accepts. The results are in the
	// order of the updates; the result of a rejected update has an error. If WritePlaybackUpdates
	// itself returns an error, it is unknown which updates were written, and all can be written
	// again.
	WritePlaybackUpdates(ctx context.Context, updates []songspy.PlaybackUpdate) ([]songspy.PlaybackUpdateResult, error)
	// UpdateLink calls fn, which edits the stored link, stores the edited link and
	// returns it. If fn returns an error, the link stays unchanged and UpdateLink
	// returns that error.
	UpdateLink(ctx context.Context, id songspy.UserID, fn func(*songspy.Link) error) (songspy.Link, error)
	// ReconcileHistory calls fn with the stored plays of the time that items
	// cover, and writes the result of fn. It returns CodeGone if the user has
	// unlinked, or linked again, since the given generation of the link.
	ReconcileHistory(ctx context.Context, id songspy.UserID, generation int64, items []songspy.HistoryItem,
		fn func(songspy.StoredPlays) songspy.Reconciliation) (songspy.Reconciliation, error)
	// RecordHeartbeat stores the current time under the name.
	RecordHeartbeat(ctx context.Context, name string) error
	// LastHeartbeat returns the time of the last heartbeat under the name, or the zero time if
	// there was none.
	LastHeartbeat(ctx context.Context, name string) (time.Time, error)
	// CountPolls adds numbers of polls, by reason, to the stored counts, which all
	// replicas share.
	CountPolls(ctx context.Context, polls map[string]int64) error
}

// Player calls Spotify's player endpoints. In the service it is spotify.Apps.
type Player interface {
	CurrentlyPlaying(ctx context.Context, access songspy.Credentials) (songspy.Observation, error)
	// RecentlyPlayed returns what was played after the given time, oldest first.
	RecentlyPlayed(ctx context.Context, access songspy.Credentials, after time.Time) ([]songspy.HistoryItem, error)
}

// Renewer renews access tokens and records whether Spotify accepts them in polls.
type Renewer interface {
	// Renew renews the tokens of a link unless the link has changed since the
	// given version. It returns the current link.
	Renew(ctx context.Context, id songspy.UserID, version int64) (songspy.Link, error)
	// PollRefused records that Spotify refused a poll with a token that was just
	// renewed. It returns how long the user must not be polled.
	PollRefused(ctx context.Context, id songspy.UserID, generation int64) (wait time.Duration, err error)
	// PollRecovered records that a poll succeeded for a user whose polls were refused.
	PollRecovered(ctx context.Context, id songspy.UserID, generation int64) error
	// PollAnswered records that a poll succeeded for a user whose polls were not refused.
	PollAnswered(ctx context.Context, app string, id songspy.UserID)
}

// Shards reports which users this replica polls; see package sharding.
type Shards interface {
	// Owns reports whether the user's shard (part of the users) belongs to this replica.
	Owns(songspy.UserID) bool
	// Loaded reports whether this replica owns the user's shard and has loaded its users.
	Loaded(songspy.UserID) bool
	// MayCallFor reports whether a call for the user may begin now.
	MayCallFor(songspy.UserID) bool
}

// allShards is the Shards of a batch that runs alone.
type allShards struct{}

func (allShards) Owns(songspy.UserID) bool       { return true }
func (allShards) Loaded(songspy.UserID) bool     { return true }
func (allShards) MayCallFor(songspy.UserID) bool { return true }

// Options configure a Poller. All fields are required except TripForbidden, Shards and Attention.
type Options struct {
	Registry *Registry
	Store    Store
	Feed     changefeed.Feed
	Player   Player
	Renewer  Renewer
	// TripForbidden opens the circuit breaker of an app that Spotify forbids. If it is nil, no
	// app is blocked for that reason.
	TripForbidden func(ctx context.Context, app string)
	// Shards reports which users this replica polls. If it is nil, it polls all users.
	Shards Shards
	// Attention says how many polls may be made for viewers. If it is nil, none are made.
	Attention *AttentionOptions
	// Interval is the longest planned time between two polls of a user, unless a quota does not
	// allow so many polls or a failed poll requires a longer wait.
	Interval time.Duration
	// Spread gives each user a fixed phase (time) in the interval. If it is false,
	// all users are polled at once, and history is not fetched: this measures the
	// highest possible rate.
	Spread bool
	// Workers is the largest number of polls that run at once.
	Workers int
	Now     func() time.Time
	Logger  *slog.Logger
	Metrics *Metrics
}

// Poller polls users. The scheduler calls Plan once an interval; Run does the work.
type Poller struct {
	opt        Options
	registry   *Registry
	planner    *planner
	attention  *attentionPlanner
	caller     *caller
	writer     *writer
	history    *historyFetcher
	loader     *loader
	follower   *changefeed.Follower
	heartbeat  *heartbeat
	pollCounts *pollCounter
	firstRead  *firstRead
	timesAhead *timesAhead
	refusals   refusals
	outcomes   outcomeCounts
}

// New makes a Poller for the users of the registry, which may still be empty.
func New(o Options) *Poller {
	if o.Shards == nil {
		o.Shards = allShards{}
	}
	first := newFirstRead()
	ahead := &timesAhead{registry: o.Registry, log: o.Logger}
	heartbeats := &heartbeat{store: o.Store, firstRead: first, log: o.Logger}
	call := &caller{renewer: o.Renewer, registry: o.Registry, deadlines: &sharedDeadline{}}
	w := &writer{Options: o, in: make(chan pendingUpdate, writeBatchSize)}
	watches := newAttentionPlanner(o)
	plans := &planner{o, watches}
	l := &loader{Options: o, planner: plans, heartbeat: heartbeats, timesAhead: ahead, firstRead: first}
	p := &Poller{
		opt: o, registry: o.Registry, planner: plans, attention: watches, caller: call, writer: w,
		history: &historyFetcher{o, w, call, ahead}, loader: l,
		follower:  &changefeed.Follower{Feed: o.Feed, Load: l.readAll, Apply: l.applyChanges, Now: o.Now, Log: o.Logger},
		heartbeat: heartbeats, pollCounts: &pollCounter{store: o.Store, metrics: o.Metrics, log: o.Logger}, firstRead: first, timesAhead: ahead,
	}
	o.Metrics.registerGauges(p.registry.len, p.registry.polls.Len, p.overdue,
		func() time.Duration { return p.registry.budgets.longestIdleWait(o.Interval) }, p.registry.budgets.keptRatio, watches.stats)
	return p
}

// Run polls users, follows the change feed, fetches history and writes updates
// until ctx ends. Then it abandons running polls and writes what is pending. It
// returns within ten seconds and leaves no goroutine behind.
func (p *Poller) Run(ctx context.Context) {
	writing, cancel := withGracePeriod(ctx, shutdownGrace)
	defer cancel()
	var background, writer sync.WaitGroup
	background.Go(func() {
		if change, ok := p.firstRead.wait(ctx); ok {
			p.follower.Run(ctx, change)
		}
	})
	background.Go(func() { p.heartbeat.run(ctx) })
	background.Go(func() { p.pollCounts.run(ctx) })
	background.Go(func() { p.attention.run(ctx) })
	background.Go(func() { p.history.Registry.fetches.Run(ctx, max(1, p.opt.Workers/8), p.history.fetch) })
	writer.Go(func() { p.writer.run(writing) })

	p.runPolls(ctx)
	background.Wait()
	p.pollCounts.save(writing)
	for _, u := range p.registry.takeUnsaved() {
		p.writer.put(u)
	}
	p.writer.close()
	writer.Wait()
}

// Ready returns an error if the poller cannot work now: the users have not been read yet, or the
// database rejects whole batches of updates.
func (p *Poller) Ready(context.Context) error {
	if !p.firstRead.isDone() {
		return &songspy.Error{Code: songspy.CodeUnavailable, Message: "The users have not been read yet."}
	}
	if p.writer.failing.Load() {
		return &songspy.Error{Code: songspy.CodeUnavailable, Message: "The database rejects updates; they are tried again."}
	}
	return nil
}

// Notes returns sentences for the operator about the quotas that limit the polls, a clock that was
// set back, and polls that are late.
func (p *Poller) Notes() []string {
	notes := append(p.registry.budgets.notes(p.opt.Interval), p.timesAhead.notes(p.opt.Now())...)
	if overdue := p.overdue(); overdue > p.opt.Interval/3 {
		notes = append(notes, fmt.Sprintf("Polls are late: the oldest is overdue by %s.", overdue.Round(time.Second)))
	}
	return notes
}

// LoadShards reads the users of shards that this replica has acquired. The keys of
// polledUntil are these shards. The value is the time until which the shard's previous
// owner has made all polls, or the zero time if that is unknown.
func (p *Poller) LoadShards(ctx context.Context, polledUntil map[int16]time.Time) error {
	return p.loader.loadShards(ctx, polledUntil)
}

// DropShards removes the users of these shards from memory. This replica no longer
// owns the shards.
func (p *Poller) DropShards(shards []int16) { p.loader.dropShards(shards) }

// PolledUntil returns the time before which all due polls have been made.
func (p *Poller) PolledUntil() time.Time { return p.registry.polls.CompletedUntil(p.opt.Now()) }

// overdue returns how long the oldest poll that has not been made is overdue.
func (p *Poller) overdue() time.Duration { return max(0, p.opt.Now().Sub(p.PolledUntil())) }

// withGracePeriod returns a context that ends d after ctx does.
func withGracePeriod(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}
