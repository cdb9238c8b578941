// Package sweep looks at every linked listener's player in time, and writes
// down what was heard.
//
//	Plan    the scheduler's tick: reads who is to be asked and plans a first
//	        look at whoever has none; returns in seconds
//	tail    follows the change feed: new links are looked at at once, what is
//	        unlinked or erased leaves at once
//	look    one look at one player when it is due, on one of a bounded number
//	        of workers; listening.Step says what it means, listening.NextLook
//	        when the next one is worth it
//	remember  asks history, seldom, about what looks left unexplained
//	writer  gathers what is worth storing into few transactions
//
// Every listener on the roster has exactly one look planned or under way. The
// roster is newer than the store, which is told only what a restart must not
// lack; so a kill loses nothing that the next look can still prove.
package poller
