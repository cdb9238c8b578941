// Package viewercache keeps the sessions and the relations of viewers in memory, so that
// requests do not read them from the database.
//
// A returned value may lack the changes of the last second (Staleness), but no older ones.
// Within that time, the change feed reports what other processes have changed. A change that
// this process makes is applied to the cache before the function that makes it returns. While
// the feed cannot be read, everything is read from the database. The cache alone never ends a
// session: a session that looks ended in memory is read again from the database.
package viewercache

import (
	"math"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/changefeed"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

const (
	// Staleness is how outdated a returned value may be. The cache is used only while all
	// changes that were committed more than Staleness ago are applied. To keep it in use, a
	// reader of the change feed calls CaughtUp more often than once per Staleness, even if there
	// are no changes.
	Staleness = time.Second
	// life is how long a value is used without being read again. It limits the effect of a
	// change that the feed does not report, such as a row that an operator deletes manually.
	life = time.Minute
	// sizeMax limits the memory of the cache, in bytes, as estimated with the constants below.
	// About 20,000 viewers with one session and 50 relations each fit into it. If the cache gets
	// larger, the least recently used viewers are dropped.
	sizeMax = 32 << 20
	// userSize, sessionSize and relationSize estimate the memory of a user without values, of
	// a session and of one relation.
	userSize, sessionSize, relationSize = 256, 1 << 10, 8
	// sessionsMax is the largest number of sessions that are kept of one user.
	sessionsMax = 16
)

// SessionKey identifies a session by what its holder sends: exactly one of the fields is set.
// Both are random, and no other session ever has the same key.
type SessionKey struct {
	ID   int64    // the id of the session in a JWT
	Hash [32]byte // the hash of the secret in a cookie
}

// Cache holds sessions and relations by user. It is safe for concurrent use. A nil Cache
// holds nothing.
type Cache struct {
	now func() time.Time

	mu sync.Mutex
	// generation grows whenever changes remove values. A value whose read from the database
	// began at an older generation may be outdated, so it is not stored.
	generation uint64
	appliedAt  time.Time // all changes that were committed before this time are applied
	users      *simplelru.LRU[songspy.UserID, *user]
	owners     map[SessionKey]songspy.UserID // the users of the sessions in the field users
	size       int
}

// user holds the cached values of one user. Apply removes all of them together.
type user struct {
	relations *value[visibility.Relations] // nil if not read
	sessions  map[SessionKey]value[songspy.Session]
}

func (u *user) size() int {
	size := userSize + sessionSize*len(u.sessions)
	if u.relations != nil {
		size += relationSize * u.relations.of.Count()
	}
	return size
}

type value[T any] struct {
	of     T
	readAt time.Time
}

// New returns an empty Cache. Until CaughtUp is called, all values are read from the database.
func New(now func() time.Time) *Cache {
	c := &Cache{now: now, owners: map[SessionKey]songspy.UserID{}}
	c.users, _ = simplelru.NewLRU(math.MaxInt, func(_ songspy.UserID, u *user) { // NewLRU fails only if the size is below 1
		c.size -= u.size()
		c.forgetSessions(u)
	})
	return c
}

// Session returns the session with the key. If the session is not in memory, or if the function
// usable returns false for it, Session calls the function read, and returns its result and
// error. It does not call usable for a session that read returns.
func (c *Cache) Session(key SessionKey, usable func(songspy.Session) bool, read func() (songspy.Session, error)) (songspy.Session, error) {
	if c == nil {
		return read()
	}
	now := c.now()
	c.mu.Lock()
	if u, ok := c.users.Get(c.owners[key]); ok && c.isCurrent(now) {
		if s, ok := u.sessions[key]; ok && s.isRecent(now) && usable(s.of) {
			c.mu.Unlock()
			return s.of, nil
		}
	}
	generation := c.generation
	c.mu.Unlock()
	session, err := read()
	if err == nil {
		c.store(session.UserID, generation, func(u *user) {
			if len(u.sessions) >= sessionsMax {
				c.forgetSessions(u)
			}
			u.sessions[key] = value[songspy.Session]{session, now}
			c.owners[key] = session.UserID
		})
	}
	return session, err
}

// forgetSessions removes the sessions of the user from the cache. The caller holds c.mu.
func (c *Cache) forgetSessions(u *user) {
	for key := range u.sessions {
		delete(c.owners, key)
	}
	clear(u.sessions)
}

// Relations returns the relations of the user. If they are not in memory, it calls the function
// read, and returns its result and error.
func (c *Cache) Relations(id songspy.UserID, read func() (visibility.Relations, error)) (visibility.Relations, error) {
	if c == nil {
		return read()
	}
	now := c.now()
	c.mu.Lock()
	if u, ok := c.users.Get(id); ok && u.relations != nil && c.isCurrent(now) && u.relations.isRecent(now) {
		relations := u.relations.of
		c.mu.Unlock()
		return relations, nil
	}
	generation := c.generation
	c.mu.Unlock()
	relations, err := read()
	if err == nil {
		c.store(id, generation, func(u *user) { u.relations = &value[visibility.Relations]{relations, now} })
	}
	return relations, err
}

// store calls the function set, which stores a value in the entry of the user. It does nothing
// if changes have removed values since the given generation, because the value may be outdated.
// If the cache is too large afterwards, store removes the least recently used users.
func (c *Cache) store(id songspy.UserID, generation uint64, set func(*user)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation != generation {
		return
	}
	u, ok := c.users.Get(id)
	if ok {
		c.size -= u.size()
	} else {
		u = &user{sessions: map[SessionKey]value[songspy.Session]{}}
		c.users.Add(id, u)
	}
	set(u)
	for c.size += u.size(); c.size > sizeMax; {
		c.users.RemoveOldest()
	}
}

// isCurrent reports whether all changes that were committed more than Staleness ago are applied.
// It compares the times by both clocks, because the monotonic clock may stand still while the
// machine sleeps, and the wall clock can be set back.
func (c *Cache) isCurrent(now time.Time) bool {
	return within(Staleness, now, c.appliedAt)
}

func (v *value[T]) isRecent(now time.Time) bool { return within(life, now, v.readAt) }

// within reports whether the time at is at most d before now, both by the monotonic clock and by
// the wall clock.
func within(d time.Duration, now, at time.Time) bool {
	age, wall := now.Sub(at), now.Round(0).Sub(at.Round(0))
	return age <= d && 0 <= wall && wall <= d
}

// Apply removes the values of all users whose sessions or relations the changes may have made
// outdated.
func (c *Cache) Apply(changes []songspy.Change) {
	if c == nil {
		return
	}
	// ChangeUser is not excluded, because it may mean that the user was erased.
	users := changefeed.UserIDsExcept(changes, songspy.ChangePlaying, songspy.ChangeLink)
	if len(users) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	for _, id := range users {
		c.users.Remove(id)
	}
}

// Clear removes everything. It is called when changes may have been lost.
func (c *Cache) Clear() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	c.users.Purge()
}

// CaughtUp records that all changes that were committed before the time at are applied.
func (c *Cache) CaughtUp(at time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.appliedAt = at
}
