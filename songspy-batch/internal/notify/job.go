// Package notify sends notifications when a user or the operator has to act, once for
// each time that such a state occurs. Users get an e-mail when they have to link
// Spotify again or can link now. The operator gets a webhook call or an e-mail when
// users must be registered with a Spotify app, request a seat (a place in such an app),
// or must link again because Spotify has revoked their consent. The operator also gets one
// when an app is blocked, when Spotify rejects most token renewals, and when it accepts
// them again.
//
// Package songspy decides which notifications a link causes (NotificationsForLink). The
// job queues them in the database. One process claims a message that is due, checks
// that the cause of the message still exists, and sends the message. If the process
// crashes before it has stored that the message was sent, the message is sent again
// with the same ID, by which receivers can recognize the repetition. If no channel is
// configured, no Job runs.
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
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

const (
	// Interval is the time between two runs.
	Interval = time.Minute
	// claimDuration is how long other processes must not claim a message after one
	// process has claimed it. It is longer than sending takes even with the slowest
	// mail server, so that the message is not sent twice.
	claimDuration = 5 * time.Minute
	// sendTimeLimit is how long after its start a run of the job may still begin
	// to send a message.
	sendTimeLimit = 50 * time.Second
)

// Outbox stores the notifications that are to be sent.
type Outbox interface {
	// QueueNotifications adds notifications that are not stored yet. If a notification
	// is stored already, it only sets SeenAt to now. It does so only if SeenAt is at
	// least the duration again before now, which saves writes.
	QueueNotifications(ctx context.Context, notifications []songspy.Notification, again time.Duration) error
	// ResolveNotifications deletes the notifications of the kind and the app that were
	// last seen before seenBefore. An empty app means all apps. For each deleted
	// notification that had been sent, the store adds a notification of another kind,
	// which says that the state has ended. The parameter then is that kind. If it is
	// empty, none is added.
	ResolveNotifications(ctx context.Context, kind songspy.NotificationKind, app string, seenBefore time.Time, then songspy.NotificationKind) error
}

// Queue hands out messages that are due and records their results.
type Queue interface {
	// ClaimNotification returns one message that is due on one of the channels,
	// and keeps other processes from claiming it for the duration lease. It
	// returns false if no message is due.
	ClaimNotification(ctx context.Context, channels []songspy.NotificationChannel, lease time.Duration) (songspy.NotificationMessage, bool, error)
	// CompleteNotifications records that the notifications were delivered, or
	// that no further attempt to deliver them will be made.
	CompleteNotifications(ctx context.Context, ids []int64, delivered bool) error
	RetryNotifications(ctx context.Context, ids []int64, at time.Time) error
	// DropNotifications deletes notifications that were not sent, and whose cause has
	// ended.
	DropNotifications(ctx context.Context, ids []int64) error
}

// Links reads the users' links to Spotify that may cause notifications.
type Links interface {
	// NotificationLinks returns links whose state is reauth_required or not_registered,
	// and links that were authorized at authorizedBefore or earlier, so that their consent
	// ends soon. It returns at most limit links of users whose id is greater than the
	// argument after, in ascending order of the user id.
	NotificationLinks(ctx context.Context, authorizedBefore time.Time, after songspy.UserID, limit int) ([]songspy.NotifiableLink, error)
	NotificationLinksByID(ctx context.Context, ids []songspy.UserID) ([]songspy.NotifiableLink, error)
	// Mailbox returns the user's e-mail address, and whether the user has switched
	// e-mails off.
	Mailbox(ctx context.Context, id songspy.UserID) (songspy.Mailbox, error)
}

// Seats reads the seats (users' places in Spotify apps) that may cause notifications.
type Seats interface {
	NotificationSeats(ctx context.Context) ([]songspy.NotifiableSeat, error)
}

// Sender sends a message over one channel. Its errors contain no address. CodeGone
// means that this message can never be delivered. CodeUnprocessable means that only
// this message failed, and that another attempt may succeed. Any other error counts as
// a failure of the channel.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// Options are the dependencies and settings of a Job.
type Options struct {
	Outbox Outbox
	Queue  Queue
	Links  Links
	Seats  Seats
	// Senders holds the configured channels.
	Senders map[songspy.NotificationChannel]Sender
	// OperatorAddress is the operator's e-mail address.
	OperatorAddress songspy.Secret
	// RelinkURL is the page on which users link Spotify.
	RelinkURL string
	// Breakers returns the state of each app's circuit breakers.
	Breakers func() map[string]breaker.Breakers
	// Outages returns, for each Spotify app, whether the app has an outage: true if
	// Spotify rejects at least half of the app's token renewals, and false if it
	// accepts them. An app is missing while this is unknown.
	Outages func() map[string]bool
	Now     func() time.Time
	Logger  *slog.Logger
	Metrics *Metrics
}

// Job queues and sends notifications.
type Job struct {
	Options
	firstRunAt     time.Time
	linksScannedAt time.Time // when all links were last read
	health         channelHealth
}

// New returns a job with the given options.
func New(o Options) *Job { return &Job{Options: o} }

// Run queues a notification for each new state that needs a user or the operator, and
// sends the messages that are due. If one step fails, the others still run, and the
// next run tries again.
func (j *Job) Run(ctx context.Context) error {
	now := j.Now()
	if j.firstRunAt.IsZero() {
		j.firstRunAt = now
	}
	return errors.Join(j.queueLinks(ctx, now), j.queueSeats(ctx), j.queueIncidents(ctx, now), j.sendDue(ctx, now.Add(sendTimeLimit)))
}

// sendDue sends messages until no more are due or the time limit is reached. A
// channel (e-mail, webhook) that does not work is not used again before the next
// run.
func (j *Job) sendDue(ctx context.Context, until time.Time) error {
	open := slices.Sorted(maps.Keys(j.Senders))
	for len(open) > 0 && ctx.Err() == nil && j.Now().Before(until) {
		claimed, ok, err := j.Queue.ClaimNotification(ctx, open, claimDuration)
		if err != nil || !ok {
			return err
		}
		healthy, err := j.deliver(context.WithoutCancel(ctx), claimed) // if sending were interrupted, its result would not be stored, and the message would be sent again
		if err != nil {
			return err
		}
		if !healthy {
			open = slices.DeleteFunc(open, func(c songspy.NotificationChannel) bool { return c == claimed.Channel })
		}
	}
	return nil
}

// deliver sends the claimed message with those notifications whose cause still
// exists, and records the result in the queue. healthy is false if the channel
// (e-mail, webhook) does not work.
func (j *Job) deliver(ctx context.Context, claimed songspy.NotificationMessage) (healthy bool, err error) {
	now := j.Now()
	m, obsolete, err := j.compose(ctx, claimed, now)
	if err != nil {
		return true, err
	}
	if len(obsolete) > 0 {
		j.Metrics.count(claimed, "discarded", len(obsolete))
		if err := j.Queue.DropNotifications(ctx, idsOf(obsolete)); err != nil {
			return true, err
		}
	}
	if len(m.Notifications) == 0 {
		return true, nil
	}
	ids, fault := idsOf(m.Notifications), j.Senders[claimed.Channel].Send(ctx, m)
	code := songspy.CodeOf(fault)
	messageOnly := code == songspy.CodeGone || code == songspy.CodeUnprocessable
	j.health.record(claimed.Channel, fault, messageOnly, now)
	if fault == nil {
		j.Metrics.count(claimed, "sent", len(ids))
		j.Logger.InfoContext(ctx, "notification sent", "kind", string(claimed.Kind), "channel", string(claimed.Channel), "notifications", len(ids), "attempts", claimed.Attempts)
		return true, j.markSent(ctx, ids)
	}
	wait, retry := retryWait(claimed.Attempts)
	if code == songspy.CodeGone || !retry {
		j.Metrics.count(claimed, "given_up", len(ids))
		level := slog.LevelError
		if code == songspy.CodeGone {
			level = slog.LevelWarn // the receiver does not exist any more, which the operator cannot change
		}
		j.Logger.Log(ctx, level, "giving up on a notification", "kind", string(claimed.Kind), "channel", string(claimed.Channel), "notifications", len(ids), "attempts", claimed.Attempts, logkey.Error, fault)
		return messageOnly, j.Queue.CompleteNotifications(ctx, ids, false)
	}
	j.Metrics.count(claimed, "failed", len(ids))
	j.Logger.WarnContext(ctx, "sending a notification failed; trying again", "kind", string(claimed.Kind), "channel", string(claimed.Channel), "attempts", claimed.Attempts, "retry_after", wait, logkey.Error, fault)
	return messageOnly, j.Queue.RetryNotifications(ctx, ids, now.Add(wait))
}

const (
	// markAttempts is how often the job tries to mark a sent message as sent in the
	// database, with pauses of markRetryWait. If all attempts fail, the claim expires
	// after claimDuration, and the message is sent again.
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
	// minRetryWait is how long to wait after the first failed attempt to send a
	// message. Each further failure doubles the wait, up to maxRetryWait.
	minRetryWait = time.Minute
	maxRetryWait = 6 * time.Hour
	// maxAttempts is how often the job tries to send a message before it gives up.
	// So many attempts take almost three days.
	maxAttempts = 20
)

// retryWait returns how long to wait after the given number of failed attempts,
// or false if no further attempt is made (after maxAttempts).
func retryWait(attempts int) (wait time.Duration, retry bool) {
	wait = maxRetryWait
	if doublings := max(attempts, 1) - 1; doublings < 9 {
		wait = min(minRetryWait<<doublings, maxRetryWait)
	}
	return wait, attempts < maxAttempts
}
