package store

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Options says which database to open, and how.
type Options struct {
	// URL is sqlite:path or postgres://user:password@host/database.
	URL string
	// SealKeys seal the tokens: the first seals, every one opens. At least one.
	SealKeys []SealKey
	// MaxConns is the most connections at a time; 0 means 10.
	MaxConns int
	// SimpleProtocol keeps Postgres from preparing statements, for poolers that
	// cannot carry prepared ones. SQLite ignores it.
	SimpleProtocol bool
	// MigrationWait is how long Migrate waits for another migration; 0 means
	// five minutes.
	MigrationWait time.Duration
	// Now is the clock; nil means the system's.
	Now func() time.Time
	// Logger is told what was set aside; nil means nobody is.
	Logger *slog.Logger
	// Observe is told every statement that ran, without its values, and the
	// time until its first answer. It must be safe to call at the same time
	// from several goroutines. Nil means nobody is.
	Observe func(statement string, took time.Duration)
}

// trackCacheSize is how many track ids are remembered by their URI: the songs
// of some hours for 100,000 listeners, in about 30 MB.
const trackCacheSize = 1 << 17

// Store is an open database. It is safe for use by several goroutines.
type Store struct {
	engine engine
	db     *gorm.DB
	pool   *dbPool
	sealer *sealer
	// trackIDs holds committed ids only, and none of local files: no other track is ever deleted.
	trackIDs *lru.Cache[string, songspy.TrackID]
	now      func() time.Time
	log      *slog.Logger
	// migrationWait is Options.MigrationWait.
	migrationWait time.Duration
	closing       context.Context
	close         context.CancelFunc
}

// Open opens the database and checks that it answers. It does not touch the
// schema: see Migrate and CheckSchema.
//
// It returns CodeInvalid for options that cannot be right, and
// CodeUnavailable if the database does not answer.
func Open(ctx context.Context, o Options) (*Store, error) {
	sealer, err := newSealer(o.SealKeys)
	if err != nil {
		return nil, err
	}
	if o.MaxConns <= 0 {
		o.MaxConns = 10
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MigrationWait <= 0 {
		o.MigrationWait = defaultMigrationWait
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e, err := openEngine(o)
	if err != nil {
		return nil, err
	}
	s := &Store{
		engine: e,
		pool:   &dbPool{pool: pool{conn: e.sql(), observe: o.Observe}, db: e.sql()},
		sealer: sealer,
		now:    func() time.Time { return dbTime(o.Now()) },
		log:    o.Logger,

		migrationWait: o.MigrationWait,
	}
	s.closing, s.close = context.WithCancel(context.Background())
	if s.trackIDs, err = lru.New[string, songspy.TrackID](trackCacheSize); err != nil {
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
	e.afterErasure() // the process before may have ended too early
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

// Close ends every wait and closes the database.
func (s *Store) Close() error {
	s.close()
	return s.engine.close()
}

// Ping asks whether the database answers. The error is CodeUnavailable and says
// what is wrong: refused credentials, no free connection, no such database.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.engine.sql().PingContext(ctx); err != nil {
		return unavailableError(err)
	}
	return nil
}

// Ready returns nil if the schema is the one that this program knows and the
// database accepts writes. Its errors are those of CheckSchema, and
// CodeUnavailable for a database that is read-only.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.CheckSchema(ctx); err != nil {
		return err
	}
	return translate(s.engine.writable(ctx))
}

// errClosed is what a store answers after Close.
var errClosed = &songspy.Error{Code: songspy.CodeUnavailable, Message: "The store is closed."}

// inTx runs fn in a transaction, which commits if fn returns nil.
// fn must not use s otherwise: SQLite has one writer.
func (s *Store) inTx(ctx context.Context, fn func(tx *gorm.DB) error) error {
	if s.closing.Err() != nil {
		return errClosed
	}
	end, err := s.engine.beginWrite(ctx)
	if err != nil {
		return translate(err)
	}
	defer end()
	return translate(s.db.WithContext(ctx).Transaction(fn))
}

// takingAway is inTx for a transaction that takes something personal away.
func (s *Store) inErasureTx(ctx context.Context, fn func(tx *gorm.DB) error) error {
	err := s.inTx(ctx, fn)
	if err == nil {
		s.engine.afterErasure()
	}
	return err
}

// query starts a query of its own; gorm's chains are not to be reused.
func (s *Store) query(ctx context.Context) *gorm.DB { return s.db.WithContext(ctx) }
