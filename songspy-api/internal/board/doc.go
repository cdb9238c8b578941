// Package board is the live board in memory: who plays what now, newest start
// first. It follows the change feed and is read by every viewer without
// touching the database.
//
// Three ideas keep it honest and fast. A change is an invalidation: the person
// is fetched afresh, and absent means gone. Visibility is decided when the
// board is read, never when it is written. And what viewers get is rendered
// once and kept with the moment until which it is true, so that a read is one
// atomic load however many people are on the board.
package board
