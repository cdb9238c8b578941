package sweep

import songspy "github.com/songspy/songspy/songspy-domain"

// takeUnsaved gives the open plays of which more is known than is stored, each
// to one caller only.
func (r *roster) takeUnsaved() (found []unsaved) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.people.All() {
		if l.unsaved && l.playing != nil && l.playing.Open() {
			l.unsaved = false
			found = append(found, unsaved{l, *l.playing})
		}
	}
	return found
}

type unsaved struct {
	who     *seat
	playing songspy.NowPlaying
}

// saveSilence hands what is known of somebody who hears nothing to the store,
// if that knows less. Of a silence only the first look is worth a write, but
// history fills the time up to the last: a process that did not know of it
// would let the next play begin within what was found there.
func (s *Sweep) saveSilence(id songspy.UserID, who *seat) {
	if n, newer := s.roster.takeSilence(id, who); newer {
		s.writer.put(outcome{who, songspy.Hearing{Playing: n}})
	}
}

func (r *roster) takeSilence(id songspy.UserID, who *seat) (n songspy.NowPlaying, newer bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n = who.nowPlaying(id)
	if r.seat(id) != who || !who.unsaved || n.Open() {
		return n, false
	}
	who.unsaved = false
	who.writing++
	return n, true
}
