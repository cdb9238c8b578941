package songspy

import "log/slog"

// Secret is a string that must stay hidden: a token, a code, a key. Printing,
// logging and marshalling it produce a mask. Only Reveal returns the value.
type Secret string

const mask = "[secret]"

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String returns the mask, or "" for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// GoString returns the mask for %#v.
func (s Secret) GoString() string { return `songspy.Secret("` + s.String() + `")` }

// LogValue returns the mask for structured logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns the mask instead of the secret, so that JSON and other
// encodings never contain the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a secret from configuration.
func (s *Secret) UnmarshalText(b []byte) error { *s = Secret(b); return nil }

// ResealResult counts rows, at most one for each user, that were to be sealed with the
// primary key.
type ResealResult struct {
	// LastUserID is the last processed user, Processed the number of processed users.
	LastUserID UserID
	Processed  int
	// ByKey counts the rows by the key that sealed them before. Rows without a sealed
	// value are left out.
	ByKey map[string]int
	// Resealed counts the rows that are sealed with the primary key now, Replaced those
	// that another transaction replaced meanwhile.
	Resealed, Replaced int
	// Undecryptable are the users whose values cannot be decrypted: sealed with a key
	// that is not given, or damaged. They stay unchanged.
	Undecryptable []UserID
}
