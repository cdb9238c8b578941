// Package admin holds the commands that an operator runs once over all users:
// Reseal encrypts tokens and addresses with a new key, and Backfill fetches all
// history. A command shows its progress, can be stopped at any time and run
// again, and reports its result.
package admin
