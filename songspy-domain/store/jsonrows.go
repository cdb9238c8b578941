package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// jsonRows is the scan destination of a column that engine.jsonRows selects: a JSON array
// with one array for each row. The method Scan calls read for each row, and replaces the
// slice *to with the results.
type jsonRows[T any] struct {
	to   *[]T
	read func(jsonRow) T
}

// Scan implements sql.Scanner. If the JSON text has no rows, the slice becomes nil.
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

// jsonRow holds the values of one row, in the order in which the query selects the columns.
// Each method returns the value of column i, counted from 0. No method reports a value of
// another JSON type as an error, because the query determines the types of its columns.
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

// boolean reports whether column i is true. In the JSON text, Postgres writes true as true,
// and SQLite as 1.
func (r jsonRow) boolean(i int) bool { return r[i] == true || r[i] == json.Number("1") }

// time returns the time in column i, in UTC. The query must select the column by
// engine.microseconds, so that the value is a number of microseconds since the Unix epoch.
func (r jsonRow) time(i int) time.Time { return time.UnixMicro(r.integer(i)).UTC() }

func (r jsonRow) timeOrNil(i int) *time.Time {
	if r[i] == nil {
		return nil
	}
	return new(r.time(i))
}
