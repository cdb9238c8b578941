// Package store stores users, links, sessions, tracks, plays and player states in
// SQLite or Postgres. Both engines pass the same conformance suite, package storetest.
//
// It is the only package that uses a database. Callers get plain entities of package
// songspy, times in UTC truncated to microseconds, and errors of type songspy.Error.
// The store encrypts ("seals") tokens and addresses before it writes them and decrypts
// them when it reads them.
//
// Every transaction takes its locks in this order, so that no two transactions deadlock:
// users by id, invites, spotify_links, tracks by URI, now_playing by user, plays,
// history_items, user_tracks, gaps, local tracks that are deleted (by URI), breakers,
// notifications, watches by viewer, and last the only row of the table feed, which holds
// the number of the last change. Only spotify_seats is locked after that row: a
// transaction that decides about seats locks the row first, so that these decisions are
// made one after the other. A deletion may lock tracks that late, because it locks no
// user afterwards, and every other transaction locks all its users before its tracks.
//
// Deleted data disappears from the database files too: from SQLite's within moments, from
// Postgres's after a VACUUM (see docs/erasure.md). Run every transaction that deletes
// personal data with inErasureTx.
package store
