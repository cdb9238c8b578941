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

// mailWithin bounds getting to the server, and handing a letter over, each.
const mailTimeout = 10 * time.Second

// Mailer sends letters by SMTP, each in a connection of its own: there are few.
type Mailer struct {
	from    *mail.Address
	host    string // of from
	server  config.MailServer
	options []gomail.Option
}

// NewMailer makes a mailer for the server. It fails for a sender that is no address.
func NewMailer(from string, server config.MailServer, more ...gomail.Option) (*Mailer, error) {
	address, err := mail.ParseAddress(from)
	if err != nil {
		return nil, errors.New("the sender of mail is no address")
	}
	_, host, _ := strings.Cut(address.Address, "@")
	return &Mailer{from: address, host: host, server: server, options: more}, nil
}

// Send implements Sender.
func (m *Mailer) Send(ctx context.Context, l Message) error {
	if !songspy.IsEmail(l.To) {
		return &songspy.Error{Code: songspy.CodeGone, Err: errors.New("there is no address to send to")}
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(m.from)
	msg.ToMailAddress(&mail.Address{Address: l.To.Reveal()})
	msg.Subject(l.Subject)
	msg.SetMessageIDWithValue(l.ID + "@" + m.host)
	msg.SetDateWithValue(l.At)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // keeps holiday replies away
	msg.SetBodyString(gomail.TypeTextPlain, l.Text)

	client, err := m.client()
	if err != nil {
		return unavailable("the mail server's name or port is not one")
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return mailError(err)
	}
	err = client.SendWithSMTPClient(session, msg)
	// The letter is theirs once they took it, whatever they say to goodbye.
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
	policy := gomail.NoTLS // on this machine
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

// refusedMail says in our words why a letter was not taken: the server's may
// hold the address. A receiver who is refused is no fault of the channel, and
// who is refused for good will be so tomorrow.
func mailError(err error) error {
	code, temporary, receiver := 0, true, false
	if e, ok := errors.AsType[*gomail.SendError](err); ok {
		code, temporary, receiver = e.ErrorCode(), e.IsTemp(), e.Reason == gomail.ErrSMTPRcptTo
	} else if e, ok := errors.AsType[*textproto.Error](err); ok {
		code = e.Code
	}
	switch {
	case receiver && code >= 500 && !temporary:
		return &songspy.Error{Code: songspy.CodeGone, Err: fmt.Errorf("the mail server refuses the receiver (%d)", code)}
	case receiver && code > 0:
		return &songspy.Error{Code: songspy.CodeUnprocessable, Err: fmt.Errorf("the mail server takes no mail for the receiver now (%d)", code)}
	case code > 0:
		return unavailable(fmt.Sprintf("the mail server answered %d", code))
	}
	return unavailable("the mail server " + connectErrorText(err))
}
