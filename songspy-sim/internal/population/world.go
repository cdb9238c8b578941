package population

import (
	"sync"
	"sync/atomic"
	"time"
)

// World is a population of simulated people with the catalogue of tracks that
// they play. All methods are safe for concurrent use.
type World struct {
	seed   uint64
	people int
	habits Habits
	slot   int64 // milliseconds
	epoch  int64 // milliseconds since 1970; no generated play starts before it

	catalogue *catalogue

	scriptMu sync.Mutex
	scripts  atomic.Pointer[map[int][]play] // by person; copied on write, so that reading needs no lock
}

// New returns a world of people with the numbers 0 to people−1. No generated play starts
// before epoch. New returns an error if the habits are invalid.
func New(seed uint64, people int, habits Habits, epoch time.Time) (*World, error) {
	if err := habits.Validate(); err != nil {
		return nil, err
	}
	return &World{
		seed: seed, people: people, habits: habits, slot: habits.Slot.Milliseconds(),
		epoch: epoch.UnixMilli(), catalogue: &catalogue{seed: seed},
	}, nil
}

// People returns the number of people.
func (w *World) People() int { return w.people }

// Epoch returns the time before which no generated play starts.
func (w *World) Epoch() time.Time { return time.UnixMilli(w.epoch).UTC() }

// Track returns the track of the catalogue with the given number, from 0 to
// CatalogueSize−1.
func (w *World) Track(number int) *Track { return w.catalogue.track(int32(number)) }

// slotPhase returns by how many milliseconds a person's slots (see the package comment) are
// shifted in time. The shift differs by person, so that not all people start to listen at
// the same moment.
func (w *World) slotPhase(person int) int64 {
	return int64(hash(w.seed, saltPhase, uint64(person)) % uint64(w.slot))
}

// hourWeight returns how likely a session of the person is at a time, relative to the
// average of 1. It depends on the hour of the day in Korea, shifted for each person by up
// to four hours in either direction.
func (w *World) hourWeight(person int, at int64) float64 {
	const hour = int64(time.Hour / time.Millisecond)
	shift := int64(hash(w.seed, saltPhase, uint64(person), saltPhase)%9) - 4
	return hourWeights[((at/hour+9+shift)%24+24)%24]
}

// slotOf returns the number of the person's slot that contains a time. A slot is a part of
// a person's time that has at most one listening session.
func (w *World) slotOf(person int, at int64) int64 {
	n := at - w.slotPhase(person)
	s := n / w.slot
	if n%w.slot < 0 {
		s--
	}
	return s
}

func (w *World) scriptOf(person int) ([]play, bool) {
	m := w.scripts.Load()
	if m == nil {
		return nil, false
	}
	plays, ok := (*m)[person]
	return plays, ok
}

// PlayerView is what a person's player shows at one time. Computing it
// allocates no memory.
type PlayerView struct {
	State      State
	Kind       Kind
	Track      *Track // nil for advertisements and unknown items
	Progress   int64  // milliseconds
	Start      int64  // milliseconds since 1970
	Key        uint64 // identifies the play
	Hidden     bool   // the play is private or offline, so the Web API shows nothing
	NoProgress bool   // progress_ms is null
	Frozen     bool   // the timestamp in the answer is Start instead of the present time
	Spurious   bool   // this poll gets a false 204
}

// View returns what a person's player shows at a time. It must be fast (microseconds),
// because load tests call it for every poll.
func (w *World) View(person int, at time.Time) PlayerView {
	var p play
	now := at.UnixMilli()
	if !w.findPlay(person, now, &p) {
		return PlayerView{State: Idle}
	}
	progress, state := p.shown(now)
	s := PlayerView{
		State: state, Kind: p.kind, Progress: progress, Start: p.start, Key: p.key,
		Hidden: p.private || p.offline, NoProgress: p.noProgress, Frozen: w.traits(person).frozen, Track: w.trackOf(&p),
	}
	if p.scripted == nil && s.State == Playing {
		s.Spurious = toUnit(hash(w.seed, saltSpurious, uint64(person), uint64(now))) < w.habits.Spurious
	}
	return s
}

// trackOf returns the track of a play, or nil if the Web API returns no item.
func (w *World) trackOf(p *play) *Track {
	switch {
	case p.kind == KindAd || p.kind == KindUnknown:
		return nil
	case p.scripted != nil:
		return &p.scripted.Track
	default:
		return w.catalogue.track(p.track)
	}
}

// findPlay sets *p to the play that a person's player shows at a time: the play in
// progress, the next play while its track loads, or the last play of a session while the
// stopped player still shows its track. It returns false if the player shows nothing.
func (w *World) findPlay(person int, at int64, p *play) bool {
	if at < w.epoch {
		return false
	}
	if plays, ok := w.scriptOf(person); ok {
		return findScripted(plays, at, p)
	}
	var k sessionWalk
	if !w.session(person, w.slotOf(person, at), &k) || at < k.at || at >= k.end+k.linger {
		return false
	}
	for k.next(p) {
		if at < p.end+p.linger {
			return p.start >= w.epoch
		}
	}
	return false
}

// eachPlay calls the function visit for each play of a person that overlaps [from, to), in
// order, until the function returns false.
func (w *World) eachPlay(person int, from, to int64, visit func(*play) bool) {
	from = max(from, w.epoch)
	if plays, ok := w.scriptOf(person); ok {
		for i := range plays {
			if plays[i].end > from && plays[i].start < to && !visit(&plays[i]) {
				return
			}
		}
		return
	}
	var p play
	for slot := w.slotOf(person, from); slot*w.slot+w.slotPhase(person) < to; slot++ {
		var k sessionWalk
		if !w.session(person, slot, &k) {
			continue
		}
		for k.next(&p) {
			if p.start >= w.epoch && p.end > from && p.start < to && !visit(&p) {
				return
			}
		}
	}
}
