package notify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"log"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	gomail "github.com/wneessen/go-mail"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"
)

// smtpServer is an SMTP server that records the messages it accepts.
type smtpServer struct {
	port     string
	roots    *x509.CertPool
	password string // the password that the server requires; empty if it requires none
	// rcptError is the server's answer to each receiver (RCPT TO). It is nil if the
	// server accepts all receivers.
	rcptError *smtp.SMTPError
	// hangsUp says that the server closes the connection after it has accepted a
	// message, instead of waiting for QUIT.
	hangsUp bool

	mu       sync.Mutex
	messages []*mail.Message
	bodies   []string
	from, to []string
	logins   int
}

// NewSession implements smtp.Backend.
func (p *smtpServer) NewSession(c *smtp.Conn) (smtp.Session, error) { return &smtpSession{p, c}, nil }

// smtpSession is one connection to the server.
type smtpSession struct {
	server *smtpServer
	conn   *smtp.Conn
}

func (c *smtpSession) AuthMechanisms() []string {
	if c.server.password == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (c *smtpSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "songs" || password != c.server.password {
			return smtp.ErrAuthFailed
		}
		c.server.logins++
		return nil
	}), nil
}

func (c *smtpSession) Mail(from string, _ *smtp.MailOptions) error {
	c.server.from = append(c.server.from, from)
	return nil
}

func (c *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if c.server.rcptError != nil {
		return c.server.rcptError
	}
	c.server.to = append(c.server.to, to)
	return nil
}

func (c *smtpSession) Data(r io.Reader) error {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	c.server.messages, c.server.bodies = append(c.server.messages, m), append(c.server.bodies, string(body))
	return err
}

func (c *smtpSession) Reset() {
	if c.server.hangsUp && len(c.server.messages) > 0 {
		_ = c.conn.Conn().Close()
	}
}

func (c *smtpSession) Logout() error { return nil }

// security is how a server encrypts connections.
type security int

const (
	plain security = iota
	startTLS
	implicitTLS
)

func newSMTPServer(t *testing.T, how security) *smtpServer {
	t.Helper()
	p := &smtpServer{roots: x509.NewCertPool()}
	s := smtp.NewServer(p)
	s.Domain, s.AllowInsecureAuth, s.ErrorLog = "localhost", true, log.New(io.Discard, "", 0)
	certificate := selfSigned(t, p.roots)
	settings := &tls.Config{Certificates: []tls.Certificate{certificate}}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, p.port, _ = net.SplitHostPort(listener.Addr().String())
	switch how {
	case startTLS:
		s.TLSConfig = settings
	case implicitTLS:
		listener = tls.NewListener(listener, settings)
	}
	go func() { _ = s.Serve(listener) }()
	t.Cleanup(func() { _ = s.Close() })
	return p
}

// selfSigned returns a certificate for localhost and adds it to the pool.
func selfSigned(t *testing.T, pool *x509.CertPool) tls.Certificate {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}

// mailer returns a Mailer that sends to this server. In the URL, PORT stands for the
// server's port.
func (p *smtpServer) mailer(t *testing.T, url string) *Mailer {
	t.Helper()
	server, err := config.Notifications{SMTPURL: songspy.Secret(strings.ReplaceAll(url, "PORT", p.port))}.MailServer()
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMailer("Songspy 지금 <songs@example.org>", server, gomail.WithTLSConfig(&tls.Config{RootCAs: p.roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAMessageArrivesAsWritten(t *testing.T) {
	p, message := newSMTPServer(t, plain), testMessage()
	if err := p.mailer(t, "smtp://127.0.0.1:PORT").Send(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	got := p.messages[0].Header
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Get("Subject"))
	if err != nil || subject != message.Subject {
		t.Errorf("the subject is %q, %v", subject, err)
	}
	if body := strings.ReplaceAll(p.bodies[0], "\r\n", "\n"); strings.TrimSpace(body) != strings.TrimSpace(message.Text) {
		t.Errorf("the text is %q, want %q", body, message.Text)
	}
	for name, want := range map[string]string{"Message-ID": "<notification_1@example.org>", "To": "<operator@example.org>", "Auto-Submitted": "auto-generated"} {
		if got.Get(name) != want {
			t.Errorf("%s: %s, want %s", name, got.Get(name), want)
		}
	}
	if at, err := got.Date(); err != nil || at.Unix() != message.At.Unix() {
		t.Errorf("the date is %v, %v", at, err)
	}
	if from, err := mail.ParseAddress(got.Get("From")); err != nil || from.Name != "Songspy 지금" || p.from[0] != "songs@example.org" || p.to[0] != "operator@example.org" {
		t.Errorf("from %v to %v, %v, %v", p.from, p.to, from, err)
	}
	for _, line := range []string{"X-Mailer", "User-Agent", "Bcc", "Cc"} {
		if got.Get(line) != "" {
			t.Errorf("the header has %s: %s", line, got.Get(line))
		}
	}
}

func TestNoMessageTextAddsAHeaderLine(t *testing.T) {
	p, message := newSMTPServer(t, plain), testMessage()
	message.Subject = "Hello\r\nBcc: eve@example.org\r\n\r\nBuy"
	message.ID = "notification_1>\r\nBcc: eve@example.org"
	_ = p.mailer(t, "smtp://127.0.0.1:PORT").Send(t.Context(), message) // the result is ignored: Send may also reject the message
	for _, m := range p.messages {
		if m.Header.Get("Bcc") != "" {
			t.Errorf("the header is %v", m.Header)
		}
	}
	message = testMessage()
	for _, to := range []songspy.Secret{"", "operator@example.org\r\nRCPT TO:<eve@example.org>", "operator@example.org, eve@example.org", "Eve <eve@example.org>"} {
		message.To = to
		expectError(t, "an invalid address", p.mailer(t, "smtp://127.0.0.1:PORT").Send(t.Context(), message), songspy.CodeGone)
	}
	for _, to := range p.to {
		if to != "operator@example.org" {
			t.Errorf("sent to %s", to)
		}
	}
}

func TestMailUsesTLSAndThePassword(t *testing.T) {
	for url, how := range map[string]security{
		"smtps://songs:p%40ss@localhost:PORT": implicitTLS,
		"smtp://songs:p%40ss@localhost:PORT":  startTLS,
	} {
		p := newSMTPServer(t, how)
		p.password = "p@ss"
		if err := p.mailer(t, url).Send(t.Context(), testMessage()); err != nil || p.logins != 1 || len(p.messages) != 1 {
			t.Errorf("%s: %v, %d logins, %d messages", url, err, p.logins, len(p.messages))
		}
		p.password = "another"
		expectError(t, "a wrong password", p.mailer(t, url).Send(t.Context(), testMessage()), songspy.CodeUnavailable)
		p.roots = x509.NewCertPool()
		expectError(t, "an untrusted certificate", p.mailer(t, url).Send(t.Context(), testMessage()), songspy.CodeUnavailable)
	}
}

func TestMailIsNotSentWithoutTLS(t *testing.T) {
	p := newSMTPServer(t, plain)
	p.password = "p@ss"
	expectError(t, "a server without STARTTLS", p.mailer(t, "smtp://songs:p%40ss@localhost:PORT").Send(t.Context(), testMessage()), songspy.CodeUnavailable)
	if p.logins > 0 || len(p.messages) > 0 {
		t.Errorf("%d logins, %d messages", p.logins, len(p.messages))
	}
}

func TestAnAcceptedMessageCountsAsSent(t *testing.T) {
	p := newSMTPServer(t, plain)
	p.hangsUp = true
	if err := p.mailer(t, "smtp://127.0.0.1:PORT").Send(t.Context(), testMessage()); err != nil || len(p.messages) != 1 {
		t.Errorf("%v, %d messages", err, len(p.messages))
	}
}

func TestARefusedMessageIsDistinguishedFromAFailingServer(t *testing.T) {
	p := newSMTPServer(t, plain)
	m := p.mailer(t, "smtp://127.0.0.1:PORT")
	for name, c := range map[string]struct {
		code int
		want songspy.Code
	}{"an unknown receiver": {550, songspy.CodeGone}, "a full mailbox": {452, songspy.CodeUnprocessable}} {
		p.rcptError = &smtp.SMTPError{Code: c.code, Message: "<operator@example.org> " + base64.StdEncoding.EncodeToString([]byte("no"))}
		expectError(t, name, m.Send(t.Context(), testMessage()), c.want)
	}
	unreachable, err := NewMailer("songs@example.org", config.MailServer{Host: "127.0.0.1", Port: "1"})
	if err != nil {
		t.Fatal(err)
	}
	expectError(t, "an unreachable server", unreachable.Send(t.Context(), testMessage()), songspy.CodeUnavailable)
	invalid, err := NewMailer("songs@example.org", config.MailServer{Host: "127.0.0.1", Port: "many"})
	if err != nil {
		t.Fatal(err)
	}
	expectError(t, "an invalid port", invalid.Send(t.Context(), testMessage()), songspy.CodeUnavailable)
	if _, err := NewMailer("songs", config.MailServer{}); err == nil {
		t.Error("NewMailer accepts a sender that is not an address")
	}
}
