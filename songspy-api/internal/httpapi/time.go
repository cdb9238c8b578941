package httpapi

import (
	"bytes"
	"fmt"
	"time"
)

// timeLayout is RFC 3339 with exactly three digits of a second.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// Time is a moment as the contract writes it: RFC 3339, UTC, milliseconds.
type Time time.Time

// MarshalJSON writes the time.
func (t Time) MarshalJSON() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(make([]byte, 0, 26), `"`+timeLayout+`"`), nil
}

// UnmarshalJSON reads any RFC 3339 time.
func (t *Time) UnmarshalJSON(b []byte) error {
	parsed, err := time.Parse(time.RFC3339Nano, string(bytes.Trim(b, `"`)))
	if err != nil {
		return fmt.Errorf("not an RFC 3339 time: %w", err)
	}
	*t = Time(parsed.UTC())
	return nil
}

// timeOrNull is nil for nil.
func timeOrNull(t *time.Time) *Time {
	if t == nil {
		return nil
	}
	own := Time(*t)
	return &own
}
