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

// rowset is a set of rows that one statement takes as arguments: on Postgres an array for
// each column, on SQLite one JSON text. The text of the statement does not depend on the
// number of rows. So the database can plan the statement once, and its limit on the number
// of arguments does not matter.
//
// On Postgres an insert with a rowset takes as long as GORM's CreateInBatches, but
// allocates half as much memory (BenchmarkInsert). That matters because polls produce many
// rows. A query can also join a rowset.
type rowset struct {
	columns []rowsetColumn
	size    int
}

type rowsetColumn struct {
	name, pgType string // pgType is the column's type on Postgres
	values       any    // a slice with the column's value in each row
	valueAt      func(row int) any
}

// addColumn adds a column of the given Postgres type to r. Its last parameter is a function
// that returns the column's value in a row.
func addColumn[R, T any](r *rowset, rows []R, name, pgType string, of func(*R) T) {
	values := make([]T, len(rows))
	for i := range rows {
		values[i] = of(&rows[i])
	}
	r.size = len(rows)
	r.columns = append(r.columns, rowsetColumn{
		name: name, pgType: pgType, values: values,
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

// postgresCTE returns a WITH clause that defines the rows as the table v, and its
// arguments: one array for each column.
func (r *rowset) postgresCTE() (clause string, args []any) {
	casts := make([]string, len(r.columns))
	for i, c := range r.columns {
		casts[i] = fmt.Sprintf("$%d::%s[]", i+1, c.pgType)
		args = append(args, c.values)
	}
	return fmt.Sprintf("WITH v (%s) AS (SELECT * FROM unnest(%s)) ", r.columnNames(), strings.Join(casts, ", ")), args
}

// sqliteCTE returns a WITH clause that defines the rows as the table v, and the only
// argument of the clause: a JSON text. In it, times are microseconds since the Unix epoch,
// as the driver stores them.
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

// execRowset runs a statement that uses the rows of the rowset as the table v.
func (s *Store) execRowset(ctx context.Context, conn gorm.ConnPool, r *rowset, statement string) error {
	clause, args, err := s.engine.rowsetCTE(r)
	if err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, clause+statement, args...)
	return err
}

// queryRowset runs a query that uses the rows of the rowset as the table v, and
// calls scan for each result row.
func (s *Store) queryRowset(ctx context.Context, conn gorm.ConnPool, r *rowset, query string, scan func(*sql.Rows) error) error {
	clause, args, err := s.engine.rowsetCTE(r)
	if err != nil {
		return err
	}
	return queryRows(ctx, conn, scan, clause+query, args...)
}

// queryColumn runs a query with one column and returns its values.
func queryColumn[T any](ctx context.Context, conn gorm.ConnPool, query string, args ...any) (values []T, err error) {
	err = queryRows(ctx, conn, func(rows *sql.Rows) error {
		var v T
		err := rows.Scan(&v)
		values = append(values, v)
		return err
	}, query, args...)
	return values, err
}

// queryRows runs a query and calls scan for each result row. For many rows, it takes about
// half as long as GORM's Find (BenchmarkRead). It also returns rows that Find cannot
// return: those of joins and of DELETE ... RETURNING.
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
