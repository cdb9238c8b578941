package store

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// SealKey is a key that encrypts secrets in the database, such as tokens and e-mail
// addresses.
type SealKey struct {
	// ID has 1 to 32 bytes and is not secret. Every sealed text contains the ID of its key,
	// so that the store knows which of several keys decrypts the text.
	ID string
	// Key is 32 random bytes, for AES-256-GCM.
	Key []byte
}

const (
	sealKeyBytes   = 32
	sealKeyIDBytes = 32
	// sealVersion is the first byte of every sealed text, so that the format can
	// change.
	sealVersion = 1
)

// errUndecryptable is returned for a sealed text that is damaged, that was moved from another
// row or column, or whose key ID names another key now.
var errUndecryptable = errors.New("sealed text cannot be decrypted: it is damaged, belongs to another row, or SONGSPY_SEAL_KEYS has another key under its ID")

// sealer encrypts with its first key and decrypts with any of its keys.
//
// A sealed text consists of the version, the length of the key's id, the id, and
// AES-GCM's nonce, ciphertext and tag.
type sealer struct {
	primary string
	aeads   map[string]tink.AEAD
}

func newSealer(keys []SealKey) (*sealer, error) {
	invalid := func(format string, a ...any) (*sealer, error) {
		return nil, &songspy.Error{Code: songspy.CodeInvalid, Message: fmt.Sprintf(format, a...)}
	}
	if len(keys) == 0 {
		return invalid("No seal key is given. Set SONGSPY_SEAL_KEYS; its first key encrypts the tokens.")
	}
	s := &sealer{primary: keys[0].ID, aeads: make(map[string]tink.AEAD, len(keys))}
	for _, k := range keys {
		if k.ID == "" || len(k.ID) > sealKeyIDBytes {
			return invalid("The id of a seal key has 1 to %d bytes; %q has %d.", sealKeyIDBytes, k.ID, len(k.ID))
		}
		if len(k.Key) != sealKeyBytes {
			return invalid("Seal key %q has %d bytes; it needs %d.", k.ID, len(k.Key), sealKeyBytes)
		}
		if s.aeads[k.ID] != nil {
			return invalid("Seal key %q is given twice; each id names one key.", k.ID)
		}
		aead, err := subtle.NewAESGCM(k.Key)
		if err != nil {
			return nil, &songspy.Error{Code: songspy.CodeInternal, Err: err}
		}
		s.aeads[k.ID] = aead
	}
	return s, nil
}

// linkAAD returns the additional authenticated data with which a token of a link is
// encrypted. It binds the token to its column and to the user's row: a token that is copied
// to another column or row cannot be decrypted there.
func linkAAD(column string, id songspy.UserID) []byte {
	return columnAAD(songspy.Link{}.TableName(), column, id)
}

// columnAAD returns the additional authenticated data with which a value is encrypted. It
// binds the value to its column and to the user's row: a value that is copied to another
// column or row cannot be decrypted there.
func columnAAD(table, column string, id songspy.UserID) []byte {
	return rowAAD(table, column, strconv.FormatInt(int64(id), 10))
}

// rowAAD is columnAAD for a table whose primary key is not a user's id. The parameter row
// is the primary key as text.
func rowAAD(table, column, row string) []byte { return []byte(table + "|" + column + "|" + row) }

func (s *sealer) seal(secret songspy.Secret, aad []byte) ([]byte, error) {
	text, err := s.aeads[s.primary].Encrypt([]byte(secret.Reveal()), aad)
	if err != nil {
		return nil, &songspy.Error{Code: songspy.CodeInternal, Err: err}
	}
	sealed := append([]byte{sealVersion, byte(len(s.primary))}, s.primary...)
	return append(sealed, text...), nil
}

// open decrypts a sealed text. It returns CodeInternal if that fails. The error names
// the key if this process does not have it.
func (s *sealer) open(sealed, aad []byte) (songspy.Secret, error) {
	id, text, ok := parseSealed(sealed)
	if !ok {
		return "", &songspy.Error{Code: songspy.CodeInternal, Err: errUndecryptable}
	}
	aead := s.aeads[id]
	if aead == nil {
		return "", &songspy.Error{
			Code: songspy.CodeInternal,
			Err:  fmt.Errorf("sealed with key %s, which SONGSPY_SEAL_KEYS does not contain; add it after the first", strconv.Quote(strings.ToValidUTF8(id, "?"))),
		}
	}
	secret, err := aead.Decrypt(text, aad)
	if err != nil {
		return "", &songspy.Error{Code: songspy.CodeInternal, Err: errUndecryptable}
	}
	return songspy.Secret(secret), nil
}

func parseSealed(sealed []byte) (id string, text []byte, ok bool) {
	if len(sealed) < 2 || sealed[0] != sealVersion {
		return "", nil, false
	}
	end := 2 + int(sealed[1])
	if end == 2 || len(sealed) < end {
		return "", nil, false
	}
	return string(sealed[2:end]), sealed[end:], true
}
