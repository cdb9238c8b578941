// Package songspy defines the domain model that every other package shares:
// users and their Spotify links (User, Link), tracks and plays (Track, Play),
// the current state of a player (NowPlaying), gaps in the recorded plays (Gap),
// sharing and its limits (Sharing, HiddenItem, Follow, Block), reports and audit
// events (Report, AuditEvent), invites and seats (Invite, Seat), notifications
// (Notification), and the errors and dispositions that every adapter returns
// (Error, Disposition).
//
// It depends on the standard library only. Entities carry gorm column tags,
// which are plain strings, and nothing else of a database. Times are UTC in
// whole microseconds, the finest resolution that both Postgres and SQLite keep.
// Durations that Spotify counts in milliseconds stay in milliseconds.
package songspy
