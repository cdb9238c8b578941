package httpapi

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// addressesKept bounds the limiter's memory: it knows at most twice as many.
const addressesKept = 8192

// limiter allows each address so many requests a minute. It keeps two
// generations of addresses; when the younger is full the older is forgotten,
// which can only be to the advantage of who has been quiet.
type limiter struct {
	perMinute int // 0: no limit
	now       func() time.Time

	mu             sync.Mutex
	younger, older map[netip.Prefix]*rate.Limiter
}

func newLimiter(perMinute int, now func() time.Time) *limiter {
	return &limiter{perMinute: perMinute, now: now, younger: map[netip.Prefix]*rate.Limiter{}}
}

// take takes one request of the address, or is too_many with how long to wait.
func (l *limiter) take(address string) error {
	if l.perMinute == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	reservation := l.of(neighbourhood(address)).ReserveN(now, 1)
	if wait := reservation.DelayFrom(now); wait > 0 {
		reservation.CancelAt(now)
		return &songspy.Error{Code: songspy.CodeTooMany, RetryAfter: wait}
	}
	return nil
}

func (l *limiter) of(key netip.Prefix) *rate.Limiter {
	if known, ok := l.younger[key]; ok {
		return known
	}
	if len(l.younger) >= addressesKept {
		l.older, l.younger = l.younger, make(map[netip.Prefix]*rate.Limiter, addressesKept)
	}
	known, ok := l.older[key]
	if !ok {
		known = rate.NewLimiter(rate.Every(time.Minute/time.Duration(l.perMinute)), l.perMinute)
	}
	l.younger[key] = known
	return known
}

// neighbourhood is what one subscriber has to choose from: an IPv4 address, or
// 64 bits of an IPv6 one.
func neighbourhood(address string) netip.Prefix {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	prefix, _ := addr.Prefix(bits) // the bits fit
	return prefix
}
