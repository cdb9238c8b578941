// Package board keeps the live board in memory: which users play what now, newest
// start first. It follows the change feed. Viewers read it without a database query.
//
// Three rules keep it correct and fast. A change in the feed only names a user: the
// board fetches that user again, or removes the user if there is nothing to fetch.
// Visibility is decided when the board is read, not when it is written. The answer
// is rendered once and stored with the time until which it is valid, so a read is
// one atomic load, however many users are on the board.
package board
