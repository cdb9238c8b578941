// Package migrations embeds the schema of the store as numbered SQL files: one folder
// for each engine, with the same numbers in both.
package migrations

import "embed"

// Files contains the folders sqlite and postgres.
//
//go:embed sqlite/*.sql postgres/*.sql
var Files embed.FS

// DeletedPlays contains the SQL of version 15 as sqlite.sql and postgres.sql. The rest
// of that version is written in Go, since it needs the seal keys.
//
//go:embed erased/*.sql
var DeletedPlays embed.FS
