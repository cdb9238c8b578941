package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store/migrations"
)

// schemaPollInterval is how often WaitForSchema checks the schema.
const schemaPollInterval = 250 * time.Millisecond

// Migrate brings the schema to the version that this program needs. If several processes
// call it at once, one of them migrates. The others wait, and log which process they wait
// for.
//
// It returns CodeConflict if the schema is newer than this program, and CodeUnavailable
// if another process holds the migration lock for longer than Options.MigrationWait.
func (s *Store) Migrate(ctx context.Context) (err error) {
	unlock, err := s.engine.lockMigrations(ctx, s.migrationWait, s.log)
	if err != nil {
		return translate(fmt.Errorf("waiting for the migration lock: %w", err))
	}
	defer func() {
		if lost := unlock(); lost != nil {
			err = errors.Join(err, translate(fmt.Errorf("the migration lock was lost; run the migration again: %w", lost)))
		}
	}()
	provider, have, want, err := s.schemaVersions(ctx)
	if err != nil {
		return err
	}
	if have > want {
		return schemaAheadError(have, want)
	}
	if _, err := provider.Up(ctx); err != nil {
		return translate(fmt.Errorf("migrating: %w", err))
	}
	if err := s.engine.scrub(ctx, have == 0); err != nil {
		return translate(fmt.Errorf("removing what deleted rows left in the file: %w", err))
	}
	return nil
}

// CheckSchema returns nil if the database schema has the version that this
// program needs, CodeUnavailable if it is older, and CodeConflict if it is
// newer. It writes nothing.
func (s *Store) CheckSchema(ctx context.Context) error {
	_, have, want, err := s.schemaVersions(ctx)
	if err != nil {
		return err
	}
	switch {
	case have > want:
		return schemaAheadError(have, want)
	case have < want:
		return &songspy.Error{
			Code:       songspy.CodeUnavailable,
			Message:    fmt.Sprintf("The database's schema is at version %d and this program needs %d; run `songspy-api migrate`.", have, want),
			RetryAfter: retryAfter,
		}
	}
	return nil
}

// WaitForSchema returns nil once the schema has the version that this program needs. If ctx
// ends first, it returns the error of the last CheckSchema before that. If the schema is
// newer than this program, it returns at once, because waiting does not help.
func (s *Store) WaitForSchema(ctx context.Context) error {
	var last error
	for {
		err := s.CheckSchema(ctx)
		if err == nil || songspy.CodeOf(err) == songspy.CodeConflict {
			return err
		}
		if ctx.Err() != nil {
			return cmp.Or(last, err)
		}
		last = err
		sleep(ctx, schemaPollInterval)
	}
}

func schemaAheadError(have, want int64) error {
	return &songspy.Error{
		Code:    songspy.CodeConflict,
		Message: fmt.Sprintf("The database's schema is at version %d, which is newer than the %d that this program knows; run the newer release of Songspy.", have, want),
	}
}

// migrations returns goose's provider of the migrations for this engine. Do not close the
// provider: that would close the database.
func (s *Store) migrations() (*goose.Provider, error) {
	dialect, folder := s.engine.dialect()
	files, err := fs.Sub(migrations.Files, folder)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, s.engine.sql(), files, goose.WithDisableGlobalRegistry(true),
		goose.WithGoMigrations(s.deletedPlaysMigration()))
}

// schemaVersions returns the provider of migrations, the version of the database's schema
// and the version that this program needs.
func (s *Store) schemaVersions(ctx context.Context) (p *goose.Provider, have, want int64, err error) {
	if p, err = s.migrations(); err != nil {
		return nil, 0, 0, translate(err)
	}
	sources := p.ListSources()
	have, err = s.schemaVersion(ctx)
	return p, have, sources[len(sources)-1].Version, translate(err)
}

// schemaVersion returns the number of the newest applied migration, or 0 for an empty
// database. It reads the table itself instead of asking goose, because goose would create
// its version table in an empty database.
func (s *Store) schemaVersion(ctx context.Context) (int64, error) {
	var found []int
	if err := s.query(ctx).Raw(s.engine.versionTableQuery()).Scan(&found).Error; err != nil || len(found) == 0 {
		return 0, err
	}
	var version int64
	err := s.query(ctx).Raw("SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&version).Error
	return version, err
}
