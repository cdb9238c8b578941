package config_test

import (
	"strings"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"
)

const webhookSecret = "whsec_MDAwMTAyMDMwNDA1MDYwNzA4MDkwYTBiMGMwZDBlMGY="

func TestNotifications_OffByDefault(t *testing.T) {
	if err := (config.Notifications{}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestNotifications_FaultsNameVariableOnly(t *testing.T) {
	const secret = "hunter2"
	mail := config.Mail{From: "songs@example.org"}
	for name, c := range map[string]struct {
		given config.Notifications
		want  string
	}{
		"webhook without TLS":       {config.Notifications{WebhookURL: "http://example.org/hunter2"}, "SONGSPY_NOTIFICATION_WEBHOOK_URL"},
		"webhook at localhost":      {config.Notifications{WebhookURL: "http://localhost/hunter2"}, "SONGSPY_NOTIFICATION_WEBHOOK_URL"},
		"webhook that is not a URL": {config.Notifications{WebhookURL: "hunter2"}, "SONGSPY_NOTIFICATION_WEBHOOK_URL"},
		"secret without a webhook":  {config.Notifications{WebhookSecret: webhookSecret}, "SONGSPY_NOTIFICATION_WEBHOOK_SECRET"},
		"short secret":              {config.Notifications{WebhookURL: "https://example.org", WebhookSecret: "whsec_aHVudGVyMg=="}, "SONGSPY_NOTIFICATION_WEBHOOK_SECRET"},
		"malformed secret":          {config.Notifications{WebhookURL: "https://example.org", WebhookSecret: "hunter2!"}, "SONGSPY_NOTIFICATION_WEBHOOK_SECRET"},
		"mail without a sender":     {config.Notifications{SMTPURL: "smtps://u:hunter2@mail.example.org"}, "SONGSPY_MAIL_FROM"},
		"mail without a server":     {config.Notifications{Mail: mail}, "SONGSPY_SMTP_URL"},
		"mail server with https":    {config.Notifications{SMTPURL: "https://u:hunter2@mail.example.org", Mail: mail}, "SONGSPY_SMTP_URL"},
		"mail server with a path":   {config.Notifications{SMTPURL: "smtp://u:hunter2@mail.example.org/x", Mail: mail}, "SONGSPY_SMTP_URL"},
		"operator without mail":     {config.Notifications{OperatorEmail: "hunter2@example.org"}, "SONGSPY_OPERATOR_EMAIL"},
		"two operators":             {config.Notifications{SMTPURL: "smtp://[::1]", Mail: mail, OperatorEmail: "hunter2@example.org,b@example.org"}, "SONGSPY_OPERATOR_EMAIL"},
		"relink page without TLS":   {config.Notifications{RelinkURL: "http://songs.example.org"}, "SONGSPY_RELINK_URL"},
	} {
		err := c.given.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), c.want+": ") || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: error %v, want a fault of %s", name, err, c.want)
		}
	}
	for _, from := range []string{"songs", "a@example.org, b@example.org", "a@example.org\r\nBcc: b@example.org"} {
		if err := (config.Mail{From: from}).Validate(); err == nil {
			t.Errorf("%q was accepted as a sender", from)
		}
	}
	for _, from := range []string{"songs@example.org", "Songspy <songs@example.org>", "지금 <songs@example.org>"} {
		if err := (config.Mail{From: from}).Validate(); err != nil {
			t.Errorf("%q: %v", from, err)
		}
	}
}

func TestNotifications_MailUsesTLSUnlessLoopback(t *testing.T) {
	for given, want := range map[songspy.Secret]config.MailServer{
		"":                                  {},
		"smtps://u:p%40ss@mail.example.org": {Host: "mail.example.org", Port: "465", User: "u", Password: "p@ss", TLS: true},
		"smtp://u:p@mail.example.org":       {Host: "mail.example.org", Port: "587", User: "u", Password: "p", StartTLS: true},
		"smtp://mail.example.org:2525":      {Host: "mail.example.org", Port: "2525", StartTLS: true},
		"smtp://localhost:2525":             {Host: "localhost", Port: "2525", StartTLS: true},
		"smtp://127.0.0.1:25":               {Host: "127.0.0.1", Port: "25"},
		"smtps://[::1]":                     {Host: "::1", Port: "465", TLS: true},
	} {
		got, err := config.Notifications{SMTPURL: given}.MailServer()
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", given.Reveal(), got, err)
		}
	}
	key, err := config.Notifications{WebhookSecret: webhookSecret}.WebhookKey()
	if err != nil || len(key) != 32 {
		t.Errorf("WebhookKey returned %d bytes, %v", len(key), err)
	}
}
