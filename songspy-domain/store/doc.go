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
// by user, plays, play_ledger, user_tracks, gaps, notices, and last the row of
// feed that numbers changes; behind it only spotify_seats, whose turns it gives.
package store
