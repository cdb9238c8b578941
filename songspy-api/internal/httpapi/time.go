package httpapi

import (
	"bytes"
	"fmt"
	"time"
)

// timeLayout is RFC 3339 with exactly three decimal places of the second.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// Time is a time in the contract's format: RFC 3339, UTC, milliseconds.
type Time time.Time

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(make([]byte, 0, 26), `"`+timeLayout+`"`), nil
}

// UnmarshalJSON accepts any RFC 3339 time.
func (t *Time) UnmarshalJSON(b []byte) error {
	parsed, err := time.Parse(time.RFC3339Nano, string(bytes.Trim(b, `"`)))
	if err != nil {
		return fmt.Errorf("not an RFC 3339 time: %w", err)
	}
	*t = Time(parsed.UTC())
	return nil
}

// OptionalTime is a field of a request that may be absent, null or a time.
type OptionalTime struct {
	Sent bool
	Time *time.Time // nil for null
}

// UnmarshalJSON records that the field was sent. It is called even if the value is null, but not
// if the field is absent.
func (o *OptionalTime) UnmarshalJSON(b []byte) error {
	o.Sent = true
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	var t Time
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	o.Time = (*time.Time)(&t)
	return nil
}

// timeOrNull converts a time into the contract's format. It returns nil, which becomes null in
// JSON, if t is nil.
func timeOrNull(t *time.Time) *Time { return (*Time)(t) }
