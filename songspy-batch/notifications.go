package main

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/songspy/songspy/songspy-batch/internal/notify"
	"github.com/songspy/songspy/songspy-batch/internal/tokens"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/spotify"
)

// newSenders returns a sender for each channel (e-mail, webhook) that the
// settings configure.
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

// newNotifier returns the job that sends notifications, or nil if no channel is
// configured.
func newNotifier(s settings, db database, senders map[songspy.NotificationChannel]notify.Sender, apps *spotify.Apps, renewer *tokens.Renewer,
	metrics prometheus.Registerer, log *slog.Logger,
) *notify.Job {
	if len(senders) == 0 {
		return nil
	}
	return notify.New(notify.Options{
		Outbox: db, Queue: db, Links: db, Seats: db, Senders: senders,
		OperatorAddress: s.Notifications.OperatorEmail, RelinkURL: cmp.Or(s.Notifications.RelinkURL, s.PublicURL+"/"),
		Breakers: apps.Breakers, Outages: renewer.Outages,
		Now: time.Now, Logger: log, Metrics: notify.NewMetrics(metrics),
	})
}
