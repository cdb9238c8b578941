package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// jsonRows is a scan destination for the JSON text that engine.jsonRows
// selects. It replaces the slice that to points to: the function read makes one
// value from each row.
type jsonRows[T any] struct {
	to   *[]T
	read func(jsonRow) T
}

// Scan implements sql.Scanner.
func (j jsonRows[T]) Scan(from any) error {
	var text []byte
	switch v := from.(type) {
	case string:
		text = []byte(v)
	case []byte:
		text = v
	default:
		return fmt.Errorf("rows are %T, not JSON", from)
	}
	*j.to = nil
	if string(text) == "[]" {
		return nil
	}
	var rows []jsonRow
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&rows); err != nil {
		return err
	}
	for _, row := range rows {
		*j.to = append(*j.to, j.read(row))
	}
	return nil
}

// jsonRow holds the columns of one row. Its methods return column i and do not
// check its type, which the databases guarantee.
type jsonRow []any

func (r jsonRow) text(i int) string {
	s, _ := r[i].(string)
	return s
}

func (r jsonRow) integer(i int) int64 {
	n, _ := r[i].(json.Number)
	v, _ := n.Int64()
	return v
}

// boolean reports whether column i is true. Postgres writes true, SQLite writes
// 1.
func (r jsonRow) boolean(i int) bool { return r[i] == true || r[i] == json.Number("1") }

// time returns the time in column i, which must be selected with
// engine.microseconds.
func (r jsonRow) time(i int) time.Time { return time.UnixMicro(r.integer(i)).UTC() }

func (r jsonRow) timeOrNil(i int) *time.Time {
	if r[i] == nil {
		return nil
	}
	return new(r.time(i))
}
