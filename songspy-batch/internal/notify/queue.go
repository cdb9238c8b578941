package notify

import (
	"context"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
)

const (
	// lookEvery is the time between two looks at all links: their states last
	// for hours at least.
	linkScanInterval = 10 * time.Minute
	// linkAgain is how often a link's state that goes on is noted.
	requeueInterval = 24 * time.Hour
	// page is how many links are read at once.
	pageSize = 1000

	// closedFor is how long a door must have been closed for somebody to be told.
	breakerNotifyAfter = time.Hour
	// overAfter is how long a trouble must not have been seen by any process to be over.
	endedAfter = 5 * time.Minute
	// fresh is how lately it must have been seen to be told of.
	maxIncidentAge = 2 * time.Minute
)

// fileLinks files what links want somebody to be told.
func (j *Job) queueLinks(ctx context.Context, now time.Time) error {
	if !j.linksScannedAt.IsZero() && now.Sub(j.linksScannedAt) < linkScanInterval {
		return nil
	}
	// A little too many are read: the link itself decides.
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

// monthsDiffer is by how much as many months can differ in length.
const monthLengthSlack = 4 * 24 * time.Hour

// wantedOf is what is to be told of a link, by each channel that there is.
func (j *Job) forLink(l songspy.NotifiableLink, now time.Time) []songspy.Notification {
	return j.byChannel(songspy.NotificationsForLink(l.Link, now), l.CanMail)
}

// byChannel is each notice by every channel that there is for it; mail reports
// whether the person can be told by mail.
func (j *Job) byChannel(notifications []songspy.Notification, mail bool) (wanted []songspy.Notification) {
	for _, n := range notifications {
		if n.Kind.Recipient() == songspy.RecipientOperator {
			wanted = append(wanted, j.toOperator(n)...)
		} else if mail && j.Senders[songspy.ChannelMail] != nil {
			n.Channel = songspy.ChannelMail
			wanted = append(wanted, n)
		}
	}
	return wanted
}

// fileSeats files what seats want somebody to be told.
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

// toOperator is a notice by each of the operator's channels.
func (j *Job) toOperator(n songspy.Notification) (wanted []songspy.Notification) {
	for _, c := range []songspy.NotificationChannel{songspy.ChannelWebhook, songspy.ChannelOperatorMail} {
		if j.Senders[c] != nil {
			n.Channel = c
			wanted = append(wanted, n)
		}
	}
	return wanted
}

// fileTroubles files what concerns everybody of an app, and what is over.
// Whichever process sees a trouble notes it every minute: it is over when none
// has for five, and in its own first minutes a process knows too little to say.
func (j *Job) queueIncidents(ctx context.Context, now time.Time) error {
	var wanted []songspy.Notification
	for app, state := range j.Breakers() {
		for circuit, s := range map[breaker.Circuit]breaker.Breaker{breaker.CircuitAccounts: state.Accounts, breaker.CircuitAPI: state.API} {
			if s.Cause != "" {
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

// name is what tells one notice from another.
type notificationKey struct {
	user       songspy.UserID
	app        string
	kind       songspy.NotificationKind
	occurrence string
	channel    songspy.NotificationChannel
}

func keyOf(n songspy.Notification) notificationKey {
	return notificationKey{n.UserID, n.App, n.Kind, n.Occurrence, n.Channel}
}

// still parts the notices of a message into those that are wanted now and those
// whose state has passed, and gives the links that they are about.
func (j *Job) splitCurrent(ctx context.Context, notifications []songspy.Notification, now time.Time) (wanted, passed []songspy.Notification, links map[songspy.UserID]songspy.Link, err error) {
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
	current, links := map[notificationKey]bool{}, make(map[songspy.UserID]songspy.Link, len(found))
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
		is := current[keyOf(n)]
		if n.UserID == 0 {
			is = n.Kind == songspy.NotificationOutageEnded || now.Sub(n.SeenAt) < maxIncidentAge
		}
		if is {
			wanted = append(wanted, n)
		} else {
			passed = append(passed, n)
		}
	}
	return wanted, passed, links, nil
}
