// Package population generates simulated people, their music and what they
// really play.
//
// Everything is a pure function of a seed, a person's number and a time. No
// data is stored per person, so a million people cost nothing until they are
// polled, and two processes with one seed agree on every play.
//
// A person's time is divided into slots. Each slot has at most one listening
// session, which is generated play by play from its start. So to know what a
// person plays at any moment, only one slot must be generated. Times are whole
// milliseconds.
package population
