// Package migrations holds the schema of the store as numbered SQL, one folder
// for each database, with the same numbers in both.
package migrations

import "embed"

// Files holds the folders sqlite and postgres.
//
//go:embed sqlite/*.sql postgres/*.sql
var Files embed.FS

// Erased holds the SQL of version 15 as sqlite.sql and postgres.sql. That version
// is written in Go, since it needs the seal keys.
//
//go:embed erased/*.sql
var DeletedPlays embed.FS
