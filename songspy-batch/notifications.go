package main

import (
	"cmp"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/notify"
	songspy "github.com/songspy/songspy/songspy-domain"
)

// newSenders makes the channels that the settings name.
func newSenders(s settings) (map[songspy.NotificationChannel]notify.Sender, error) {
	senders := map[songspy.NotificationChannel]notify.Sender{}
	if s.Notifications.WebhookURL != "" {
		key, err := s.Notifications.WebhookKey()
		if err != nil {
			return nil, err
		}
		if senders[songspy.ChannelWebhook], err = notify.NewWebhook(s.Notifications.WebhookURL, key, nil); err != nil {
			return nil, err
		}
	}
	if s.Notifications.SMTPURL == "" {
		return senders, nil
	}
	server, err := s.Notifications.MailServer()
	if err != nil {
		return nil, err
	}
	mailer, err := notify.NewMailer(s.Notifications.Mail.From, server)
	if err != nil {
		return nil, err
	}
	senders[songspy.ChannelMail] = mailer
	if s.Notifications.OperatorEmail != "" {
		senders[songspy.ChannelOperatorMail] = mailer
	}
	return senders, nil
}

// newNotices makes the job that tells by these channels; nil without one.
func (b *batch) newNotifier(senders map[songspy.NotificationChannel]notify.Sender) *notify.Job {
	if len(senders) == 0 {
		return nil
	}
	return notify.New(notify.Options{
		Outbox: b.db, Queue: b.db, Links: b.db, Seats: b.db, Senders: senders,
		OperatorAddress: b.settings.Notifications.OperatorEmail, RelinkURL: cmp.Or(b.settings.Notifications.RelinkURL, b.settings.PublicURL+"/"),
		Breakers: b.apps.Breakers, Outages: b.renewer.Outages,
		Now: time.Now, Logger: b.log, Metrics: notify.NewMetrics(b.registry),
	})
}
