package songspy

import (
	"net/mail"
	"strings"
	"unicode"
)

// Mailbox is the e-mail address of a user, with the user's choice whether to
// receive e-mails.
type Mailbox struct {
	// Address is empty if it is not known.
	Address Secret
	// OptedOut is set if the user wants no e-mails.
	OptedOut bool
}

// EmailMaxBytes is the length of the longest e-mail address that SMTP can carry
// (RFC 5321), in bytes.
const EmailMaxBytes = 254

// IsEmail reports whether s is exactly one plain e-mail address of at most
// EmailMaxBytes. It rejects text that could add a header or a second recipient
// to a message, control the operator's terminal, or look like another address.
func IsEmail(s Secret) bool {
	a, err := mail.ParseAddress(s.Reveal())
	return err == nil && len(a.Address) <= EmailMaxBytes && a.Address == s.Reveal() && !strings.ContainsFunc(a.Address, isInvisible)
}

// isInvisible reports whether r prints nothing, changes the direction of the
// text around it, or is the replacement character, which stands for invalid UTF-8.
func isInvisible(r rune) bool {
	return r == unicode.ReplacementChar || !unicode.IsGraphic(r) || unicode.IsSpace(r)
}

// MaskEmail returns an e-mail address with all but the first letter before the @
// replaced by an ellipsis, such as a…@example.org, so that only its owner
// recognizes it. It returns "" if there is no @, or nothing before or after it.
func MaskEmail(address Secret) string {
	name, host, ok := strings.Cut(address.Reveal(), "@")
	if !ok || name == "" || host == "" {
		return ""
	}
	return string([]rune(name)[:1]) + "…@" + host
}
