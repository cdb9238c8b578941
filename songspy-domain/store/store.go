package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Options says which database to open and how.
type Options struct {
	// URL is sqlite:path or postgres://user:password@host/database.
	URL string
	// SealKeys encrypt secrets such as tokens and addresses. The first key encrypts, and
	// every key decrypts. At least one is needed.
	SealKeys []SealKey
	// MaxConns limits the open connections; 0 means 10.
	MaxConns int
	// SimpleProtocol makes pgx use Postgres's simple protocol, for connection poolers
	// that do not support prepared statements. SQLite ignores it.
	SimpleProtocol bool
	// MigrationWait is how long Migrate waits for another process that migrates; 0
	// means five minutes.
	MigrationWait time.Duration
	// Now is the clock; nil means the system's.
	Now func() time.Time
	// Logger receives log messages, for example errors about rejected rows; nil means no
	// log.
	Logger *slog.Logger
	// Observe is called after every statement except those of migrations and of the engine
	// (such as Ping), with its text but not its values, and the time until its first result.
	// It must be safe for concurrent use. Nil means no observer.
	Observe func(statement string, took time.Duration)
}

// trackCacheSize is how many tracks are cached, by URI. 100,000 users play about this many
// different tracks in a few hours. The cached tracks need about 30 MB of memory.
const trackCacheSize = 1 << 17

// Store is an open database. It is safe for concurrent use.
type Store struct {
	engine engine
	db     *gorm.DB
	pool   *dbPool
	sealer *sealer
	// tracks caches the stored tracks by URI. It holds no local files, because these can
	// be deleted; no other track ever is.
	tracks  *lru.Cache[string, storedTrack]
	selects selects
	now     func() time.Time
	log     *slog.Logger
	// migrationWait is Options.MigrationWait.
	migrationWait time.Duration
	closing       context.Context
	close         context.CancelFunc
}

// selects holds the beginnings of queries whose text differs between SQLite and Postgres:
// they select board entries, people and plays.
type selects struct{ board, people, plays string }

// Open opens the database and checks that it responds. It does not touch the schema:
// see Migrate and CheckSchema.
//
// It returns CodeInvalid for invalid options, and CodeUnavailable if the database does
// not respond.
func Open(ctx context.Context, o Options) (*Store, error) {
	sealer, err := newSealer(o.SealKeys)
	if err != nil {
		return nil, err
	}
	o.MaxConns = cmp.Or(o.MaxConns, 10)
	o.MigrationWait = cmp.Or(o.MigrationWait, defaultMigrationWait)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e, err := openEngine(o)
	if err != nil {
		return nil, err
	}
	s := &Store{
		engine:  e,
		pool:    &dbPool{pool: pool{conn: e.sql(), observe: o.Observe}, db: e.sql()},
		sealer:  sealer,
		selects: selects{board: selectBoard(e), people: selectPeople(e), plays: selectPlays(e)},
		now:     func() time.Time { return dbTime(o.Now()) },
		log:     o.Logger,

		migrationWait: o.MigrationWait,
	}
	s.closing, s.close = context.WithCancel(context.Background())
	if s.tracks, err = lru.New[string, storedTrack](trackCacheSize); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.Ping(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.db, err = gorm.Open(e.dialector(s.pool), &gorm.Config{
		SkipDefaultTransaction:   true,
		DisableAutomaticPing:     true,
		DisableNestedTransaction: true,
		Logger:                   logger.Discard,
		NowFunc:                  s.now,
	})
	if err != nil {
		return nil, errors.Join(translate(err), s.Close())
	}
	e.afterErasure() // the previous process may have ended before the copies of erased data were removed
	return s, nil
}

func openEngine(o Options) (engine, error) {
	switch scheme, _, _ := strings.Cut(o.URL, ":"); scheme {
	case "sqlite":
		return openSQLite(o)
	case "postgres", "postgresql":
		return openPostgres(o)
	}
	return nil, &songspy.Error{
		Code:    songspy.CodeInvalid,
		Message: "The database URL must begin with sqlite: or postgres://; give sqlite:songspy.db or postgres://user:password@host/database.",
	}
}

// Close makes every WaitForChange return, and closes the database.
func (s *Store) Close() error {
	s.close()
	return s.engine.close()
}

// Ping checks that the database responds. If it does not, Ping returns CodeUnavailable,
// with a message that names the fault: wrong credentials, no free connection, no such
// database.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.engine.sql().PingContext(ctx); err != nil {
		return unavailableError(err)
	}
	return nil
}

// Ready returns nil if the schema has the version that this program needs and the
// database accepts writes. It returns the errors of CheckSchema, and CodeUnavailable
// for a read-only database.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.CheckSchema(ctx); err != nil {
		return err
	}
	return translate(s.engine.writable(ctx))
}

// errClosed is returned after Close by WaitForChange and by inTx.
var errClosed = &songspy.Error{Code: songspy.CodeUnavailable, Message: "The store is closed."}

// inTx runs fn in a transaction. It commits if fn returns nil, and rolls back otherwise. fn
// must run its statements only through tx. It must not call a method of s that begins
// another transaction: on SQLite, that one would wait for this one, so that neither would
// ever end.
func (s *Store) inTx(ctx context.Context, fn func(tx *gorm.DB) error) error {
	if s.closing.Err() != nil {
		return errClosed
	}
	end, err := s.engine.beginWrite(ctx)
	if err != nil {
		return translate(err)
	}
	defer end()
	return translate(s.db.WithContext(ctx).Transaction(fn, &sql.TxOptions{Isolation: s.engine.isolation()}))
}

// inErasureTx is inTx for a transaction that deletes personal data. After the commit it
// makes the engine remove the copies of the deleted data that the database files still
// hold outside the tables.
func (s *Store) inErasureTx(ctx context.Context, fn func(tx *gorm.DB) error) error {
	err := s.inTx(ctx, fn)
	if err == nil {
		s.engine.afterErasure()
	}
	return err
}

// beginTx is the type of inTx and inErasureTx, for functions that take either.
type beginTx func(ctx context.Context, fn func(tx *gorm.DB) error) error

// query starts a new GORM query. Call it for each query, and do not use a *gorm.DB for two
// queries: GORM would add the conditions of the second query to those of the first.
func (s *Store) query(ctx context.Context) *gorm.DB { return s.db.WithContext(ctx) }
