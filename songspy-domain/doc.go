// Package songspy defines the domain model that the API and the batch share:
// users and their Spotify links (User, Link), tracks and plays (Track, Play),
// the current state of a player (NowPlaying), gaps in the recorded plays (Gap),
// sharing and its limits (Sharing, HiddenItem, Follow, Block), reports and audit
// events (Report, AuditEvent), invites and seats (Invite, Seat), notifications
// (Notification), and the errors and dispositions that the store and the clients
// of Spotify and Google return (Error, Disposition).
//
// It depends on the standard library only. The structs that are stored have gorm
// tags, but these are plain strings and need no import of gorm. Times are UTC in
// whole microseconds, the finest resolution that both Postgres and SQLite keep.
// Durations that Spotify counts in milliseconds stay in milliseconds.
package songspy
