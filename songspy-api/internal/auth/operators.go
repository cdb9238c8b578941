package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Operators are the users who operate the service, by their verified Google addresses.
// Their sessions store a keyed hash of the address and not the address. Each request
// compares the hash with the list, so a user who is removed from the list is no operator
// anymore. The zero Operators contains nobody.
type Operators struct {
	key    []byte
	hashes [][]byte
}

// ParseOperators parses addresses separated by commas or white space; an empty text means no
// operators. The parameter key is the key with which addresses are hashed. ParseOperators
// returns an error for an entry that is not an address, such as an @domain. The error never
// quotes an entry.
func ParseOperators(text songspy.Secret, key []byte) (Operators, error) {
	o := Operators{key: key}
	if text == "" {
		return o, nil
	}
	list, err := ParseAllowlist(text)
	if err != nil {
		return Operators{}, err
	}
	if len(list.domains) > 0 {
		return Operators{}, errors.New("has an @domain, which would make everyone of that domain an operator")
	}
	for address := range list.addresses {
		o.hashes = append(o.hashes, o.hash(address))
	}
	return o, nil
}

// hash returns the keyed hash of an address that splitAddress has normalized.
func (o Operators) hash(address string) []byte {
	mac := hmac.New(sha256.New, o.key)
	mac.Write([]byte(address))
	return mac.Sum(nil)
}

// hashOf returns the hash of a verified address that is on the list, and nil for any
// other.
func (o Operators) hashOf(email songspy.Secret) []byte {
	local, domain, ok := splitAddress(email.Reveal())
	if hash := o.hash(local + "@" + domain); ok && local != "" && o.has(hash) {
		return hash
	}
	return nil
}

// has reports whether the hash is that of an operator. It takes the same time for every
// hash, so that the time reveals nothing about the list.
func (o Operators) has(hash []byte) (found bool) {
	for _, one := range o.hashes {
		found = hmac.Equal(one, hash) || found
	}
	return found
}

// IsOperator reports whether the user of the session has signed in with the verified
// address of an operator.
func (c Caller) IsOperator() bool { return c.operator }
