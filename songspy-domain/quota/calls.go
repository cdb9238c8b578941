package quota

import (
	"slices"
	"time"
)

const (
	// Window is the time over which Spotify counts calls.
	Window = 24 * time.Hour
	// BucketLength is the length of a bucket: all calls of one bucket are
	// counted together.
	BucketLength = 5 * time.Minute
	// windowBuckets is how many buckets a Window can overlap at most: one more than fit
	// into it, because it may begin and end within a bucket.
	windowBuckets = int(Window/BucketLength) + 1
)

// Endpoint names an endpoint of the Web API, also as the value of a metric label.
type Endpoint string

// The endpoints. EndpointUnknown is for calls that an older release stored without their
// endpoint.
const (
	EndpointPlaying Endpoint = "currently-playing"
	EndpointHistory Endpoint = "recently-played"
	EndpointAccount Endpoint = "me"
	EndpointUnknown Endpoint = "unknown"
)

// Bucket counts the calls of one endpoint that began within the same five
// minutes. Calls is negative in a write that takes back calls which were counted and
// stored, but not sent.
type Bucket struct {
	At       time.Time // the start of the five minutes, as BucketOf returns it
	Endpoint Endpoint
	Calls    int64
}

// Batch identifies one write of call counts (buckets) by one process. If a
// process does not know whether a write succeeded, it writes the same batch
// again, and the store adds its counts only once. The zero Batch identifies no write:
// the store adds the counts of every write that has it.
type Batch struct {
	// Process identifies the process, and Number rises with each of its batches.
	Process string
	Number  int64
}

// BucketOf returns the start of the bucket that contains now.
func BucketOf(now time.Time) time.Time { return now.UTC().Truncate(BucketLength) }

// Counts are numbers of calls by endpoint.
type Counts map[Endpoint]int64

// Sum returns the calls of all endpoints.
func (c Counts) Sum() (sum int64) {
	for _, n := range c {
		sum += n
	}
	return sum
}

// Calls counts a developer account's calls of the last 24 hours. The zero Calls
// has counted none. Calls is not safe for concurrent use.
type Calls struct {
	// buckets is a ring of the buckets of the window. The index of a bucket is its number
	// (see bucketNumber) modulo windowBuckets.
	buckets []bucketCalls
	// sum is the number of calls in the window. currentBucket is the number of the
	// window's last bucket.
	sum           int64
	currentBucket int64
	// unsaved are the calls of this process that are not in the database yet. It is
	// a short list, because calls are saved within seconds.
	unsaved []unsavedCalls
	// SingleProcess says that the counts are not shared with other processes. Then calls
	// never count as unsaved, because they are not written to the database.
	SingleProcess bool
}

// endpoints lists all endpoints. The position of an endpoint is its index in
// bucketCalls.byEndpoint.
var endpoints = [...]Endpoint{EndpointPlaying, EndpointHistory, EndpointAccount, EndpointUnknown}

// index returns the index of an endpoint in endpoints, or the index of EndpointUnknown if
// the endpoint is not listed.
func (e Endpoint) index() int {
	if i := slices.Index(endpoints[:], e); i >= 0 {
		return i
	}
	return len(endpoints) - 1
}

// bucketCalls is one bucket. It includes the stored calls of all processes and
// the unsaved calls of this process.
type bucketCalls struct {
	bucket     int64 // the bucket's number; 0 if this entry of the ring is unused
	calls      int64
	byEndpoint [len(endpoints)]int64
}

// unsavedCalls counts calls of this process in one bucket, for one endpoint.
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

// Remove removes one call from the counts. The parameter added is the time at which Add
// counted the call. If the database already contains the call, the next batch removes it
// there.
func (c *Calls) Remove(added time.Time, e Endpoint) {
	at, endpoint := bucketNumber(added), e.index()
	if s := c.findBucket(at); s != nil && s.byEndpoint[endpoint] > 0 {
		c.add(at, endpoint, -1)
	}
	if !c.SingleProcess {
		c.addUnsaved(at, endpoint, -1)
	}
}

// addUnsaved adds n to the unsaved calls of the bucket with the number at. n is negative
// to take calls back.
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

// Sum returns how many calls began within the last 24 hours. A bucket counts
// until all of its five minutes are more than 24 hours ago. So the result is
// never too low, and too high by at most five minutes of calls.
func (c *Calls) Sum(now time.Time) int64 {
	c.advance(now)
	return c.sum
}

// AtLeast returns how many calls certainly began within the last 24 hours.
// Unlike Sum, it leaves out the oldest bucket, some of whose calls may be more than 24
// hours ago. So the result is never too high.
func (c *Calls) AtLeast(now time.Time) int64 {
	c.advance(now)
	oldest := bucketNumber(now) - int64(windowBuckets) + 1
	if s := c.findBucket(oldest); s != nil {
		return c.sum - s.calls
	}
	return c.sum
}

// ByEndpoint returns the same calls as Sum, counted by endpoint.
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

// Leaving returns when the calls of the last 24 hours become more than 24 hours old.
// From then on the quota allows the same number of new calls. leaving[i] counts the calls that
// reach this age within the hour that begins i hours from now.
func (c *Calls) Leaving(now time.Time) (leaving [24]int64) {
	c.advance(now)
	for _, s := range c.buckets {
		if c.inWindow(s) {
			leaving[min(23, max(0, int(bucketLeavesAt(s.bucket).Sub(now)/time.Hour)))] += s.calls
		}
	}
	return leaving
}

// bucketLeavesAt returns when all calls of a bucket are more than 24 hours ago, and so out
// of the window.
func bucketLeavesAt(bucket int64) time.Time { return bucketStart(bucket + 1).Add(Window) }

// belowAt returns the time at which the preceding 24 hours will contain fewer calls than
// the number most, if no more calls are made until then.
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

// Since returns the start of the bucket that contains the oldest call of the window. It
// returns the zero time if the window contains no call.
func (c *Calls) Since(now time.Time) (since time.Time) {
	c.advance(now)
	for _, s := range c.buckets {
		if c.inWindow(s) && s.calls > 0 && (since.IsZero() || bucketStart(s.bucket).Before(since)) {
			since = bucketStart(s.bucket)
		}
	}
	return since
}

// Unsaved returns the calls of this process that are not known to be in the
// database yet.
func (c *Calls) Unsaved() []Bucket {
	buckets := make([]Bucket, len(c.unsaved))
	for i, o := range c.unsaved {
		buckets[i] = Bucket{bucketStart(o.bucket), endpoints[o.endpoint], o.calls}
	}
	return buckets
}

// Sync replaces the counts since the given time by the counts of the database, and adds
// the calls that are still unsaved. The argument saved holds the calls of this process
// that have just been written to the database, so that they no longer count as unsaved.
// The argument all holds the database's buckets of all processes since the given time.
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

// add adds n calls to the bucket with the number at, unless the window does not reach
// back to that bucket.
func (c *Calls) add(at int64, endpoint int, n int64) {
	if at <= c.currentBucket-int64(windowBuckets) {
		return
	}
	if c.buckets == nil {
		c.buckets = make([]bucketCalls, windowBuckets)
	}
	s := &c.buckets[at%int64(windowBuckets)]
	if s.bucket < at { // the entry holds an older bucket, or is unused
		if c.inWindow(*s) {
			c.sum -= s.calls // the clock was set back: the new bucket is in the future, and replaces one that is still in the window
		}
		*s = bucketCalls{bucket: at}
	}
	s.calls += n
	s.byEndpoint[endpoint] += n
	c.sum += n
}

// findBucket returns the bucket with the number at, or nil if no calls are counted in it.
func (c *Calls) findBucket(at int64) *bucketCalls {
	if c.buckets == nil {
		return nil
	}
	if s := &c.buckets[at%int64(windowBuckets)]; s.bucket == at {
		return s
	}
	return nil
}

// inWindow reports whether the bucket is in use and not older than the window. A bucket in
// the future is in the window, too: its calls were counted before the clock was set back.
func (c *Calls) inWindow(s bucketCalls) bool {
	return s.bucket > c.currentBucket-int64(windowBuckets) && s.bucket > 0
}

// advance makes the window end with the bucket of now. If it ended with another bucket
// before, advance computes the window's sum again.
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
