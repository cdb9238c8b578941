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
package notice

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/due"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/gate"
)

const (
	// Every is the time between two runs.
	Every = time.Minute
	// leaseFor keeps others from a message that is being sent. It outlasts the
	// slowest server.
	leaseFor = 5 * time.Minute
	// sendFor is how long one run goes on sending.
	sendFor = 50 * time.Second
)

// Book is where what is wanted is filed.
type Book interface {
	// FileNotices files what is new, and notes that the rest is still wanted
	// unless it was noted within the given time.
	FileNotices(ctx context.Context, notices []songspy.Notice, again time.Duration) error
	// EndNotices forgets what is filed about an app (empty: about any) and no
	// longer wanted, and files then for each that was told.
	EndNotices(ctx context.Context, kind songspy.NoticeKind, app string, seenBefore time.Time, then songspy.NoticeKind) error
}

// Claims is where what is due is claimed, and what became of it noted.
type Claims interface {
	// ClaimNotice gives one message that is due, to one process; false if there is none.
	ClaimNotice(ctx context.Context, channels []songspy.NoticeChannel, lease time.Duration) (songspy.NoticeMessage, bool, error)
	// NoticesDone: they were told, or never will be.
	NoticesDone(ctx context.Context, ids []int64, told bool) error
	NoticesAgain(ctx context.Context, ids []int64, at time.Time) error
	// NoticesPassed forgets what was not told and is not wanted any more.
	NoticesPassed(ctx context.Context, ids []int64) error
}

// Links is where links are found that somebody may have to be told of.
type Links interface {
	// NoticeLinks pages by user through the links that do not work or were authorized before the time.
	NoticeLinks(ctx context.Context, authorizedBefore time.Time, after songspy.UserID, limit int) ([]songspy.NoticeLink, error)
	NoticeLinksByID(ctx context.Context, ids []songspy.UserID) ([]songspy.NoticeLink, error)
	// Mailbox is where a person is told by mail.
	Mailbox(ctx context.Context, id songspy.UserID) (songspy.Mailbox, error)
}

// Seats is where seats are found that somebody may have to be told of.
type Seats interface {
	NoticeSeats(ctx context.Context) ([]songspy.NoticeSeat, error)
}

// Sender sends a letter. Its errors hold no address. CodeGone says that this
// letter will never arrive, CodeUnprocessable that it alone did not; any other
// error is taken for one of the channel.
type Sender interface {
	Send(ctx context.Context, l Letter) error
}

// Options are what a Job is made of.
type Options struct {
	Book   Book
	Claims Claims
	Links  Links
	Seats  Seats
	// Senders are the channels that there are.
	Senders map[songspy.NoticeChannel]Sender
	// Operator is the operator's address.
	Operator songspy.Secret
	// RelinkURL is the page on which people link Spotify.
	RelinkURL string
	// Doors is the state of each app's doors; Outages says of which apps it is
	// known that their renewals are refused (true) or honoured (false).
	Doors   func() map[string]gate.State
	Outages func() map[string]bool
	Now     func() time.Time
	Logger  *slog.Logger
	Metrics *Metrics
}

// Job tells whatever is to be told.
type Job struct {
	Options
	began  time.Time // the first run
	looked time.Time // when all links were last looked at
	health health
}

// New makes a job.
func New(o Options) *Job { return &Job{Options: o} }

// Run files what is wanted, and sends what is due. What cannot be filed or sent
// now is the next time; what is filed already is sent either way.
func (j *Job) Run(ctx context.Context) error {
	now := j.Now()
	if j.began.IsZero() {
		j.began = now
	}
	return errors.Join(j.fileLinks(ctx, now), j.fileSeats(ctx), j.fileTroubles(ctx, now), j.send(ctx, now.Add(sendFor)))
}

// send sends what is due until nothing is, or until it has gone on for long
// enough. A channel that fails is left alone until the next run.
func (j *Job) send(ctx context.Context, until time.Time) error {
	open := slices.Sorted(maps.Keys(j.Senders))
	for len(open) > 0 && ctx.Err() == nil && j.Now().Before(until) {
		m, ok, err := j.Claims.ClaimNotice(ctx, open, leaseFor)
		if err != nil || !ok {
			return err
		}
		works, err := j.tell(context.WithoutCancel(ctx), m) // half a sending would be made again
		if err != nil {
			return err
		}
		if !works {
			open = slices.DeleteFunc(open, func(c songspy.NoticeChannel) bool { return c == m.Channel })
		}
	}
	return nil
}

// tell sends one message, as far as it is still wanted, and notes what became
// of it. It reports whether the channel works.
func (j *Job) tell(ctx context.Context, m songspy.NoticeMessage) (works bool, err error) {
	now := j.Now()
	l, passed, err := j.compose(ctx, m, now)
	if err != nil {
		return true, err
	}
	if len(passed) > 0 {
		j.Metrics.count(m, "passed", len(passed))
		if err := j.Claims.NoticesPassed(ctx, idsOf(passed)); err != nil {
			return true, err
		}
	}
	if len(l.Notices) == 0 {
		return true, nil
	}
	told, fault := idsOf(l.Notices), j.Senders[m.Channel].Send(ctx, l)
	code := songspy.CodeOf(fault)
	ofLetter := code == songspy.CodeGone || code == songspy.CodeUnprocessable
	j.health.note(m.Channel, fault, ofLetter, now)
	if fault == nil {
		j.Metrics.count(m, "sent", len(told))
		j.Logger.InfoContext(ctx, "told", "kind", string(m.Kind), "channel", string(m.Channel), "notices", len(told), "tries", m.Tries)
		return true, j.sent(ctx, told)
	}
	wait, hope := nextTry(m.Tries)
	if code == songspy.CodeGone || !hope {
		j.Metrics.count(m, "given_up", len(told))
		j.Logger.ErrorContext(ctx, "given up telling", "kind", string(m.Kind), "channel", string(m.Channel), "notices", len(told), "tries", m.Tries, "error", fault)
		return ofLetter, j.Claims.NoticesDone(ctx, told, false)
	}
	j.Metrics.count(m, "failed", len(told))
	j.Logger.WarnContext(ctx, "could not tell, and will try again", "kind", string(m.Kind), "channel", string(m.Channel), "tries", m.Tries, "in", wait, "error", fault)
	return ofLetter, j.Claims.NoticesAgain(ctx, told, now.Add(wait))
}

const (
	// markTries and markPause are how often, and how far apart, a database that is
	// away is asked to note that something was sent: else it would be sent again.
	markTries = 12
	markPause = 500 * time.Millisecond
)

func (j *Job) sent(ctx context.Context, ids []int64) (err error) {
	for range markTries {
		if err = j.Claims.NoticesDone(ctx, ids, true); err == nil {
			return nil
		}
		due.Wait(ctx, markPause)
	}
	return err
}

func idsOf(notices []songspy.Notice) []int64 {
	ids := make([]int64, len(notices))
	for i, n := range notices {
		ids[i] = n.ID
	}
	return ids
}
