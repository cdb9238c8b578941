package quota

import (
	"slices"
	"time"
)

const (
	// Window is the time over which the provider counts calls.
	Window = 24 * time.Hour
	// BucketLength is how exactly the time of a call is kept.
	BucketLength = 5 * time.Minute
	// slots holds a window whatever the place of now in its bucket.
	slots = int(Window/BucketLength) + 1
)

// Endpoint names an endpoint of the Web API. It is fit for a metric's label.
type Endpoint string

// The endpoints that are called. EndpointUnknown is for calls that were counted
// before endpoints were told apart.
const (
	EndpointPlaying Endpoint = "currently-playing"
	EndpointHistory Endpoint = "recently-played"
	EndpointAccount Endpoint = "me"
	EndpointUnknown Endpoint = "unknown"
)

// Bucket is how many calls of one endpoint began within five minutes. It is
// negative where calls are taken back that were counted before.
type Bucket struct {
	At       time.Time // when the five minutes began: see BucketOf
	Endpoint Endpoint
	Calls    int64
}

// Batch names buckets that one process writes together. The same batch is counted
// once, however often it is written: the answer to the first write may be lost.
// Calls with the zero Batch are counted each time.
type Batch struct {
	// Process names the process, and Number rises with each of its batches.
	Process string
	Number  int64
}

// BucketOf returns the beginning of the bucket that holds a moment.
func BucketOf(now time.Time) time.Time { return now.UTC().Truncate(BucketLength) }

// Counts are calls by endpoint.
type Counts map[Endpoint]int64

// Sum returns the calls of all endpoints.
func (c Counts) Sum() (sum int64) {
	for _, n := range c {
		sum += n
	}
	return sum
}

// Calls counts an account's calls of the last 24 hours. The zero Calls is
// empty. It is not safe for concurrent use.
type Calls struct {
	// slots are the buckets of the window, each at its place modulo their number.
	slots []slot
	// sum is the calls of all slots, as of the bucket now.
	sum int64
	now int64
	// own are the calls that the database does not hold yet; few buckets at a time.
	own []own
	// Alone says that no other process counts: there is nothing to tell.
	Alone bool
}

// endpoints are told apart by their place here.
var endpoints = [...]Endpoint{EndpointPlaying, EndpointHistory, EndpointAccount, EndpointUnknown}

// index is the place of an endpoint; that of EndpointUnknown if it has none.
func (e Endpoint) index() int {
	for i, other := range endpoints {
		if e == other {
			return i
		}
	}
	return len(endpoints) - 1
}

// slot is one bucket. What others are known to have called, and what this
// process has called since it last told them, are counted together.
type slot struct {
	at    int64 // the bucket's number; 0: nothing was counted
	calls int64
	by    [len(endpoints)]int64
}

// own is what this process has called in one bucket of one endpoint.
type own struct {
	at       int64
	endpoint int
	calls    int64
}

func bucket(now time.Time) int64   { return now.Unix() / int64(BucketLength/time.Second) }
func began(bucket int64) time.Time { return time.Unix(bucket*int64(BucketLength/time.Second), 0).UTC() }

// Add counts a call that begins now.
func (c *Calls) Add(now time.Time, e Endpoint) {
	c.roll(now)
	at, endpoint := bucket(now), e.index()
	c.add(at, endpoint, 1)
	if !c.Alone {
		c.addOwn(at, endpoint, 1)
	}
}

// Remove takes back a call that Add counted at that time. What the database
// holds of it already is taken back there with the next calls that it is told of.
func (c *Calls) Remove(added time.Time, e Endpoint) {
	at, endpoint := bucket(added), e.index()
	if s := c.find(at); s != nil && s.by[endpoint] > 0 {
		c.add(at, endpoint, -1)
	}
	if !c.Alone {
		c.addOwn(at, endpoint, -1)
	}
}

// addOwn changes what the database does not hold yet.
func (c *Calls) addOwn(at int64, endpoint int, n int64) {
	i := slices.IndexFunc(c.own, func(o own) bool { return o.at == at && o.endpoint == endpoint })
	if i < 0 {
		c.own = append(c.own, own{at: at, endpoint: endpoint})
		i = len(c.own) - 1
	}
	if c.own[i].calls += n; c.own[i].calls == 0 {
		c.own = slices.Delete(c.own, i, i+1)
	}
}

// Sum returns how many calls began within the last 24 hours. Calls of the
// oldest bucket count until all of it has left the window, so it is never too
// low, and too high by five minutes of calls at most.
func (c *Calls) Sum(now time.Time) int64 {
	c.roll(now)
	return c.sum
}

// AtLeast returns how many calls surely began within the last 24 hours: Sum
// without the bucket that is leaving the window.
func (c *Calls) AtLeast(now time.Time) int64 {
	c.roll(now)
	oldest := bucket(now) - int64(slots) + 1
	if s := c.find(oldest); s != nil {
		return c.sum - s.calls
	}
	return c.sum
}

// ByEndpoint returns the calls of Sum by endpoint.
func (c *Calls) ByEndpoint(now time.Time) Counts {
	c.roll(now)
	counts := Counts{}
	for _, s := range c.slots {
		if c.holds(s) {
			for i, n := range s.by {
				if n > 0 {
					counts[endpoints[i]] += n
				}
			}
		}
	}
	return counts
}

// Leaving returns how many of the calls of Sum leave the window in each of the
// next 24 hours.
func (c *Calls) Leaving(now time.Time) (leaving [24]int64) {
	c.roll(now)
	for _, s := range c.slots {
		if c.holds(s) {
			leaving[min(23, max(0, int(leaves(s.at).Sub(now)/time.Hour)))] += s.calls
		}
	}
	return leaving
}

// leaves is when the last call of a bucket leaves the window.
func leaves(bucket int64) time.Time { return began(bucket + 1).Add(Window) }

// roomFrom returns when fewer than most calls are left in the window, if none
// are added.
func (c *Calls) roomFrom(now time.Time, most int64) time.Time {
	c.roll(now)
	sum := c.sum
	for at := bucket(now) - int64(slots) + 1; at <= bucket(now); at++ {
		if sum < most {
			return leaves(at - 1)
		}
		if s := c.find(at); s != nil {
			sum -= s.calls
		}
	}
	return leaves(bucket(now))
}

// Since returns when the oldest call of the window was made, to within a
// bucket; the zero time if there is none.
func (c *Calls) Since(now time.Time) (since time.Time) {
	c.roll(now)
	for _, s := range c.slots {
		if c.holds(s) && s.calls > 0 && (since.IsZero() || began(s.at).Before(since)) {
			since = began(s.at)
		}
	}
	return since
}

// Own returns the calls of this process that Settle has not been told of.
func (c *Calls) Own() []Bucket {
	buckets := make([]Bucket, len(c.own))
	for i, o := range c.own {
		buckets[i] = Bucket{began(o.at), endpoints[o.endpoint], o.calls}
	}
	return buckets
}

// Settle takes over what the database holds: told are this process's calls that
// it holds now, and all is every bucket from since on.
func (c *Calls) Settle(now, since time.Time, told, all []Bucket) {
	c.roll(now)
	for _, b := range told {
		c.addOwn(bucket(b.At), b.Endpoint.index(), -b.Calls)
	}
	from := bucket(since)
	for i := range c.slots {
		if s := &c.slots[i]; c.holds(*s) && s.at >= from {
			c.sum -= s.calls
			*s = slot{}
		}
	}
	for _, b := range all {
		if at := bucket(b.At); at >= from {
			c.add(at, b.Endpoint.index(), b.Calls)
		}
	}
	for _, o := range c.own {
		if o.at >= from {
			c.add(o.at, o.endpoint, o.calls)
		}
	}
}

// add adds to a bucket, if the window still holds it.
func (c *Calls) add(at int64, endpoint int, n int64) {
	if at <= c.now-int64(slots) {
		return
	}
	if c.slots == nil {
		c.slots = make([]slot, slots)
	}
	s := &c.slots[at%int64(slots)]
	if s.at < at { // of a former day, or unused
		if c.holds(*s) {
			c.sum -= s.calls // the clock was set back, and at lies ahead of it
		}
		*s = slot{at: at}
	}
	s.calls += n
	s.by[endpoint] += n
	c.sum += n
}

// find returns the slot of a bucket, nil if nothing was counted in it.
func (c *Calls) find(at int64) *slot {
	if c.slots == nil {
		return nil
	}
	if s := &c.slots[at%int64(slots)]; s.at == at {
		return s
	}
	return nil
}

// holds reports whether the window holds the slot. Calls that were counted
// ahead of a clock that has been set back since are held too.
func (c *Calls) holds(s slot) bool { return s.at > c.now-int64(slots) && s.at > 0 }

// roll moves the window on to now.
func (c *Calls) roll(now time.Time) {
	at := bucket(now)
	if at == c.now {
		return
	}
	c.now = at
	c.sum = 0
	for _, s := range c.slots {
		if c.holds(s) {
			c.sum += s.calls
		}
	}
}
