package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"
)

// relation is a set of rows that one statement takes, however many they are:
// an array for each column on Postgres, one JSON text on SQLite. The
// statement's text stays the same, so it is planned once, and no limit on the
// number of arguments applies.
type rowset struct {
	columns []rowsetColumn
	size    int
}

type rowsetColumn struct {
	name, pgType string // kind is the column's type on Postgres
	values       any    // a slice
	valueAt      func(row int) any
}

// column adds a column: of takes its value from a row. kind is Postgres's type.
func addColumn[R, T any](r *rowset, rows []R, name, kind string, of func(*R) T) {
	values := make([]T, len(rows))
	for i := range rows {
		values[i] = of(&rows[i])
	}
	r.size = len(rows)
	r.columns = append(r.columns, rowsetColumn{
		name: name, pgType: kind, values: values,
		valueAt: func(row int) any { return values[row] },
	})
}

func (r *rowset) columnNames() string {
	names := make([]string, len(r.columns))
	for i, c := range r.columns {
		names[i] = c.name
	}
	return strings.Join(names, ", ")
}

// arrays states the relation as arrays, for Postgres.
func (r *rowset) postgresCTE() (clause string, args []any) {
	casts := make([]string, len(r.columns))
	for i, c := range r.columns {
		casts[i] = fmt.Sprintf("$%d::%s[]", i+1, c.pgType)
		args = append(args, c.values)
	}
	return fmt.Sprintf("WITH v (%s) AS (SELECT * FROM unnest(%s)) ", r.columnNames(), strings.Join(casts, ", ")), args
}

// json states the relation as one JSON text, for SQLite. Times become the
// microseconds that the driver would make of them.
func (r *rowset) sqliteCTE() (clause string, args []any, err error) {
	rows := make([][]any, r.size)
	for i := range rows {
		rows[i] = make([]any, len(r.columns))
		for j, c := range r.columns {
			switch v := canonicalValue(c.valueAt(i)).(type) {
			case time.Time:
				rows[i][j] = v.UnixMicro()
			case *time.Time:
				if v != nil {
					rows[i][j] = v.UnixMicro()
				}
			default:
				rows[i][j] = v
			}
		}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return "", nil, err
	}
	cells := make([]string, len(r.columns))
	for j := range cells {
		cells[j] = fmt.Sprintf("value ->> %d", j)
	}
	return fmt.Sprintf("WITH v (%s) AS (SELECT %s FROM json_each($1)) ", r.columnNames(), strings.Join(cells, ", ")), []any{string(text)}, nil
}

// execWith runs a statement over v, the relation.
func (s *Store) execRowset(ctx context.Context, conn gorm.ConnPool, r *rowset, statement string) error {
	clause, args, err := s.engine.rowsetCTE(r)
	if err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, clause+statement, args...)
	return err
}

// queryWith runs a query over v, the relation, and scans each row that it yields.
func (s *Store) queryRowset(ctx context.Context, conn gorm.ConnPool, r *rowset, query string, scan func(*sql.Rows) error) error {
	clause, args, err := s.engine.rowsetCTE(r)
	if err != nil {
		return err
	}
	return queryRows(ctx, conn, scan, clause+query, args...)
}

// queryRows runs a query and scans each row that it yields.
func queryRows(ctx context.Context, conn gorm.ConnPool, scan func(*sql.Rows) error, query string, args ...any) (err error) {
	rows, err := conn.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() {
		if closed := rows.Close(); err == nil {
			err = closed
		}
	}()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
