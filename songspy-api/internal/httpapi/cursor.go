package httpapi

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// cursorOf names an item of a list by its time and what tells it from others
// of the same time. Clients pass it on and read nothing into it.
func newCursor(at time.Time, tieBreaker string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(at.UnixMicro(), 10) + " " + tieBreaker))
}

// readCursor undoes cursorOf; without a cursor both are zero, else neither is.
func parseCursor(cursor *string) (at time.Time, tieBreaker string, err error) {
	if cursor == nil {
		return time.Time{}, "", nil
	}
	text, err := base64.RawURLEncoding.DecodeString(*cursor)
	if err != nil {
		return time.Time{}, "", newCursorError()
	}
	micros, tieBreaker, _ := strings.Cut(string(text), " ")
	n, err := strconv.ParseInt(micros, 10, 64)
	if err != nil || n < 0 || n > latestCursor || tieBreaker == "" {
		return time.Time{}, "", newCursorError()
	}
	return time.UnixMicro(n).UTC(), tieBreaker, nil
}

// latestCursor is the year 9999 in microseconds; no database need see later times.
const latestCursor = 253_370_764_800_000_000

func newCursorError() error { return newFieldError("cursor", problemOther) }

// page reads one item more than is asked for, which tells whether another page
// follows; next is its cursor.
func readPage[T any](requested *int, read func(limit int) ([]T, error), name func(T) string) (items []T, next *string, err error) {
	limit := defaultPageSize
	if requested != nil {
		limit = *requested
	}
	if items, err = read(limit + 1); err != nil || len(items) <= limit {
		return items, nil, err
	}
	cursor := name(items[limit-1])
	return items[:limit], &cursor, nil
}
