// Package viewercache keeps the sessions and the relations of viewers in memory, so that
// requests do not read them from the database.
//
// Returned values are at most Staleness old. Within that time the change feed reports what
// other processes have changed. A change of this process is applied before the function
// that made it returns. If the feed cannot be read, everything is read from the database.
// The cache never decides that a session has ended: callers read the session again.
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
	// Staleness is how outdated a returned value may be: the cache is used only while all
	// changes that were committed more than Staleness ago are applied. A reader that follows
	// the feed calls CaughtUp more often than that, even if the feed has no changes.
	Staleness = time.Second
	// life is how long a value is used without being read again. It limits the effect of a
	// change that the feed does not report, such as a row that an operator deletes manually.
	life = time.Minute
	// sizeMax limits the memory, in bytes as the constants below estimate it. It holds about
	// 20,000 viewers with one session and 50 relations each. The viewers that were not used
	// for the longest time are dropped.
	sizeMax = 32 << 20
	// userSize, sessionSize and relationSize estimate the memory of a user without values, of
	// a session and of one relation.
	userSize, sessionSize, relationSize = 256, 1 << 10, 8
	// sessionsMax is how many sessions of one user are kept.
	sessionsMax = 16
)

// SessionKey identifies a session by what its holder sends. One of the fields is set. Both
// are random and never used again.
type SessionKey struct {
	ID   int64    // in a JWT
	Hash [32]byte // of a cookie
}

// Cache holds sessions and relations by user. It is safe for concurrent use. A nil Cache
// holds nothing.
type Cache struct {
	now func() time.Time

	mu sync.Mutex
	// generation changes whenever values are removed because of changes. A value that was
	// being read at that time may be outdated and is not stored.
	generation uint64
	appliedAt  time.Time // all changes that were committed before this time are applied
	users      *simplelru.LRU[songspy.UserID, *user]
	owners     map[SessionKey]songspy.UserID // of the sessions in users
	size       int
}

// user is what is known of one user. A change removes all of it.
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

// New returns a Cache that is not used until CaughtUp is called.
func New(now func() time.Time) *Cache {
	c := &Cache{now: now, owners: map[SessionKey]songspy.UserID{}}
	c.users, _ = simplelru.NewLRU(math.MaxInt, func(_ songspy.UserID, u *user) { // only a size below 1 is an error
		c.size -= u.size()
		c.forgetSessions(u)
	})
	return c
}

// Session returns the session with the key. It calls read unless the session is in memory
// and usable. It returns the error of read. A session that read returns may be unusable.
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

// forgetSessions removes the sessions of the user. mu is held.
func (c *Cache) forgetSessions(u *user) {
	for key := range u.sessions {
		delete(c.owners, key)
	}
	clear(u.sessions)
}

// Relations returns the relations of the user. It calls read unless they are in memory. It
// returns the error of read.
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

// store calls set to change what is known of the user, unless changes have removed values
// since the cache had the given generation. Then it removes other users if the cache is too
// large.
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

// isCurrent reports whether all changes of more than Staleness ago are applied. It compares
// both the monotonic clock, which stands still while the machine sleeps, and the wall clock,
// which can be set back.
func (c *Cache) isCurrent(now time.Time) bool {
	return within(Staleness, now, c.appliedAt)
}

func (v *value[T]) isRecent(now time.Time) bool { return within(life, now, v.readAt) }

// within reports whether at is at most d before now, by the monotonic clock and by the wall
// clock.
func within(d time.Duration, now, at time.Time) bool {
	age, wall := now.Sub(at), now.Round(0).Sub(at.Round(0))
	return age <= d && 0 <= wall && wall <= d
}

// Apply removes what the changes may have made outdated.
func (c *Cache) Apply(changes []songspy.Change) {
	if c == nil {
		return
	}
	// A change of kind user may be an erasure.
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

// CaughtUp records that all changes that were committed before the time are applied.
func (c *Cache) CaughtUp(at time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.appliedAt = at
}
