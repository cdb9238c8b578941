// Package webhook sends to a user's own program what the user is listening to, at the
// moment when it changes. Messages follow the Standard Webhooks specification: they have
// an id, a time and a signature.
//
// A message says what the holder of the user's share link sees. So hiding sends the same
// message as the end of a song.
//
// One replica sends at a time: the one that has the lease (the right to send). It
// compares what the live board shows with what the last message said. The id of a message
// contains its number. The number is stored before the message is sent. So a replica that
// takes over repeats an undelivered message with the same id, and never uses an id for
// two messages.
package webhook
