// Package population generates simulated people, their music and what they
// really play.
//
// Unless a script replaces a person's plays, everything is a pure function of a seed,
// the population's habits (see Habits), a person's number and a time. No data is stored per
// person, so a million people cost nothing until they are polled. Two processes with
// the same seed and habits agree on every play after the epochs of both (see New).
//
// A person's time is divided into slots of equal length. Each slot has at most one
// listening session, which is generated play by play from its start. So only one slot
// must be generated to know what a person plays at a given moment. Times are whole
// milliseconds.
package population
