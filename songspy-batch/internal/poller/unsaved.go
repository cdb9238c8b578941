package poller

import songspy "github.com/songspy/songspy/songspy-domain"

// takeUnsaved gives the open plays of which more is known than is stored, each
// to one caller only.
func (r *registry) takeDirty() (found []dirtyEntry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.entries.All() {
		if l.dirty && l.playing != nil && l.playing.IsOpen() {
			l.dirty = false
			found = append(found, dirtyEntry{l, *l.playing})
		}
	}
	return found
}

type dirtyEntry struct {
	entry   *entry
	playing songspy.NowPlaying
}

// saveSilence hands what is known of somebody who hears nothing to the store,
// if that knows less. Of a silence only the first look is worth a write, but
// history fills the time up to the last: a process that did not know of it
// would let the next play begin within what was found there.
func (s *Poller) flushIdle(id songspy.UserID, entry *entry) {
	if n, newer := s.registry.takeDirtyIdle(id, entry); newer {
		s.writer.put(pendingUpdate{entry, songspy.PlaybackUpdate{Playing: n}})
	}
}

func (r *registry) takeDirtyIdle(id songspy.UserID, entry *entry) (n songspy.NowPlaying, newer bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n = entry.nowPlaying(id)
	if r.find(id) != entry || !entry.dirty || n.IsOpen() {
		return n, false
	}
	entry.dirty = false
	entry.pendingWrites++
	return n, true
}
