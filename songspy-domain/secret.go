package songspy

import "log/slog"

// Secret is a string that must not be shown: a token, a code, a key. However
// it is printed, logged or marshalled, it shows a mask; Reveal gives the value
// to the one call that needs it.
type Secret string

const mask = "[secret]"

// Reveal is the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String masks the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// GoString masks the secret under %#v.
func (s Secret) GoString() string { return `songspy.Secret("` + s.String() + `")` }

// LogValue masks the secret in structured logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText masks the secret in JSON and other encodings.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a secret from configuration.
func (s *Secret) UnmarshalText(b []byte) error { *s = Secret(b); return nil }
