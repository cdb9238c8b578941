// Package population generates the people, their music and their true plays.
//
// Everything is a pure function of a seed, a person's number and a time. No
// data is stored per person, so a million people cost nothing until they are
// polled, and two processes with one seed agree on every play.
//
// A person's time is divided into slots. Each slot has at most one session,
// which is generated play by play from its start, so one slot is enough to know
// any moment. Times are whole milliseconds.
package population
