package sweep

import songspy "github.com/songspy/songspy/songspy-domain"

func (r *roster) drop(id songspy.UserID) {
	if l := r.seat(id); l != nil {
		r.habits.change(l, habit{})
	}
	r.people.Remove(id)
	r.left(id)
}

// remove takes the person off the roster; with a listener given, only if they
// have not linked anew since.
func (r *roster) remove(id songspy.UserID, who *seat) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.seat(id); l != nil && (who == nil || l == who) {
		r.drop(id)
	}
}

// nextRound begins a reading of the whole store.
func (r *roster) nextRound() uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.round++
	return r.round
}

// removeAbsent takes off the roster whom the reading did not hold.
func (r *roster) removeAbsent(round uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, l := range r.people.All() {
		if l.round < round {
			r.drop(id)
		}
	}
}

// removeThose takes everyone off the roster who is gone.
func (r *roster) removeThose(gone func(songspy.UserID) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.people.All() {
		if gone(id) {
			r.drop(id)
		}
	}
}
