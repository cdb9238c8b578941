package notify

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"
)

// mailTimeout limits each step of sending an e-mail: connecting to the server, reading
// its greeting, logging in, and transferring the message.
const mailTimeout = 10 * time.Second

// Mailer sends e-mails by SMTP. Each e-mail uses its own connection to the
// server, because few are sent.
type Mailer struct {
	from    *mail.Address
	host    string // the domain of the sender's address; each Message-ID ends with it
	server  config.MailServer
	options []gomail.Option
}

// NewMailer returns a Mailer that sends e-mails through the server. The parameter from
// is the sender's address; NewMailer returns an error if it is not an e-mail address.
// The options more are applied last, so they override the options that the Mailer chooses.
func NewMailer(from string, server config.MailServer, more ...gomail.Option) (*Mailer, error) {
	address, err := mail.ParseAddress(from)
	if err != nil {
		return nil, errors.New("the sender of mail is not an e-mail address")
	}
	_, host, _ := strings.Cut(address.Address, "@")
	return &Mailer{from: address, host: host, server: server, options: more}, nil
}

// Send implements Sender.
func (m *Mailer) Send(ctx context.Context, message Message) error {
	if !songspy.IsEmail(message.To) {
		return &songspy.Error{Code: songspy.CodeGone, Err: errors.New("the receiver has no e-mail address")}
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(m.from)
	msg.ToMailAddress(&mail.Address{Address: message.To.Reveal()})
	msg.Subject(message.Subject)
	msg.SetMessageIDWithValue(message.ID + "@" + m.host)
	msg.SetDateWithValue(message.At)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // prevents automatic replies
	msg.SetBodyString(gomail.TypeTextPlain, message.Text)

	client, err := m.client()
	if err != nil {
		return unavailable("the mail server's host or port is invalid")
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return mailError(err)
	}
	err = client.SendWithSMTPClient(session, msg)
	// If err is nil, the server has accepted the message. Then the message counts as
	// sent even if closing the connection fails.
	_ = client.CloseWithSMTPClient(session)
	if err == nil {
		return nil
	}
	return mailError(err)
}

func (m *Mailer) client() (*gomail.Client, error) {
	port, err := strconv.Atoi(m.server.Port)
	if err != nil {
		return nil, err
	}
	// NoTLS means no STARTTLS. The configuration allows that only if the connection uses TLS
	// from its start (server.TLS, below), or if the mail server runs on this machine.
	policy := gomail.NoTLS
	if m.server.StartTLS {
		policy = gomail.TLSMandatory
	}
	o := []gomail.Option{gomail.WithTimeout(mailTimeout), gomail.WithTLSPolicy(policy), gomail.WithoutNoop(), gomail.WithoutRset()}
	if m.server.TLS {
		o = append(o, gomail.WithSSL())
	}
	o = append(o, gomail.WithPort(port))
	if m.server.User != "" {
		o = append(o, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(m.server.User.Reveal()), gomail.WithPassword(m.server.Password.Reveal()))
	}
	return gomail.NewClient(m.server.Host, append(o, m.options...)...)
}

// mailError converts an error of the mail library to one without the server's text,
// which may contain the receiver's address. If the server rejects only the receiver,
// the error has CodeGone if the rejection is permanent, and CodeUnprocessable if the
// server may accept the receiver later. All other errors have CodeUnavailable.
func mailError(err error) error {
	code, temporary, receiver := 0, true, false
	if e, ok := errors.AsType[*gomail.SendError](err); ok {
		code, temporary, receiver = e.ErrorCode(), e.IsTemp(), e.Reason == gomail.ErrSMTPRcptTo
	} else if e, ok := errors.AsType[*textproto.Error](err); ok {
		code = e.Code
	}
	switch {
	case receiver && code >= 500 && !temporary:
		return &songspy.Error{Code: songspy.CodeGone, Err: fmt.Errorf("the mail server rejects the receiver (%d)", code)}
	case receiver && code > 0:
		return &songspy.Error{Code: songspy.CodeUnprocessable, Err: fmt.Errorf("the mail server does not accept mail for the receiver now (%d)", code)}
	case code == 535:
		return unavailable("the mail server rejects the user or the password (535): check SONGSPY_SMTP_URL")
	case code > 0:
		return unavailable(fmt.Sprintf("the mail server answered %d", code))
	}
	return unavailable("the mail server " + connectErrorText(err))
}
