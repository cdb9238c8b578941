package poller

import songspy "github.com/songspy/songspy/songspy-domain"

func (r *registry) removeLocked(id songspy.UserID) {
	if l := r.find(id); l != nil {
		r.habits.replace(l, habit{})
	}
	r.entries.Remove(id)
	r.onRemove(id)
}

// remove takes the person off the roster; with a listener given, only if they
// have not linked anew since.
func (r *registry) remove(id songspy.UserID, entry *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.find(id); l != nil && (entry == nil || l == entry) {
		r.removeLocked(id)
	}
}

// nextRound begins a reading of the whole store.
func (r *registry) beginRead() uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readRound++
	return r.readRound
}

// removeAbsent takes off the roster whom the reading did not hold.
func (r *registry) removeUnread(round uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, l := range r.entries.All() {
		if l.readRound < round {
			r.removeLocked(id)
		}
	}
}

// removeThose takes everyone off the roster who is gone.
func (r *registry) removeIf(gone func(songspy.UserID) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.entries.All() {
		if gone(id) {
			r.removeLocked(id)
		}
	}
}
