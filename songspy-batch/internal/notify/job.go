// Package notice tells people and the operator what needs them, once for each
// time that it does: people, by mail, that they have to link Spotify again; the
// operator, by a webhook or by mail, whom an app does not know, who asks to be
// entered there, whose consent Spotify has taken back, and that Spotify refuses
// everybody.
//
// What is wanted is decided in package songspy (NoticesOf) and filed in the
// database; what is due is claimed there by one process, looked at once more,
// and sent. A message that was sent just before a crash is sent again under the
// same name, by which receivers can tell. Without a channel there is no job.
package notify

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
)

const (
	// Every is the time between two runs.
	Interval = time.Minute
	// leaseFor keeps others from a message that is being sent. It outlasts the
	// slowest server.
	claimDuration = 5 * time.Minute
	// sendFor is how long one run goes on sending.
	sendTimeLimit = 50 * time.Second
)

// Book is where what is wanted is filed.
type Outbox interface {
	// FileNotices files what is new, and notes that the rest is still wanted
	// unless it was noted within the given time.
	QueueNotifications(ctx context.Context, notifications []songspy.Notification, again time.Duration) error
	// EndNotices forgets what is filed about an app (empty: about any) and no
	// longer wanted, and files then for each that was told.
	ResolveNotifications(ctx context.Context, kind songspy.NotificationKind, app string, seenBefore time.Time, then songspy.NotificationKind) error
}

// Claims is where what is due is claimed, and what became of it noted.
type Queue interface {
	// ClaimNotice gives one message that is due, to one process; false if there is none.
	ClaimNotification(ctx context.Context, channels []songspy.NotificationChannel, lease time.Duration) (songspy.NotificationMessage, bool, error)
	// NoticesDone: they were told, or never will be.
	CompleteNotifications(ctx context.Context, ids []int64, delivered bool) error
	RetryNotifications(ctx context.Context, ids []int64, at time.Time) error
	// NoticesPassed forgets what was not told and is not wanted any more.
	DropNotifications(ctx context.Context, ids []int64) error
}

// Links is where links are found that somebody may have to be told of.
type Links interface {
	// NoticeLinks pages by user through the links that do not work or were authorized before the time.
	NotificationLinks(ctx context.Context, authorizedBefore time.Time, after songspy.UserID, limit int) ([]songspy.NotifiableLink, error)
	NotificationLinksByID(ctx context.Context, ids []songspy.UserID) ([]songspy.NotifiableLink, error)
	// Mailbox is where a person is told by mail.
	Mailbox(ctx context.Context, id songspy.UserID) (songspy.Mailbox, error)
}

// Seats is where seats are found that somebody may have to be told of.
type Seats interface {
	NotificationSeats(ctx context.Context) ([]songspy.NotifiableSeat, error)
}

// Sender sends a letter. Its errors hold no address. CodeGone says that this
// letter will never arrive, CodeUnprocessable that it alone did not; any other
// error is taken for one of the channel.
type Sender interface {
	Send(ctx context.Context, l Message) error
}

// Options are what a Job is made of.
type Options struct {
	Outbox Outbox
	Queue  Queue
	Links  Links
	Seats  Seats
	// Senders are the channels that there are.
	Senders map[songspy.NotificationChannel]Sender
	// Operator is the operator's address.
	OperatorAddress songspy.Secret
	// RelinkURL is the page on which people link Spotify.
	RelinkURL string
	// Doors is the state of each app's doors; Outages says of which apps it is
	// known that their renewals are refused (true) or honoured (false).
	Breakers func() map[string]breaker.Breakers
	Outages  func() map[string]bool
	Now      func() time.Time
	Logger   *slog.Logger
	Metrics  *Metrics
}

// Job tells whatever is to be told.
type Job struct {
	Options
	firstRunAt     time.Time // the first run
	linksScannedAt time.Time // when all links were last looked at
	health         channelHealth
}

// New makes a job.
func New(o Options) *Job { return &Job{Options: o} }

// Run files what is wanted, and sends what is due. What cannot be filed or sent
// now is the next time; what is filed already is sent either way.
func (j *Job) Run(ctx context.Context) error {
	now := j.Now()
	if j.firstRunAt.IsZero() {
		j.firstRunAt = now
	}
	return errors.Join(j.queueLinks(ctx, now), j.queueSeats(ctx), j.queueIncidents(ctx, now), j.sendDue(ctx, now.Add(sendTimeLimit)))
}

// send sends what is due until nothing is, or until it has gone on for long
// enough. A channel that fails is left alone until the next run.
func (j *Job) sendDue(ctx context.Context, until time.Time) error {
	open := slices.Sorted(maps.Keys(j.Senders))
	for len(open) > 0 && ctx.Err() == nil && j.Now().Before(until) {
		m, ok, err := j.Queue.ClaimNotification(ctx, open, claimDuration)
		if err != nil || !ok {
			return err
		}
		healthy, err := j.deliver(context.WithoutCancel(ctx), m) // half a sending would be made again
		if err != nil {
			return err
		}
		if !healthy {
			open = slices.DeleteFunc(open, func(c songspy.NotificationChannel) bool { return c == m.Channel })
		}
	}
	return nil
}

// tell sends one message, as far as it is still wanted, and notes what became
// of it. It reports whether the channel works.
func (j *Job) deliver(ctx context.Context, m songspy.NotificationMessage) (healthy bool, err error) {
	now := j.Now()
	l, passed, err := j.compose(ctx, m, now)
	if err != nil {
		return true, err
	}
	if len(passed) > 0 {
		j.Metrics.count(m, "passed", len(passed))
		if err := j.Queue.DropNotifications(ctx, idsOf(passed)); err != nil {
			return true, err
		}
	}
	if len(l.Notifications) == 0 {
		return true, nil
	}
	delivered, fault := idsOf(l.Notifications), j.Senders[m.Channel].Send(ctx, l)
	code := songspy.CodeOf(fault)
	messageOnly := code == songspy.CodeGone || code == songspy.CodeUnprocessable
	j.health.record(m.Channel, fault, messageOnly, now)
	if fault == nil {
		j.Metrics.count(m, "sent", len(delivered))
		j.Logger.InfoContext(ctx, "told", "kind", string(m.Kind), "channel", string(m.Channel), "notices", len(delivered), "tries", m.Attempts)
		return true, j.markSent(ctx, delivered)
	}
	wait, retry := retryWait(m.Attempts)
	if code == songspy.CodeGone || !retry {
		j.Metrics.count(m, "given_up", len(delivered))
		j.Logger.ErrorContext(ctx, "given up telling", "kind", string(m.Kind), "channel", string(m.Channel), "notices", len(delivered), "tries", m.Attempts, "error", fault)
		return messageOnly, j.Queue.CompleteNotifications(ctx, delivered, false)
	}
	j.Metrics.count(m, "failed", len(delivered))
	j.Logger.WarnContext(ctx, "could not tell, and will try again", "kind", string(m.Kind), "channel", string(m.Channel), "tries", m.Attempts, "in", wait, "error", fault)
	return messageOnly, j.Queue.RetryNotifications(ctx, delivered, now.Add(wait))
}

const (
	// markTries and markPause are how often, and how far apart, a database that is
	// away is asked to note that something was sent: else it would be sent again.
	markAttempts  = 12
	markRetryWait = 500 * time.Millisecond
)

func (j *Job) markSent(ctx context.Context, ids []int64) (err error) {
	for range markAttempts {
		if err = j.Queue.CompleteNotifications(ctx, ids, true); err == nil {
			return nil
		}
		delayqueue.Wait(ctx, markRetryWait)
	}
	return err
}

func idsOf(notifications []songspy.Notification) []int64 {
	ids := make([]int64, len(notifications))
	for i, n := range notifications {
		ids[i] = n.ID
	}
	return ids
}

const (
	// firstWait is the wait after the first failure; each later one doubles it, up to longestWait.
	minRetryWait = time.Minute
	maxRetryWait = 6 * time.Hour
	// mostTries take three days.
	maxAttempts = 20
)

// nextTry is how long to wait after so many tries that failed; false: there
// have been enough.
func retryWait(tries int) (wait time.Duration, retry bool) {
	wait = maxRetryWait
	if doublings := max(tries, 1) - 1; doublings < 9 {
		wait = min(minRetryWait<<doublings, maxRetryWait)
	}
	return wait, tries < maxAttempts
}
