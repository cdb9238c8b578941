// Package board keeps the live board in memory: which users play what now, newest
// start first. It follows the change feed. Viewers read it without a database query.
//
// Three rules keep it correct and fast. A change is an invalidation: the board
// fetches the user again, and a user that is absent is removed. Visibility is
// decided when the board is read, not when it is written. The answer is rendered
// once and stored with the time until which it is valid, so a read is one atomic
// load, however many users are on the board.
package board
