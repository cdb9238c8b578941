// Package population invents the people, their music and the truth about
// their listening.
//
// Everything is a pure function of a seed, a person's number and an instant:
// nothing is stored per person, so a million people cost nothing until they
// are looked at, and two processes with one seed agree on every play.
//
// A person's time is cut into slots. Each slot holds at most one session,
// which is walked play by play from its start; so any instant is answered
// from one slot alone. Truth is kept in whole milliseconds.
package population
