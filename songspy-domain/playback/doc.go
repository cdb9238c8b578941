// Package playback computes what users played from polls of their players. It
// holds pure functions: time is an argument, and there is no I/O.
//
// Step takes one user's state and one observation and returns the new state and
// the plays that ended. NextPoll returns when to poll next, and why. HistoryState
// tracks which time polls left uncovered, and when to fetch history.
//
// Most rules use one computed time, the anchor. An observation with progress p at
// time t implies that the track began at t − p if it played through. While the
// track plays on, every observation implies the same anchor. A later anchor means
// a pause or a restart, an earlier one that the user sought forward. The
// predicted end is the anchor plus the track's length.
//
// Only proven time counts as listened: the time between two observations of one
// play, or up to the predicted end if the next track began there. The rest of a
// play is provisional until history confirms it. See docs/listening.md.
package playback
