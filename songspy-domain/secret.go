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

// UnmarshalText sets the secret to the text, for example to a value of the configuration.
func (s *Secret) UnmarshalText(b []byte) error { *s = Secret(b); return nil }

// ResealResult is the result of one run over a table that encrypts its stored secrets
// again with the first key of the configuration. The table has at most one row per user.
type ResealResult struct {
	// LastUserID is the last processed user, Processed the number of processed users.
	LastUserID UserID
	Processed  int
	// ByKey counts the rows by the ID of the key that they were encrypted with
	// before. Rows without an encrypted value are left out.
	ByKey map[string]int
	// Resealed counts the rows that this run has encrypted with the first key.
	// Replaced counts the rows that it left unchanged, because another transaction had
	// replaced their secrets since they were read.
	Resealed, Replaced int
	// Undecryptable are the users whose secrets cannot be decrypted, because their
	// key is not configured or they are damaged. Their rows stay unchanged.
	Undecryptable []UserID
}
