package auth

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/net/idna"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Allowlist holds the addresses that may sign up: single addresses, and whole domains. The
// methods String and GoString never show an entry.
type Allowlist struct{ addresses, domains map[string]bool }

// String returns the number of entries.
func (a Allowlist) String() string {
	return fmt.Sprintf("%d addresses, %d domains", len(a.addresses), len(a.domains))
}

// GoString hides the entries from %#v.
func (a Allowlist) GoString() string { return "auth.Allowlist{" + a.String() + "}" }

// ParseAllowlist parses addresses such as ann@example.org and domains such as
// @example.org, separated by commas or white space. It returns an error if there
// is no entry, or if an entry is invalid. The error gives the positions of invalid
// entries, and never quotes an entry.
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
			return Allowlist{}, errors.New("has no entries")
		}
		return list, nil
	case 1:
		return Allowlist{}, fmt.Errorf("entry %s is neither an e-mail address nor an @domain", invalid[0])
	default:
		return Allowlist{}, fmt.Errorf("entries %s are neither e-mail addresses nor @domains", strings.Join(invalid, ", "))
	}
}

// Contains reports whether the address or its domain is on the list. A domain on the list does
// not include its subdomains.
func (a Allowlist) Contains(email songspy.Secret) bool {
	local, domain, ok := splitAddress(email.Reveal())
	return ok && local != "" && (a.addresses[local+"@"+domain] || a.domains[domain])
}

// splitAddress splits an address into its local part and its domain, both normalized for
// comparison. For an @domain the local part is empty.
//
// In the local part only A–Z become lower case, because some other letters become ASCII letters
// when their case changes: with the Kelvin sign, for example, two different addresses would
// count as equal. The domain is converted to punycode, so a name in Hangul equals its punycode.
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

// isInvalidInLocalPart reports whether r cannot occur in a local part without quotes. It also
// rejects *, which is probably meant as a wildcard: the list has no wildcards.
func isInvalidInLocalPart(r rune) bool {
	return r == unicode.ReplacementChar || !unicode.IsGraphic(r) || unicode.IsSpace(r) || strings.ContainsRune(`"(),:;<>@[\]*`, r)
}

func lowerASCII(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r - 'A' + 'a'
	}
	return r
}
