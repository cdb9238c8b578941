// Package store keeps people, links, sessions, tracks, plays and what is
// playing in SQLite or Postgres, behind one contract that both fulfil alike.
//
// It is the only package that knows a database. What a caller gets is plain
// entities of package songspy, times in UTC and whole microseconds, and errors
// that are songspy.Errors. Tokens are sealed on their way in and opened on
// their way out.
//
// Locks are taken in one order everywhere, so that no two transactions wait
// for each other: users by id, invites, spotify_links, tracks by uri, now_playing
// by user, plays, play_ledger, user_tracks, gaps, local tracks that are deleted
// (by uri), doors, notices, and last the row of feed that numbers changes; behind
// it only spotify_seats, whose turns it gives. A deletion may lock tracks this
// late because it never locks a user behind them, and whoever writes locks all
// its users before its tracks.
//
// What is taken away is taken away for good: see docs/erasure.md. A transaction
// that does so runs by takingAway.
package store
