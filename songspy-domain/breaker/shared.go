package breaker

import (
	"cmp"
	"time"
)

// Shared is what of a State concerns every process of an instance: which door
// is closed, until when and why, whose probe is out, and what pace was learnt.
// How much of it each has used is its own.
type SharedBreakers struct {
	Accounts SharedBreaker `json:"accounts"`
	API      SharedBreaker `json:"api"`
}

// SharedDoor is what of a DoorState concerns everybody. The fields are those
// of DoorState and Pace.
type SharedBreaker struct {
	Cause       Cause     `json:"why,omitempty"`
	OpenedAt    time.Time `json:"closedAt,omitzero"`
	OpenUntil   time.Time `json:"closedUntil,omitzero"`
	BackoffStep int       `json:"step,omitempty"`
	ProbeUntil  time.Time `json:"probeUntil,omitzero"`
	Epoch       int64     `json:"epoch,omitempty"`
	Learned     float64   `json:"learnt,omitempty"`
}

// Kept is what is kept of an app for all processes. Version counts its changes.
type Stored struct {
	Version int64
	Shared  SharedBreakers
}

// Shared is what of the state concerns everybody, its times as a database keeps them.
func (s Breakers) Shared() SharedBreakers {
	return SharedBreakers{Accounts: s.Accounts.shared(), API: s.API.shared()}
}

func (d Breaker) shared() SharedBreaker {
	return SharedBreaker{
		Cause: d.Cause, OpenedAt: storedTime(d.OpenedAt), OpenUntil: storedTime(d.OpenUntil), BackoffStep: d.BackoffStep, ProbeUntil: storedTime(d.ProbeUntil), Epoch: d.Epoch, Learned: d.Limiter.Learned,
	}
}

func storedTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// Merge is what two processes know together. It is the same whoever merges
// whose news, in which order and how often: each door is taken from whom knows
// the later epoch, and of one epoch from whom would wait longer. So a closing is
// never lost to older news, and a probe's outcome beats the closing it probed.
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

// Adopt takes over what others know better. A door that they have opened is
// passed slowly at first by this process too.
func Adopt(s Breakers, now time.Time, theirs SharedBreakers) Breakers {
	s.Accounts.adopt(now, theirs.Accounts, s.share())
	s.API.adopt(now, theirs.API, s.share())
	return s
}

func (d *Breaker) adopt(now time.Time, theirs SharedBreaker, share float64) {
	ours := d.shared()
	news := newer(ours, theirs)
	if news == ours {
		return
	}
	opened := news.Cause == "" && news.Epoch > d.Epoch
	d.Cause, d.OpenedAt, d.OpenUntil = news.Cause, news.OpenedAt, news.OpenUntil
	d.BackoffStep, d.ProbeUntil, d.Epoch = news.BackoffStep, news.ProbeUntil, news.Epoch
	d.Limiter.stop()
	d.Limiter.Learned = news.Learned
	if opened {
		d.Limiter.start(now, share)
	}
}

// share is the part of the app's pace that is this process's.
func (s Breakers) share() float64 {
	if s.Share <= 0 || s.Share > 1 {
		return 1
	}
	return s.Share
}
