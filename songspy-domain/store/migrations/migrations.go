// Package migrations embeds the schema of the store as numbered SQL files: one folder
// for each engine, with the same numbers in both.
package migrations

import "embed"

// Files contains the folders sqlite and postgres.
//
//go:embed sqlite/*.sql postgres/*.sql
var Files embed.FS

// DeletedPlays contains the SQL part of the migration to version 15: erased/sqlite.sql and
// erased/postgres.sql. The other part is written in Go, because it needs the seal keys.
//
//go:embed erased/*.sql
var DeletedPlays embed.FS
