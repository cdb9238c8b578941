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

// SealKey is one key that seals tokens and addresses at rest.
type SealKey struct {
	// ID names the key in what it seals, 1 to 32 bytes; it is no secret.
	ID string
	// Key is 32 random bytes, for AES-256-GCM.
	Key []byte
}

const (
	sealKeyBytes   = 32
	sealKeyIDBytes = 32
	// sealVersion begins whatever is sealed, so that the form can change one day.
	sealVersion = 1
)

// errSealBroken says that sealed text is damaged, or was moved here from
// another row or column.
var errUndecryptable = errors.New("sealed text does not open: it is damaged or belongs to another row")

// sealer seals with its primary key and opens with any that it has.
//
// Sealed text is: version, length of the key's id, the id, and AES-GCM's nonce,
// ciphertext and tag.
type sealer struct {
	primary string
	aeads   map[string]tink.AEAD
}

func newSealer(keys []SealKey) (*sealer, error) {
	invalid := func(format string, a ...any) (*sealer, error) {
		return nil, &songspy.Error{Code: songspy.CodeInvalid, Message: fmt.Sprintf(format, a...)}
	}
	if len(keys) == 0 {
		return invalid("No seal key is given; the first of SONGSPY_SEAL_KEYS seals the tokens.")
	}
	s := &sealer{primary: keys[0].ID, aeads: make(map[string]tink.AEAD, len(keys))}
	for _, k := range keys {
		if k.ID == "" || len(k.ID) > sealKeyIDBytes {
			return invalid("A seal key's id has 1 to %d bytes; %q has %d.", sealKeyIDBytes, k.ID, len(k.ID))
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

// place binds sealed text of a link to where it lies: it does not open anywhere else.
func linkAAD(column string, id songspy.UserID) []byte {
	return columnAAD(songspy.Link{}.TableName(), column, id)
}

// placeIn binds sealed text to a person's row of a table.
func columnAAD(table, column string, id songspy.UserID) []byte {
	return []byte(table + "|" + column + "|" + strconv.FormatInt(int64(id), 10))
}

func (s *sealer) seal(secret songspy.Secret, aad []byte) ([]byte, error) {
	text, err := s.aeads[s.primary].Encrypt([]byte(secret.Reveal()), aad)
	if err != nil {
		return nil, &songspy.Error{Code: songspy.CodeInternal, Err: err}
	}
	sealed := append([]byte{sealVersion, byte(len(s.primary))}, s.primary...)
	return append(sealed, text...), nil
}

// open returns CodeInternal for text that does not open, and names the key if
// it is one that this process was not given.
func (s *sealer) open(sealed, aad []byte) (songspy.Secret, error) {
	id, text, ok := parseSealed(sealed)
	if !ok {
		return "", &songspy.Error{Code: songspy.CodeInternal, Err: errUndecryptable}
	}
	aead := s.aeads[id]
	if aead == nil {
		return "", &songspy.Error{
			Code: songspy.CodeInternal,
			Err:  fmt.Errorf("sealed with key %s, which SONGSPY_SEAL_KEYS does not hold; add it after the first", strconv.Quote(strings.ToValidUTF8(id, "?"))),
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
