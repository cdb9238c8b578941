package store

import (
	"context"
	"database/sql"
	"strings"
	"sync/atomic"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// pool wraps the connection pool of the database driver. The statements of GORM and of the
// methods of Store go through it, within a transaction or not; SQL migrations and the
// engine's own statements do not. It brings the texts and times among a statement's
// arguments into the form that both databases store, and reports the duration of each
// statement to the function observe.
type pool struct {
	conn    gorm.ConnPool
	observe func(statement string, took time.Duration)
}

// dbPool is a pool that begins transactions. It is a separate type from txPool, because
// GORM takes every pool that has a method Commit for a running transaction.
type dbPool struct {
	pool
	db         *sql.DB
	onRecorded atomic.Pointer[func(songspy.RecordedCounts)]
	onChanges  atomic.Pointer[func([]songspy.Change)]
}

// BeginTx implements gorm.ConnPoolBeginner.
func (p *dbPool) BeginTx(ctx context.Context, o *sql.TxOptions) (gorm.ConnPool, error) {
	tx, err := p.db.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &txPool{pool: pool{conn: tx, observe: p.observe}, tx: tx, parent: p}, nil
}

// txPool is the pool of one transaction. The field recorded counts the plays and gaps that
// the transaction adds. The field changes has the changes that the transaction publishes.
// Commit reports both.
type txPool struct {
	pool
	tx       *sql.Tx
	parent   *dbPool
	recorded txRecorded
	changes  []songspy.Change
}

// Commit implements gorm.TxCommitter. After a successful commit it calls the function that
// OnRecorded has set. It calls the function that OnChanges has set even if the commit fails,
// because the database may have committed the changes nevertheless.
func (p *txPool) Commit() error {
	err := p.tx.Commit()
	if callback := p.parent.onChanges.Load(); callback != nil && len(p.changes) > 0 {
		(*callback)(p.changes)
	}
	if callback := p.parent.onRecorded.Load(); err == nil && callback != nil && len(p.recorded.Plays)+len(p.recorded.Gaps) > 0 {
		(*callback)(songspy.RecordedCounts(p.recorded))
	}
	return err
}

// Rollback implements gorm.TxCommitter.
func (p *txPool) Rollback() error { return p.tx.Rollback() }

// PrepareContext implements gorm.ConnPool. It always fails: the arguments of a prepared
// statement would bypass this pool, so that canonicalValue would not convert them.
func (p *pool) PrepareContext(context.Context, string) (*sql.Stmt, error) {
	return nil, gorm.ErrNotImplemented
}

// ExecContext implements gorm.ConnPool.
func (p *pool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	defer p.timeStatement(query)()
	return p.conn.ExecContext(ctx, query, mapSlice(args, canonicalValue)...)
}

// QueryContext implements gorm.ConnPool.
func (p *pool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	defer p.timeStatement(query)()
	return p.conn.QueryContext(ctx, query, mapSlice(args, canonicalValue)...) //nolint:sqlclosecheck // the caller closes them
}

// QueryRowContext implements gorm.ConnPool.
func (p *pool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	defer p.timeStatement(query)()
	return p.conn.QueryRowContext(ctx, query, mapSlice(args, canonicalValue)...)
}

func (p *pool) timeStatement(query string) func() {
	if p.observe == nil {
		return func() {}
	}
	start := time.Now()
	return func() { p.observe(query, time.Since(start)) }
}

// canonicalValue returns a text or a time, or a slice of them, in the form that the
// databases store. It returns any other value unchanged.
func canonicalValue(a any) any {
	switch v := a.(type) {
	case string:
		return cleanText(v)
	case *string:
		if v != nil {
			return cleanText(*v)
		}
	case []string:
		return mapSlice(v, cleanText)
	case time.Time:
		return dbTime(v)
	case *time.Time:
		return dbTimeOrNil(v)
	case []time.Time:
		return mapSlice(v, dbTime)
	case []*time.Time:
		return mapSlice(v, dbTimeOrNil)
	}
	return a
}

func mapSlice[T any](in []T, f func(T) T) []T {
	out := make([]T, len(in))
	for i, v := range in {
		out[i] = f(v)
	}
	return out
}

// dbTime returns t in UTC and truncated to microseconds, the precision of both
// databases.
func dbTime(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func dbTimeOrNil(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return new(dbTime(*t))
}

// cleanText makes a text valid for Postgres: it removes each NUL and replaces invalid UTF-8
// by U+FFFD.
func cleanText(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}

// OnRecorded sets a function that is called after each commit of a transaction that has
// added plays or gaps. Its argument has the numbers of the added plays and gaps; each play
// and gap is counted once. A probable (unproven) play counts only when history confirms it.
// fn must be quick and safe for concurrent use.
func (s *Store) OnRecorded(fn func(songspy.RecordedCounts)) { s.pool.onRecorded.Store(&fn) }

// OnChanges sets a function that is called after each commit of a transaction that has
// published changes, with these changes. It is called before the method of Store that
// published them returns, so that this process need not wait until it reads them from the
// change feed. If the commit returns an error, fn is called too, because the changes may be
// stored. fn must be quick and safe for concurrent use.
func (s *Store) OnChanges(fn func([]songspy.Change)) { s.pool.onChanges.Store(&fn) }

// txRecorded counts the plays and gaps that one transaction adds.
type txRecorded songspy.RecordedCounts

// recordedBy returns the counts of the transaction of conn, so that the caller can add to
// them.
func recordedBy(conn gorm.ConnPool) *txRecorded {
	if tx, ok := conn.(*txPool); ok {
		return &tx.recorded
	}
	return &txRecorded{} // a connection outside a transaction reports no counts
}

func (r *txRecorded) addPlay(s songspy.PlaySource) {
	if r.Plays == nil {
		r.Plays = map[songspy.PlaySource]int{}
	}
	r.Plays[s]++
}

func (r *txRecorded) addGap(reason songspy.GapReason) {
	if r.Gaps == nil {
		r.Gaps = map[songspy.GapReason]int{}
	}
	r.Gaps[reason]++
}
