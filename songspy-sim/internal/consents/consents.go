// Package consents stores, for each simulated person, the number of the person's current
// consent and the Spotify apps with which the person is registered.
//
// It uses four bytes per person, so a million people need four megabytes.
package consents

import "sync/atomic"

// registrationBit returns the bit of an app in a person's entry. The bit is set if the
// person's registration with the app differs from the default: nobody is registered with
// an app in development mode, and everybody with any other app. The sixteen lower bits
// of the entry hold the number of the person's current consent.
func registrationBit(app int) uint32 { return 1 << (16 + app) }

// generationMask selects the sixteen bits that hold the number of the consent.
const generationMask = 1<<16 - 1

// Store holds the consents and registrations of all simulated people. All
// methods are safe for concurrent use.
type Store struct {
	people      []atomic.Uint32
	development []bool // whether an app is in development mode, by the app's index
}

// New returns a store in which no consent is revoked, and all people are registered with
// exactly the apps that are not in development mode. The slice development says for each of
// at most sixteen apps whether it is in that mode.
func New(people int, development []bool) *Store {
	return &Store{people: make([]atomic.Uint32, people), development: development}
}

// Generation returns the number of a person's current consent. Each revocation increases
// it by one, modulo 65,536. Refresh tokens that contain another number are invalid.
func (s *Store) Generation(person int) uint16 { return uint16(s.people[person].Load()) }

// Revoke revokes a person's consent. If the person consents again later, that consent is
// valid.
func (s *Store) Revoke(person int) {
	for {
		old := s.people[person].Load()
		if s.people[person].CompareAndSwap(old, old&^generationMask|uint32(uint16(old)+1)) {
			return
		}
	}
}

// Register registers a person in an app's dashboard, or removes the person from it if the
// argument registered is false.
func (s *Store) Register(person, app int, registered bool) {
	if registered != s.development[app] {
		s.people[person].And(^registrationBit(app))
	} else {
		s.people[person].Or(registrationBit(app))
	}
}

// Registered reports whether a person is registered with an app. If not, the simulated Web
// API rejects the app's calls for the person.
func (s *Store) Registered(person, app int) bool {
	return (s.people[person].Load()&registrationBit(app) == 0) != s.development[app]
}
