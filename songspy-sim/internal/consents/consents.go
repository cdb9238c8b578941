// Package consents stores, for each simulated person, the number of their
// current consent and the apps with which they are registered.
//
// It uses four bytes per person, so a million people use four megabytes.
package consents

import "sync/atomic"

// registrationBit returns the bit of an app in a person's entry. The bit is set
// if the person's registration with the app differs from the app's default. The
// sixteen lower bits of the entry hold the number of the person's current
// consent.
func registrationBit(app int) uint32 { return 1 << (16 + app) }

// generationMask selects the sixteen bits that hold the number of the consent.
const generationMask = 1<<16 - 1

// Store holds the consents and registrations of all simulated people. All
// methods are safe for concurrent use.
type Store struct {
	people      []atomic.Uint32
	development []bool // by app: whether it is in development mode
}

// New returns a store in which no consent is revoked and all people are
// registered with the apps that are not in development mode. There are at most
// sixteen apps.
func New(people int, development []bool) *Store {
	return &Store{people: make([]atomic.Uint32, people), development: development}
}

// Generation returns the number of a person's current consent. It grows when
// the consent is revoked. Refresh tokens of earlier consents are invalid.
func (s *Store) Generation(person int) uint16 { return uint16(s.people[person].Load()) }

// Revoke revokes a person's consent. A later consent is valid.
func (s *Store) Revoke(person int) {
	for {
		old := s.people[person].Load()
		if s.people[person].CompareAndSwap(old, old&^generationMask|uint32(uint16(old)+1)) {
			return
		}
	}
}

// Register sets whether a person is registered in an app's dashboard.
func (s *Store) Register(person, app int, registered bool) {
	if registered != s.development[app] {
		s.people[person].And(^registrationBit(app))
	} else {
		s.people[person].Or(registrationBit(app))
	}
}

// Registered reports whether a person is registered with an app, so that the
// simulated Web API answers calls for the person.
func (s *Store) Registered(person, app int) bool {
	return (s.people[person].Load()&registrationBit(app) == 0) != s.development[app]
}
