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

// Notices is by which ways people and the operator are told of what needs them.
// With nothing given nobody is told.
type Notifications struct {
	// WebhookURL is where the operator is told by HTTP. Whoever knows the address
	// of a chat's hook can write there.
	WebhookURL songspy.Secret `env:"SONGSPY_NOTICE_WEBHOOK_URL"`
	// WebhookSecret signs what is sent there: see WebhookKey.
	WebhookSecret songspy.Secret `env:"SONGSPY_NOTICE_WEBHOOK_SECRET"`
	// SMTPURL is the server that takes our mail: see MailServer.
	SMTPURL songspy.Secret `env:"SONGSPY_SMTP_URL"`
	// OperatorEmail is where the operator is told by mail.
	OperatorEmail songspy.Secret `env:"SONGSPY_OPERATOR_EMAIL"`
	// RelinkURL is the page on which people link Spotify; empty: the public URL.
	RelinkURL string `env:"SONGSPY_RELINK_URL"`
	Mail      Mail
}

// Mail is what both services are told of mail: who sends it. Where it is given
// the API keeps people's addresses.
type Mail struct {
	From string `env:"SONGSPY_MAIL_FROM"`
}

// Validate refuses a sender that is no address.
func (m Mail) Validate() error {
	if m.From == "" {
		return nil
	}
	if a, err := mail.ParseAddress(m.From); err != nil || !songspy.IsEmail(songspy.Secret(a.Address)) {
		return errors.New("SONGSPY_MAIL_FROM: must be an e-mail address, such as songs@example.org or Songspy <songs@example.org>")
	}
	return nil
}

// Validate lists every fault of the settings, and quotes none.
func (n Notifications) Validate() error {
	var faults []error
	fault := func(name, what string) { faults = append(faults, fmt.Errorf("%s: %s", name, what)) }
	if n.WebhookURL != "" && !isSafeURL(n.WebhookURL.Reveal()) {
		fault("SONGSPY_NOTICE_WEBHOOK_URL", "must be an https URL, or http at 127.0.0.1 or [::1]")
	}
	if _, err := n.WebhookKey(); err != nil {
		faults = append(faults, err)
	}
	if n.WebhookSecret != "" && n.WebhookURL == "" {
		fault("SONGSPY_NOTICE_WEBHOOK_SECRET", "signs nothing without SONGSPY_NOTICE_WEBHOOK_URL")
	}
	if _, err := n.MailServer(); err != nil {
		faults = append(faults, err)
	}
	switch {
	case n.SMTPURL != "" && n.Mail.From == "":
		fault("SONGSPY_MAIL_FROM", "is required with SONGSPY_SMTP_URL; it says from whom mail comes")
	case n.SMTPURL == "" && n.Mail.From != "":
		fault("SONGSPY_SMTP_URL", "is required with SONGSPY_MAIL_FROM; it names the server that takes the mail")
	}
	switch {
	case n.OperatorEmail != "" && !songspy.IsEmail(n.OperatorEmail):
		fault("SONGSPY_OPERATOR_EMAIL", "must be one plain e-mail address")
	case n.OperatorEmail != "" && n.SMTPURL == "":
		fault("SONGSPY_OPERATOR_EMAIL", "gets nothing without SONGSPY_SMTP_URL")
	}
	if n.RelinkURL != "" && !isSafeURL(n.RelinkURL) {
		fault("SONGSPY_RELINK_URL", "must be an https URL, or http at 127.0.0.1 or [::1]")
	}
	return errors.Join(faults...)
}

// safeURL reports whether nobody on the way can read or change what goes there.
func isSafeURL(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && isLoopback(u))
}

// loopback goes by the address alone: a name may be another machine tomorrow.
func isLoopback(u *url.URL) bool { return net.ParseIP(u.Hostname()).IsLoopback() }

// WebhookKey is the key that signs: 24 to 64 bytes, which Standard Webhooks
// write as whsec_ and their base64. Without a secret it is nil.
func (n Notifications) WebhookKey() ([]byte, error) {
	if n.WebhookSecret == "" {
		return nil, nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(n.WebhookSecret.Reveal(), "whsec_"))
	if err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("SONGSPY_NOTICE_WEBHOOK_SECRET: must be whsec_ and the base64 of 24 to 64 bytes, as `echo whsec_$(openssl rand -base64 32)` prints")
	}
	return key, nil
}

// MailServer is an SMTP server.
type MailServer struct {
	Host, Port     string
	User, Password songspy.Secret // empty: the server asks nobody who they are
	// TLS is spoken from the first byte; without it StartTLS must succeed before
	// anything is said. Neither is asked for on this machine.
	TLS, StartTLS bool
}

// MailServer reads SMTPURL: smtps://user:password@host:465, or
// smtp://user:password@host:587; zero without one.
func (n Notifications) MailServer() (s MailServer, err error) {
	if n.SMTPURL == "" {
		return s, nil
	}
	u, err := url.Parse(n.SMTPURL.Reveal())
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" || strings.Trim(u.Path, "/")+u.RawQuery+u.Fragment != "" {
		return s, errors.New("SONGSPY_SMTP_URL: must be smtps://user:password@host:465 or smtp://user:password@host:587; escape special letters of the password")
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
