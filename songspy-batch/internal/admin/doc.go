// Package admin holds the commands that an operator runs once over all users:
// Reseal encrypts all stored secrets, such as tokens and e-mail addresses, again
// with a new key, and Backfill fetches the Spotify history of all users. A command
// shows its progress, can be stopped at any time and run again, and reports its
// result.
package admin
