// Package songspy is the vocabulary of the service: who listens (User, Link),
// to what (Track), when (Play), what is sounding at this moment (NowPlaying), who
// is let in (Invite, Seat) and what somebody is told (Notice), with the errors and
// dispositions that every adapter speaks.
//
// It depends on the standard library only. Entities carry column tags, which
// are plain strings, and know nothing else of a database. Times are UTC and
// whole microseconds, the finest that both databases keep; durations that a
// provider counts in milliseconds are kept in milliseconds.
package songspy
