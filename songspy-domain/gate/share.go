package gate

import (
	"cmp"
	"time"
)

// Shared is what of a State concerns every process of an instance: which door
// is closed, until when and why, whose probe is out, and what pace was learnt.
// How much of it each has used is its own.
type Shared struct {
	Accounts SharedDoor `json:"accounts"`
	API      SharedDoor `json:"api"`
}

// SharedDoor is what of a DoorState concerns everybody. The fields are those
// of DoorState and Pace.
type SharedDoor struct {
	Why         Why       `json:"why,omitempty"`
	ClosedAt    time.Time `json:"closedAt,omitzero"`
	ClosedUntil time.Time `json:"closedUntil,omitzero"`
	Step        int       `json:"step,omitempty"`
	ProbeUntil  time.Time `json:"probeUntil,omitzero"`
	Epoch       int64     `json:"epoch,omitempty"`
	Learnt      float64   `json:"learnt,omitempty"`
}

// Kept is what is kept of an app for all processes. Version counts its changes.
type Kept struct {
	Version int64
	Shared  Shared
}

// Shared is what of the state concerns everybody, its times as a database keeps them.
func (s State) Shared() Shared {
	return Shared{Accounts: s.Accounts.shared(), API: s.API.shared()}
}

func (d DoorState) shared() SharedDoor {
	return SharedDoor{
		Why: d.Why, ClosedAt: kept(d.ClosedAt), ClosedUntil: kept(d.ClosedUntil), Step: d.Step, ProbeUntil: kept(d.ProbeUntil), Epoch: d.Epoch, Learnt: d.Pace.Learnt,
	}
}

func kept(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// Merge is what two processes know together. It is the same whoever merges
// whose news, in which order and how often: each door is taken from whom knows
// the later epoch, and of one epoch from whom would wait longer. So a closing is
// never lost to older news, and a probe's outcome beats the closing it probed.
func Merge(a, b Shared) Shared {
	return Shared{Accounts: newer(a.Accounts, b.Accounts), API: newer(a.API, b.API)}
}

func newer(a, b SharedDoor) SharedDoor {
	order := cmp.Or(
		cmp.Compare(a.Epoch, b.Epoch), a.ClosedUntil.Compare(b.ClosedUntil), a.ProbeUntil.Compare(b.ProbeUntil),
		cmp.Compare(a.Step, b.Step), cmp.Compare(a.Why, b.Why), cmp.Compare(a.Learnt, b.Learnt),
		a.ClosedAt.Compare(b.ClosedAt),
	)
	if order < 0 {
		return b
	}
	return a
}

// Adopt takes over what others know better. A door that they have opened is
// passed slowly at first by this process too.
func Adopt(s State, now time.Time, theirs Shared) State {
	s.Accounts.adopt(now, theirs.Accounts, s.share())
	s.API.adopt(now, theirs.API, s.share())
	return s
}

func (d *DoorState) adopt(now time.Time, theirs SharedDoor, share float64) {
	ours := d.shared()
	news := newer(ours, theirs)
	if news == ours {
		return
	}
	opened := news.Why == "" && news.Epoch > d.Epoch
	d.Why, d.ClosedAt, d.ClosedUntil = news.Why, news.ClosedAt, news.ClosedUntil
	d.Step, d.ProbeUntil, d.Epoch = news.Step, news.ProbeUntil, news.Epoch
	d.Pace.stop()
	d.Pace.Learnt = news.Learnt
	if opened {
		d.Pace.start(now, share)
	}
}

// share is the part of the app's pace that is this process's.
func (s State) share() float64 {
	if s.Share <= 0 || s.Share > 1 {
		return 1
	}
	return s.Share
}
