package httpapi

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/board"
)

// keysMax is how many keys one generation of a limiter holds. A limiter has two generations, so
// it stores at most twice as many keys.
const keysMax = 8192

// limiter is a token bucket for each key: it allows perMinute requests a minute, and a burst of
// the same number. It stores two generations of keys. When the current generation is full, it
// becomes the previous generation, and the generation before it is dropped. So only keys that
// were not used recently lose their state.
type limiter[K comparable] struct {
	perMinute int // 0 means no limit

	mu                sync.Mutex
	current, previous map[K]*rate.Limiter
}

func newLimiter[K comparable](perMinute int) *limiter[K] {
	return &limiter[K]{perMinute: perMinute, current: map[K]*rate.Limiter{}}
}

// take counts one request of the key. If the request exceeds the limit, take does not count it,
// and returns CodeTooMany with the time after which the next request is allowed.
func (l *limiter[K]) take(key K, now time.Time) error {
	if l.perMinute == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	reservation := l.bucket(key).ReserveN(now, 1)
	if wait := reservation.DelayFrom(now); wait > 0 {
		reservation.CancelAt(now)
		return &songspy.Error{Code: songspy.CodeTooMany, RetryAfter: wait}
	}
	return nil
}

func (l *limiter[K]) bucket(key K) *rate.Limiter {
	if known, ok := l.current[key]; ok {
		return known
	}
	if len(l.current) >= keysMax {
		l.previous, l.current = l.current, make(map[K]*rate.Limiter, keysMax)
	}
	known, ok := l.previous[key]
	if !ok {
		known = rate.NewLimiter(rate.Every(time.Minute/time.Duration(l.perMinute)), l.perMinute)
	}
	l.current[key] = known
	return known
}

// networkFactor is the limit of an IPv6 network with the prefix length 48, as a multiple of the
// limit of one subscriber (/64). Some providers give one subscriber a /48, which holds 65,536
// networks of /64: without a limit for the /48, such a subscriber would have that many limits.
const networkFactor = 8

// addressLimiter limits the requests of each client by its address: by the IPv4 address, or by
// the /64 and also the /48 of an IPv6 address.
type addressLimiter struct{ subscribers, networks *limiter[netip.Prefix] }

func newAddressLimiter(perMinute int) addressLimiter {
	return addressLimiter{newLimiter[netip.Prefix](perMinute), newLimiter[netip.Prefix](networkFactor * perMinute)}
}

// take counts one request of the address. If the request exceeds a limit, take returns
// CodeTooMany.
func (l addressLimiter) take(address string, now time.Time) error {
	subscriber := board.SubscriberOf(address)
	if err := l.subscribers.take(subscriber, now); err != nil || !subscriber.Addr().Is6() {
		return err
	}
	const network = 48
	prefix, _ := subscriber.Addr().Prefix(network) // cannot fail: an IPv6 address has more bits
	return l.networks.take(prefix, now)
}
