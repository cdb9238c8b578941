package notify

import (
	"context"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
)

const (
	// linkScanInterval is how often all users' links to Spotify are checked for
	// causes of notifications. The causes last for hours at least, so this is
	// often enough.
	linkScanInterval = 10 * time.Minute
	// requeueInterval is how often the SeenAt of a notification about a link or
	// a seat (place in a Spotify app) is updated while its cause still exists.
	requeueInterval = 24 * time.Hour
	// pageSize is the largest number of links in one read.
	pageSize = 1000

	// breakerNotifyAfter is how long a circuit breaker must block the calls of
	// an app before the operator is notified.
	breakerNotifyAfter = time.Hour
	// endedAfter is the time after which an incident of a whole Spotify app (the
	// app is blocked, or has an outage) counts as ended if no process has seen it
	// in that time.
	endedAfter = 5 * time.Minute
	// maxIncidentAge is how recently a process must have seen an incident for the
	// message about it to be sent. If no process has seen it for that long, the
	// incident may be over, so the message is not sent.
	maxIncidentAge = 2 * time.Minute
)

// queueLinks queues the notifications that links cause.
func (j *Job) queueLinks(ctx context.Context, now time.Time) error {
	if !j.linksScannedAt.IsZero() && now.Sub(j.linksScannedAt) < linkScanInterval {
		return nil
	}
	// Months differ in length, so with monthLengthSlack NotificationLinks returns
	// a few links too many and misses none. NotificationsForLink then decides
	// exactly which links cause a notification.
	authorizedBefore := now.AddDate(0, 1-songspy.ConsentMonths, 0).Add(monthLengthSlack)
	for after := songspy.UserID(0); ; {
		links, err := j.Links.NotificationLinks(ctx, authorizedBefore, after, pageSize)
		if err != nil {
			return err
		}
		var wanted []songspy.Notification
		for _, l := range links {
			after = l.Link.UserID
			wanted = append(wanted, j.forLink(l, now)...)
		}
		if err := j.Outbox.QueueNotifications(ctx, wanted, requeueInterval); err != nil {
			return err
		}
		if len(links) < pageSize {
			j.linksScannedAt = now
			return nil
		}
	}
}

// monthLengthSlack is at least the largest difference in length between two
// periods of ConsentMonths calendar months.
const monthLengthSlack = 4 * 24 * time.Hour

func (j *Job) forLink(l songspy.NotifiableLink, now time.Time) []songspy.Notification {
	return j.byChannel(songspy.NotificationsForLink(l.Link, now), l.CanMail)
}

// byChannel returns a copy of each notification for every configured channel
// (e-mail, webhook) of its recipient. canMail says whether the user can get
// e-mails.
func (j *Job) byChannel(notifications []songspy.Notification, canMail bool) (wanted []songspy.Notification) {
	for _, n := range notifications {
		if n.Kind.Recipient() == songspy.RecipientOperator {
			wanted = append(wanted, j.toOperator(n)...)
		} else if canMail && j.Senders[songspy.ChannelMail] != nil {
			n.Channel = songspy.ChannelMail
			wanted = append(wanted, n)
		}
	}
	return wanted
}

// queueSeats queues the notifications that seats cause.
func (j *Job) queueSeats(ctx context.Context) error {
	wanted, err := j.forSeats(ctx)
	if err != nil {
		return err
	}
	return j.Outbox.QueueNotifications(ctx, wanted, requeueInterval)
}

func (j *Job) forSeats(ctx context.Context) (wanted []songspy.Notification, err error) {
	seats, err := j.Seats.NotificationSeats(ctx)
	for _, s := range seats {
		wanted = append(wanted, j.byChannel(songspy.NotificationsForSeat(s.Seat), s.CanMail)...)
	}
	return wanted, err
}

// toOperator returns a copy of the notification for each channel (e-mail,
// webhook) that the operator has configured.
func (j *Job) toOperator(n songspy.Notification) (wanted []songspy.Notification) {
	for _, c := range []songspy.NotificationChannel{songspy.ChannelWebhook, songspy.ChannelOperatorMail} {
		if j.Senders[c] != nil {
			n.Channel = c
			wanted = append(wanted, n)
		}
	}
	return wanted
}

// queueIncidents queues the notifications about incidents of whole apps, and
// deletes them after the incident has ended. In each run, every process that
// sees an incident sets SeenAt of the incident's notification to now, unless
// SeenAt is less than half a minute old. The incident has ended when no process
// has seen it for five minutes (endedAfter).
// A process does not decide this about a blocked app in its first five minutes,
// because all processes may have been stopped before, so that none could see the
// incident. It decides that an outage has ended only if Outages returns false for
// the app.
func (j *Job) queueIncidents(ctx context.Context, now time.Time) error {
	var wanted []songspy.Notification
	for app, state := range j.Breakers() {
		for circuit, b := range map[breaker.Circuit]breaker.Breaker{breaker.CircuitAccounts: state.Accounts, breaker.CircuitAPI: state.API} {
			if b.Cause != "" {
				wanted = append(wanted, j.toOperator(songspy.Notification{
					App: app, Kind: songspy.NotificationAppBlocked, Occurrence: string(circuit), DueAt: now.Add(breakerNotifyAfter),
				})...)
			}
		}
	}
	outages := j.Outages()
	for app, on := range outages {
		if on {
			wanted = append(wanted, j.toOperator(songspy.Notification{App: app, Kind: songspy.NotificationOutageBegan})...)
		}
	}
	if err := j.Outbox.QueueNotifications(ctx, wanted, Interval/2); err != nil {
		return err
	}
	if now.Sub(j.firstRunAt) >= endedAfter {
		if err := j.Outbox.ResolveNotifications(ctx, songspy.NotificationAppBlocked, "", now.Add(-endedAfter), ""); err != nil {
			return err
		}
	}
	for app, on := range outages {
		if on {
			continue
		}
		if err := j.Outbox.ResolveNotifications(ctx, songspy.NotificationOutageBegan, app, now.Add(-endedAfter), songspy.NotificationOutageEnded); err != nil {
			return err
		}
	}
	return nil
}

// keyOf returns the notification with only the fields that identify it.
func keyOf(n songspy.Notification) songspy.Notification {
	return songspy.Notification{UserID: n.UserID, App: n.App, Kind: n.Kind, Occurrence: n.Occurrence, Channel: n.Channel}
}

// splitCurrent divides the notifications of a message into wanted ones, whose
// cause still exists, and obsolete ones, whose cause has ended. It also returns
// the links of the notifications' users to Spotify.
func (j *Job) splitCurrent(ctx context.Context, notifications []songspy.Notification, now time.Time) (wanted, obsolete []songspy.Notification, links map[songspy.UserID]songspy.Link, err error) {
	var ids []songspy.UserID
	for _, n := range notifications {
		if n.UserID != 0 {
			ids = append(ids, n.UserID)
		}
	}
	found, err := j.Links.NotificationLinksByID(ctx, ids)
	if err != nil {
		return nil, nil, nil, err
	}
	var seats []songspy.Notification
	if slices.ContainsFunc(notifications, func(n songspy.Notification) bool { return n.Kind.IsAboutSeat() }) {
		if seats, err = j.forSeats(ctx); err != nil {
			return nil, nil, nil, err
		}
	}
	current, links := map[songspy.Notification]bool{}, make(map[songspy.UserID]songspy.Link, len(found))
	for _, n := range seats {
		current[keyOf(n)] = true
	}
	for _, l := range found {
		links[l.Link.UserID] = l.Link
		for _, n := range j.forLink(l, now) {
			current[keyOf(n)] = true
		}
	}
	for _, n := range notifications {
		isWanted := current[keyOf(n)]
		if n.UserID == 0 {
			isWanted = n.Kind == songspy.NotificationOutageEnded || now.Sub(n.SeenAt) < maxIncidentAge
		}
		if isWanted {
			wanted = append(wanted, n)
		} else {
			obsolete = append(obsolete, n)
		}
	}
	return wanted, obsolete, links, nil
}
