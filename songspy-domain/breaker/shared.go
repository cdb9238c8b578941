package breaker

import (
	"cmp"
	"time"
)

// SharedBreakers is the part of Breakers that all processes of an instance share: which breaker
// is open, until when and why, which probe is under way, and the learned rate. It does not
// include how many calls each process has made.
type SharedBreakers struct {
	Accounts SharedBreaker `json:"accounts"`
	API      SharedBreaker `json:"api"`
}

// SharedBreaker is the shared part of a Breaker. Its fields are those of
// Breaker and RateLimiter.
type SharedBreaker struct {
	Cause       Cause     `json:"cause,omitempty"`
	OpenedAt    time.Time `json:"openedAt,omitzero"`
	OpenUntil   time.Time `json:"openUntil,omitzero"`
	BackoffStep int       `json:"step,omitempty"`
	ProbeUntil  time.Time `json:"probeUntil,omitzero"`
	Epoch       int64     `json:"epoch,omitempty"`
	Learned     float64   `json:"learned,omitempty"`
}

// Stored is the stored state of one app's breakers. Version counts the changes of that state.
type Stored struct {
	Version int64
	Shared  SharedBreakers
}

// Shared returns the shared part of the state, with times as a database stores
// them: UTC, in microseconds.
func (s Breakers) Shared() SharedBreakers {
	return SharedBreakers{Accounts: s.Accounts.shared(), API: s.API.shared()}
}

func (b Breaker) shared() SharedBreaker {
	return SharedBreaker{
		Cause: b.Cause, OpenedAt: storedTime(b.OpenedAt), OpenUntil: storedTime(b.OpenUntil), BackoffStep: b.BackoffStep, ProbeUntil: storedTime(b.ProbeUntil), Epoch: b.Epoch, Learned: b.Limiter.Learned,
	}
}

// IsOpen reports whether all calls through the circuit are blocked. If not, but there is a
// Cause, the breaker is half open.
func (b SharedBreaker) IsOpen(now time.Time) bool { return b.Cause != "" && now.Before(b.OpenUntil) }

func storedTime(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// Merge combines the states of two processes. The result does not depend on the order of the
// states, or on how often they are merged. For each circuit it takes the state with the higher
// epoch. If the epochs are equal, it takes the state whose breaker is open longer. So an outdated
// state never closes an open breaker, and the result of a probe (test call) replaces the state
// that was tested.
func Merge(a, b SharedBreakers) SharedBreakers {
	return SharedBreakers{Accounts: newer(a.Accounts, b.Accounts), API: newer(a.API, b.API)}
}

func newer(a, b SharedBreaker) SharedBreaker {
	order := cmp.Or(
		cmp.Compare(a.Epoch, b.Epoch), a.OpenUntil.Compare(b.OpenUntil), a.ProbeUntil.Compare(b.ProbeUntil),
		cmp.Compare(a.BackoffStep, b.BackoffStep), cmp.Compare(a.Cause, b.Cause), cmp.Compare(a.Learned, b.Learned),
		a.OpenedAt.Compare(b.OpenedAt),
	)
	if order < 0 {
		return b
	}
	return a
}

// Adopt takes over the state of another process (theirs) for each circuit for which it is newer.
// If the other process has closed a circuit breaker, this process also limits its calls to the
// lowest rate at first.
func Adopt(s Breakers, now time.Time, theirs SharedBreakers) Breakers {
	s.Accounts.adopt(now, theirs.Accounts, s.share())
	s.API.adopt(now, theirs.API, s.share())
	return s
}

func (b *Breaker) adopt(now time.Time, theirs SharedBreaker, share float64) {
	ours := b.shared()
	news := newer(ours, theirs)
	if news == ours {
		return
	}
	opened := news.Cause == "" && news.Epoch > b.Epoch
	b.Cause, b.OpenedAt, b.OpenUntil = news.Cause, news.OpenedAt, news.OpenUntil
	b.BackoffStep, b.ProbeUntil, b.Epoch = news.BackoffStep, news.ProbeUntil, news.Epoch
	b.Limiter.stop()
	b.Limiter.Learned = news.Learned
	if opened {
		b.Limiter.start(now, share)
	}
}

// share returns the fraction of the app's call rate that this process may use.
func (s Breakers) share() float64 {
	if s.Share <= 0 || s.Share > 1 {
		return 1
	}
	return s.Share
}
