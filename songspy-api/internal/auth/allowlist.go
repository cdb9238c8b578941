package auth

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/net/idna"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Allowlist is whose address may sign up: single addresses, and all of a domain.
// Printed it shows none of them.
type Allowlist struct{ addresses, domains map[string]bool }

// String says how long the list is.
func (a Allowlist) String() string {
	return fmt.Sprintf("%d addresses, %d domains", len(a.addresses), len(a.domains))
}

// GoString masks the list under %#v.
func (a Allowlist) GoString() string { return "identity.Allowlist{" + a.String() + "}" }

// ParseAllowlist reads addresses such as ann@example.org and domains such as
// @example.org, between commas or white space. Its faults name entries by their
// number, and never quote one.
func ParseAllowlist(text songspy.Secret) (Allowlist, error) {
	list := Allowlist{map[string]bool{}, map[string]bool{}}
	var invalid []string
	entries := strings.FieldsFunc(text.Reveal(), func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	for i, entry := range entries {
		local, domain, ok := splitAddress(entry)
		switch {
		case !ok:
			invalid = append(invalid, fmt.Sprint(i+1))
		case local == "":
			list.domains[domain] = true
		default:
			list.addresses[local+"@"+domain] = true
		}
	}
	switch len(invalid) {
	case 0:
		if len(entries) == 0 {
			return Allowlist{}, errors.New("names nobody")
		}
		return list, nil
	case 1:
		return Allowlist{}, fmt.Errorf("entry %s is neither an e-mail address nor an @domain", invalid[0])
	default:
		return Allowlist{}, fmt.Errorf("entries %s are neither e-mail addresses nor @domains", strings.Join(invalid, ", "))
	}
}

// Has reports whether the address, or its very domain, is on the list.
func (a Allowlist) Contains(email songspy.Secret) bool {
	local, domain, ok := splitAddress(email.Reveal())
	return ok && local != "" && (a.addresses[local+"@"+domain] || a.domains[domain])
}

// address takes an address apart, in the form in which two are compared, or a
// domain with an @ before it, whose local is empty.
//
// Of the local part only a–z are taken for A–Z: other scripts have letters that
// become those when their case is changed. The domain is as DNS has it, so that
// a name in Hangul and its punycode are one.
func splitAddress(text string) (local, domain string, ok bool) {
	local, domain, ok = strings.Cut(text, "@")
	if !ok || strings.ContainsFunc(local, isInvalidInLocalPart) {
		return "", "", false
	}
	domain, err := idna.Lookup.ToASCII(domain)
	if err != nil || !strings.Contains(domain, ".") || strings.Contains("."+domain+".", "..") {
		return "", "", false
	}
	return strings.Map(lowerASCII, local), domain, true
}

// notLocal reports what no local part holds without quotes; a * would be
// somebody's mistake.
func isInvalidInLocalPart(r rune) bool {
	return r == unicode.ReplacementChar || !unicode.IsGraphic(r) || unicode.IsSpace(r) || strings.ContainsRune(`"(),:;<>@[\]*`, r)
}

func lowerASCII(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r - 'A' + 'a'
	}
	return r
}
