package songspy

import (
	"net/mail"
	"strings"
	"unicode"
)

// Mailbox is where a person is told by mail.
type Mailbox struct {
	// Address is empty where none is known.
	Address Secret
	// Off: the person wants no mail.
	OptedOut bool
}

// AddressMax is the longest e-mail address that mail can carry (RFC 5321), in bytes.
const EmailMaxBytes = 254

// IsAddress reports whether a text is one plain e-mail address: nothing that
// could add a header or a second receiver to a message, steer the terminal on
// which an operator reads it, or be another than it looks; and not too long.
func IsEmail(s Secret) bool {
	a, err := mail.ParseAddress(s.Reveal())
	return err == nil && len(a.Address) <= EmailMaxBytes && a.Address == s.Reveal() && !strings.ContainsFunc(a.Address, isInvisible)
}

// unseen reports what leaves no mark, or turns what stands beside it around.
func isInvisible(r rune) bool {
	return r == unicode.ReplacementChar || !unicode.IsGraphic(r) || unicode.IsSpace(r)
}

// MaskAddress is an e-mail address as its owner recognises it: a…@example.org.
// What is no address is empty.
func MaskEmail(address Secret) string {
	name, host, ok := strings.Cut(address.Reveal(), "@")
	if !ok || name == "" || host == "" {
		return ""
	}
	return string([]rune(name)[:1]) + "…@" + host
}
