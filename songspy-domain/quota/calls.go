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
	windowBuckets = int(Window/BucketLength) + 1
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

// Bucket is how many calls of one endpoint began within five minutes.
type Bucket struct {
	At       time.Time // when the five minutes began: see BucketOf
	Endpoint Endpoint
	Calls    int64
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
	buckets []bucketCalls
	// sum is the calls of all slots, as of the bucket now.
	sum           int64
	currentBucket int64
	// own are the calls that the database does not hold yet; few buckets at a time.
	unsaved []unsavedCalls
	// Alone says that no other process counts: there is nothing to tell.
	SingleProcess bool
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
type bucketCalls struct {
	bucket     int64 // the bucket's number; 0: nothing was counted
	calls      int64
	byEndpoint [len(endpoints)]int64
}

// own is what this process has called in one bucket of one endpoint.
type unsavedCalls struct {
	bucket   int64
	endpoint int
	calls    int64
}

func bucketNumber(now time.Time) int64 { return now.Unix() / int64(BucketLength/time.Second) }
func bucketStart(bucket int64) time.Time {
	return time.Unix(bucket*int64(BucketLength/time.Second), 0).UTC()
}

// Add counts a call that begins now.
func (c *Calls) Add(now time.Time, e Endpoint) {
	c.advance(now)
	at, endpoint := bucketNumber(now), e.index()
	c.add(at, endpoint, 1)
	if !c.SingleProcess {
		c.addUnsaved(at, endpoint, 1)
	}
}

// addOwn changes what the database does not hold yet.
func (c *Calls) addUnsaved(at int64, endpoint int, n int64) {
	i := slices.IndexFunc(c.unsaved, func(o unsavedCalls) bool { return o.bucket == at && o.endpoint == endpoint })
	if i < 0 {
		c.unsaved = append(c.unsaved, unsavedCalls{bucket: at, endpoint: endpoint})
		i = len(c.unsaved) - 1
	}
	if c.unsaved[i].calls += n; c.unsaved[i].calls == 0 {
		c.unsaved = slices.Delete(c.unsaved, i, i+1)
	}
}

// Sum returns how many calls began within the last 24 hours. Calls of the
// oldest bucket count until all of it has left the window, so it is never too
// low, and too high by five minutes of calls at most.
func (c *Calls) Sum(now time.Time) int64 {
	c.advance(now)
	return c.sum
}

// AtLeast returns how many calls surely began within the last 24 hours: Sum
// without the bucket that is leaving the window.
func (c *Calls) AtLeast(now time.Time) int64 {
	c.advance(now)
	oldest := bucketNumber(now) - int64(windowBuckets) + 1
	if s := c.findBucket(oldest); s != nil {
		return c.sum - s.calls
	}
	return c.sum
}

// ByEndpoint returns the calls of Sum by endpoint.
func (c *Calls) ByEndpoint(now time.Time) Counts {
	c.advance(now)
	counts := Counts{}
	for _, s := range c.buckets {
		if c.inWindow(s) {
			for i, n := range s.byEndpoint {
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
	c.advance(now)
	for _, s := range c.buckets {
		if c.inWindow(s) {
			leaving[min(23, max(0, int(bucketLeavesAt(s.bucket).Sub(now)/time.Hour)))] += s.calls
		}
	}
	return leaving
}

// leaves is when the last call of a bucket leaves the window.
func bucketLeavesAt(bucket int64) time.Time { return bucketStart(bucket + 1).Add(Window) }

// roomFrom returns when fewer than most calls are left in the window, if none
// are added.
func (c *Calls) belowAt(now time.Time, most int64) time.Time {
	c.advance(now)
	sum := c.sum
	for at := bucketNumber(now) - int64(windowBuckets) + 1; at <= bucketNumber(now); at++ {
		if sum < most {
			return bucketLeavesAt(at - 1)
		}
		if s := c.findBucket(at); s != nil {
			sum -= s.calls
		}
	}
	return bucketLeavesAt(bucketNumber(now))
}

// Since returns when the oldest call of the window was made, to within a
// bucket; the zero time if there is none.
func (c *Calls) Since(now time.Time) (since time.Time) {
	c.advance(now)
	for _, s := range c.buckets {
		if c.inWindow(s) && s.calls > 0 && (since.IsZero() || bucketStart(s.bucket).Before(since)) {
			since = bucketStart(s.bucket)
		}
	}
	return since
}

// Own returns the calls of this process that Settle has not been told of.
func (c *Calls) Unsaved() []Bucket {
	buckets := make([]Bucket, len(c.unsaved))
	for i, o := range c.unsaved {
		buckets[i] = Bucket{bucketStart(o.bucket), endpoints[o.endpoint], o.calls}
	}
	return buckets
}

// Settle takes over what the database holds: told are this process's calls that
// it holds now, and all is every bucket from since on.
func (c *Calls) Sync(now, since time.Time, saved, all []Bucket) {
	c.advance(now)
	for _, b := range saved {
		c.addUnsaved(bucketNumber(b.At), b.Endpoint.index(), -b.Calls)
	}
	from := bucketNumber(since)
	for i := range c.buckets {
		if s := &c.buckets[i]; c.inWindow(*s) && s.bucket >= from {
			c.sum -= s.calls
			*s = bucketCalls{}
		}
	}
	for _, b := range all {
		if at := bucketNumber(b.At); at >= from {
			c.add(at, b.Endpoint.index(), b.Calls)
		}
	}
	for _, o := range c.unsaved {
		if o.bucket >= from {
			c.add(o.bucket, o.endpoint, o.calls)
		}
	}
}

// add adds to a bucket, if the window still holds it.
func (c *Calls) add(at int64, endpoint int, n int64) {
	if at <= c.currentBucket-int64(windowBuckets) {
		return
	}
	if c.buckets == nil {
		c.buckets = make([]bucketCalls, windowBuckets)
	}
	s := &c.buckets[at%int64(windowBuckets)]
	if s.bucket < at { // of a former day, or unused
		if c.inWindow(*s) {
			c.sum -= s.calls // the clock was set back, and at lies ahead of it
		}
		*s = bucketCalls{bucket: at}
	}
	s.calls += n
	s.byEndpoint[endpoint] += n
	c.sum += n
}

// find returns the slot of a bucket, nil if nothing was counted in it.
func (c *Calls) findBucket(at int64) *bucketCalls {
	if c.buckets == nil {
		return nil
	}
	if s := &c.buckets[at%int64(windowBuckets)]; s.bucket == at {
		return s
	}
	return nil
}

// holds reports whether the window holds the slot. Calls that were counted
// ahead of a clock that has been set back since are held too.
func (c *Calls) inWindow(s bucketCalls) bool {
	return s.bucket > c.currentBucket-int64(windowBuckets) && s.bucket > 0
}

// roll moves the window on to now.
func (c *Calls) advance(now time.Time) {
	at := bucketNumber(now)
	if at == c.currentBucket {
		return
	}
	c.currentBucket = at
	c.sum = 0
	for _, s := range c.buckets {
		if c.inWindow(s) {
			c.sum += s.calls
		}
	}
}
