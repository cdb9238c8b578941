// Package listening turns looks at a player into what was heard: pure rules
// over values, with time passed in.
//
// Step takes one listener's state and one observation and gives the new state
// and the plays that ended. NextLook says when the player is worth the next
// look, and why.
//
// The rules lean on one number. A sighting with progress p at time t implies
// that the track began at t − p, had it played through; for the open play
// this is its anchor. While a song plays undisturbed every sighting implies
// the same anchor. A later one means that the player stood still, or that the
// song began again; an earlier one that somebody sought forward. The predicted
// end is the anchor plus the track's length.
//
// Only what is proven counts as listened: the time between two sightings of
// one play, or up to the predicted end where the next thing began there. The
// rest of a play is provisional until somebody knows better.
//
// Reconcile holds an answer of history against the plays that are kept: it
// learns which edge of a play history tells of this person (reading.go), matches
// items with plays (match.go), makes plays of items where a hole holds them
// (hole.go, split.go), and makes one play of two of which it tells once
// (mend.go). What is in doubt is counted once.
package playback
