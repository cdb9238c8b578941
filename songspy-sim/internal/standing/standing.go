// Package standing keeps how each person stands with the providers: whose
// consent was withdrawn, and who is not registered with the app.
//
// It is four bytes a person, so a million people cost four megabytes.
package standing

import "sync/atomic"

const unregistered = 1 << 16 // above the sixteen bits of the generation

// Ledger is the standing of all people. All methods may be called from many
// goroutines.
type Ledger struct{ people []atomic.Uint32 }

// New makes a ledger in which everybody is in good standing.
func New(people int) *Ledger { return &Ledger{people: make([]atomic.Uint32, people)} }

// Generation is the number of a person's current consent. Refresh tokens of
// an earlier one are revoked.
func (l *Ledger) Generation(person int) uint16 { return uint16(l.people[person].Load()) }

// Revoke withdraws a person's consent. Consent given later is good again.
func (l *Ledger) Revoke(person int) {
	for {
		old := l.people[person].Load()
		if l.people[person].CompareAndSwap(old, old&unregistered|uint32(uint16(old)+1)) {
			return
		}
	}
}

// Register says whether the app's owner has listed a person as its user.
func (l *Ledger) Register(person int, registered bool) {
	if registered {
		l.people[person].And(^uint32(unregistered))
	} else {
		l.people[person].Or(unregistered)
	}
}

// Registered tells whether the Web API serves a person.
func (l *Ledger) Registered(person int) bool { return l.people[person].Load()&unregistered == 0 }
