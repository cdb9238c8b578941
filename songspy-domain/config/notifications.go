package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"strings"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Notifications says how users and the operator receive notifications. Without these
// settings, Songspy sends no notifications.
type Notifications struct {
	// WebhookURL receives the operator's notifications by HTTP. It is a secret,
	// because anyone who knows the URL of a chat's webhook can write to it.
	WebhookURL songspy.Secret `env:"SONGSPY_NOTIFICATION_WEBHOOK_URL"`
	// WebhookSecret is the key that signs the requests to WebhookURL: whsec_ followed
	// by base64. WebhookKey decodes it.
	WebhookSecret songspy.Secret `env:"SONGSPY_NOTIFICATION_WEBHOOK_SECRET"`
	// SMTPURL is the server that sends the mail, such as
	// smtps://user:password@host:465.
	SMTPURL songspy.Secret `env:"SONGSPY_SMTP_URL"`
	// OperatorEmail receives the operator's notifications by mail.
	OperatorEmail songspy.Secret `env:"SONGSPY_OPERATOR_EMAIL"`
	// RelinkURL is the page on which users link Spotify again. E-mails to users contain
	// it. If it is empty, they contain the URL of SONGSPY_PUBLIC_URL instead.
	RelinkURL string `env:"SONGSPY_RELINK_URL"`
	Mail      Mail
}

// Mail is the e-mail setting that both services read: the sender's address. If
// it is set, the API stores the e-mail addresses of users, and the batch can
// send e-mails to them.
type Mail struct {
	From string `env:"SONGSPY_MAIL_FROM"`
}

// Validate returns an error if the sender is set but is not an e-mail address.
func (m Mail) Validate() error {
	if m.From == "" {
		return nil
	}
	if a, err := mail.ParseAddress(m.From); err != nil || !songspy.IsEmail(songspy.Secret(a.Address)) {
		return errors.New("SONGSPY_MAIL_FROM: must be an e-mail address, such as songs@example.org or Songspy <songs@example.org>")
	}
	return nil
}

// Validate returns every fault of the settings. The error quotes no value, because
// the values may be secrets.
func (n Notifications) Validate() error {
	var faults []error
	fault := func(name, what string) { faults = append(faults, fmt.Errorf("%s: %s", name, what)) }
	if n.WebhookURL != "" && !isSafeURL(n.WebhookURL.Reveal()) {
		fault("SONGSPY_NOTIFICATION_WEBHOOK_URL", "must be an https URL, or http at 127.0.0.1 or [::1]")
	}
	if _, err := n.WebhookKey(); err != nil {
		faults = append(faults, err)
	}
	if n.WebhookSecret != "" && n.WebhookURL == "" {
		fault("SONGSPY_NOTIFICATION_WEBHOOK_SECRET", "has no effect without SONGSPY_NOTIFICATION_WEBHOOK_URL; set that too")
	}
	if _, err := n.MailServer(); err != nil {
		faults = append(faults, err)
	}
	switch {
	case n.SMTPURL != "" && n.Mail.From == "":
		fault("SONGSPY_MAIL_FROM", "is required with SONGSPY_SMTP_URL; it is the sender of the mail")
	case n.SMTPURL == "" && n.Mail.From != "":
		fault("SONGSPY_SMTP_URL", "is required with SONGSPY_MAIL_FROM; it is the server that sends the mail")
	}
	switch {
	case n.OperatorEmail != "" && !songspy.IsEmail(n.OperatorEmail):
		fault("SONGSPY_OPERATOR_EMAIL", "must be one plain e-mail address")
	case n.OperatorEmail != "" && n.SMTPURL == "":
		fault("SONGSPY_OPERATOR_EMAIL", "receives nothing without SONGSPY_SMTP_URL; set that too")
	}
	if n.RelinkURL != "" && !isSafeURL(n.RelinkURL) {
		fault("SONGSPY_RELINK_URL", "must be an https URL, or http at 127.0.0.1 or [::1]")
	}
	return errors.Join(faults...)
}

// isSafeURL reports whether nobody else can read or change requests to the URL
// on their way: it is https, or http at a loopback address.
func isSafeURL(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && isLoopback(u))
}

// isLoopback reports whether the URL's host is a loopback address. A host name,
// even localhost, does not count, because it may resolve to another machine
// later.
func isLoopback(u *url.URL) bool { return net.ParseIP(u.Hostname()).IsLoopback() }

// WebhookKey decodes the key in WebhookSecret, which the Standard Webhooks specification
// writes as whsec_ followed by base64. It returns an error unless the key has 24 to 64
// bytes, and a nil key without an error if WebhookSecret is empty.
func (n Notifications) WebhookKey() ([]byte, error) {
	if n.WebhookSecret == "" {
		return nil, nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(n.WebhookSecret.Reveal(), "whsec_"))
	if err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("SONGSPY_NOTIFICATION_WEBHOOK_SECRET: must be whsec_ and the base64 of 24 to 64 bytes, as `echo whsec_$(openssl rand -base64 32)` prints")
	}
	return key, nil
}

// MailServer is an SMTP server.
type MailServer struct {
	Host, Port     string
	User, Password songspy.Secret // empty for a server without authentication
	// TLS is set if the connection is encrypted from the first byte (smtps).
	// StartTLS is set if it must be encrypted by STARTTLS before anything else is
	// sent (smtp). An smtp server at a loopback address has neither.
	TLS, StartTLS bool
}

// MailServer parses SMTPURL: smtps://user:password@host:465, or
// smtp://user:password@host:587. These ports are the defaults. It returns the
// zero value if SMTPURL is empty.
func (n Notifications) MailServer() (s MailServer, err error) {
	if n.SMTPURL == "" {
		return s, nil
	}
	u, err := url.Parse(n.SMTPURL.Reveal())
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" || strings.Trim(u.Path, "/")+u.RawQuery+u.Fragment != "" {
		return s, errors.New("SONGSPY_SMTP_URL: must be smtps://user:password@host:465 or smtp://user:password@host:587; percent-encode the special characters of user and password, such as %40 for @")
	}
	s = MailServer{Host: u.Hostname(), Port: u.Port(), TLS: u.Scheme == "smtps", StartTLS: u.Scheme == "smtp" && !isLoopback(u)}
	if s.Port == "" {
		s.Port = map[bool]string{true: "465", false: "587"}[s.TLS]
	}
	s.User = songspy.Secret(u.User.Username())
	if password, ok := u.User.Password(); ok {
		s.Password = songspy.Secret(password)
	}
	return s, nil
}
