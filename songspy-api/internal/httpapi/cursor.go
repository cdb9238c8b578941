package httpapi

import (
	"cmp"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/board"
	"github.com/songspy/songspy/songspy-api/internal/people"
)

// defaultPageSize is the page size of a request without the parameter limit. pageSize treats a
// limit of 0 as missing, but the contract allows only 1 or more.
const defaultPageSize = 50

func pageSize(requested *int) int { return cmp.Or(deref(requested), defaultPageSize) }

// readPage calls the function read for one item more than the request asks for, to see whether
// another page follows. The result next is the cursor of that page, or nil if none follows. The
// argument name is a function that returns the cursor of the page after a given item.
func readPage[T any](requested *int, read func(limit int) ([]T, error), name func(T) string) (items []T, next *string, err error) {
	limit := pageSize(requested)
	if items, err = read(limit + 1); err != nil || len(items) <= limit {
		return items, nil, err
	}
	return items[:limit], new(name(items[limit-1])), nil
}

// A cursor is the position of the last item of a page; the next page begins after it. It is
// opaque to clients, and holds no internal id.

// newCursor encodes a time, and a tie breaker among items with the same time.
func newCursor(at time.Time, tieBreaker string) string {
	return newTextCursor(strconv.FormatInt(at.UnixMicro(), 10) + " " + tieBreaker)
}

// parseCursor decodes a cursor that newCursor made. Without an error, the time is zero if and
// only if cursor is nil: the earliest time of a cursor is 1970.
func parseCursor(cursor *string) (at time.Time, tieBreaker string, err error) {
	text, err := parseTextCursor(cursor)
	if err != nil || text == "" {
		return time.Time{}, "", err
	}
	micros, tieBreaker, _ := strings.Cut(text, " ")
	n, err := strconv.ParseInt(micros, 10, 64)
	if err != nil || n < 0 || n > latestCursor {
		return time.Time{}, "", newCursorError()
	}
	return time.UnixMicro(n).UTC(), tieBreaker, nil
}

// parseTimeCursor decodes a cursor that newCursor made with an empty tie breaker. It returns the
// zero time if cursor is nil.
func parseTimeCursor(cursor *string) (time.Time, error) {
	at, tieBreaker, err := parseCursor(cursor)
	if err == nil && tieBreaker != "" {
		err = newCursorError()
	}
	return at, err
}

// latestCursor is the start of the year 9999, in microseconds since 1970. parseCursor rejects
// later times, so that they never reach the database.
const latestCursor = 253_370_764_800_000_000

func newCursorError() error { return newFieldError("cursor", problemOther) }

func newTextCursor(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// parseTextCursor decodes a cursor that newTextCursor made. It returns "" if cursor is nil.
func parseTextCursor(cursor *string) (string, error) {
	if cursor == nil {
		return "", nil
	}
	text, err := base64.RawURLEncoding.DecodeString(*cursor)
	if err != nil || len(text) == 0 || !utf8.Valid(text) {
		return "", newCursorError()
	}
	return string(text), nil
}

// parseIDCursor decodes a cursor whose text is a positive number. It returns 0 if cursor is nil.
func parseIDCursor(cursor *string) (id int64, err error) {
	text, err := parseTextCursor(cursor)
	if err != nil || text == "" {
		return 0, err
	}
	if id, err = strconv.ParseInt(text, 10, 64); err != nil || id < 1 {
		return 0, newCursorError()
	}
	return id, nil
}

// parseHandleCursor decodes a cursor whose text is a handle (a public id as text). It returns 0
// if cursor is nil.
func parseHandleCursor(cursor *string) (songspy.PublicID, error) {
	handle, err := parseTextCursor(cursor)
	if err != nil || handle == "" {
		return 0, err
	}
	id, ok := songspy.ParseHandle(handle)
	if !ok {
		return 0, newCursorError()
	}
	return id, nil
}

// parsePosition decodes a cursor that newCursor made of a time and a handle. It returns the zero
// Position if cursor is nil.
func parsePosition(cursor *string) (people.Position, error) {
	at, handle, err := parseCursor(cursor)
	if err != nil || at.IsZero() {
		return people.Position{}, err
	}
	id, ok := songspy.ParseHandle(handle)
	if !ok {
		return people.Position{}, newCursorError()
	}
	return people.Position{At: at, User: id}, nil
}

// positionCursor returns the cursor that parsePosition decodes to p, or nil if p is nil.
func positionCursor(p *people.Position) *string {
	if p == nil {
		return nil
	}
	return new(newCursor(p.At, songspy.Handle(p.User)))
}

// boardPosition converts a Position into the position type of the board. For the zero Position
// it returns nil, with which the board starts at the beginning of the list.
func boardPosition(p people.Position) *board.Position {
	if p.At.IsZero() {
		return nil
	}
	return &board.Position{StartedAt: p.At, User: p.User}
}
