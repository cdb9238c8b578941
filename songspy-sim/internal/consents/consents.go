// Package standing keeps how each person stands with the providers: whose
// consent was withdrawn, and who is registered with which app.
//
// It is four bytes a person, so a million people cost four megabytes.
package consents

import "sync/atomic"

// unusual is the bit, above the sixteen of the generation, of somebody who
// stands otherwise with an app than everybody does at first.
func registrationBit(app int) uint32 { return 1 << (16 + app) }

// generation is the bits of the generation.
const generationMask = 1<<16 - 1

// Ledger is the standing of all people. All methods may be called from many
// goroutines.
type Store struct {
	people      []atomic.Uint32
	development []bool // of each app
}

// New makes a ledger in which nobody has withdrawn anything, and everybody is
// registered with the apps that are not small. There are sixteen apps at most.
func New(people int, development []bool) *Store {
	return &Store{people: make([]atomic.Uint32, people), development: development}
}

// Generation is the number of a person's current consent. Refresh tokens of
// an earlier one are revoked.
func (l *Store) Generation(person int) uint16 { return uint16(l.people[person].Load()) }

// Revoke withdraws a person's consent. Consent given later is good again.
func (l *Store) Revoke(person int) {
	for {
		old := l.people[person].Load()
		if l.people[person].CompareAndSwap(old, old&^generationMask|uint32(uint16(old)+1)) {
			return
		}
	}
}

// Register says whether an app's owner has listed a person as its user.
func (l *Store) Register(person, app int, registered bool) {
	if registered != l.development[app] {
		l.people[person].And(^registrationBit(app))
	} else {
		l.people[person].Or(registrationBit(app))
	}
}

// Registered tells whether the Web API serves a person by way of an app.
func (l *Store) Registered(person, app int) bool {
	return (l.people[person].Load()&registrationBit(app) == 0) != l.development[app]
}
