package main

import (
	"cmp"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/notice"
	songspy "github.com/songspy/songspy/songspy-domain"
)

// newSenders makes the channels that the settings name.
func newSenders(s settings) (map[songspy.NoticeChannel]notice.Sender, error) {
	senders := map[songspy.NoticeChannel]notice.Sender{}
	if s.Notices.WebhookURL != "" {
		key, err := s.Notices.WebhookKey()
		if err != nil {
			return nil, err
		}
		if senders[songspy.ChannelWebhook], err = notice.NewWebhook(s.Notices.WebhookURL, key, nil); err != nil {
			return nil, err
		}
	}
	if s.Notices.SMTPURL == "" {
		return senders, nil
	}
	server, err := s.Notices.MailServer()
	if err != nil {
		return nil, err
	}
	mailer, err := notice.NewMailer(s.Notices.Mail.From, server)
	if err != nil {
		return nil, err
	}
	senders[songspy.ChannelMail] = mailer
	if s.Notices.OperatorEmail != "" {
		senders[songspy.ChannelOperatorMail] = mailer
	}
	return senders, nil
}

// newNotices makes the job that tells by these channels; nil without one.
func (b *batch) newNotices(senders map[songspy.NoticeChannel]notice.Sender) *notice.Job {
	if len(senders) == 0 {
		return nil
	}
	return notice.New(notice.Options{
		Book: b.db, Claims: b.db, Links: b.db, Seats: b.db, Senders: senders,
		Operator: b.settings.Notices.OperatorEmail, RelinkURL: cmp.Or(b.settings.Notices.RelinkURL, b.settings.PublicURL+"/"),
		Doors: b.apps.Doors, Outages: b.renewer.Outages,
		Now: time.Now, Logger: b.log, Metrics: notice.NewMetrics(b.registry),
	})
}
