package sweep

// habits counts what the accounts of the roster show of their histories.
type habits struct{ listing, leavingOut int }

// enoughAccounts is how many accounts must show a habit before others are taken
// to have it.
const enoughAccounts = 3

// change takes over what was learnt of an account. The roster is locked.
func (h *habits) change(s *seat, to habit) {
	h.count(s.habit, -1)
	s.habit = to
	h.count(to, 1)
}

func (h *habits) count(of habit, n int) {
	if of == (habit{}) {
		return
	}
	if partial, _ := of.value().Partial(); partial {
		h.listing += n
	} else {
		h.leavingOut += n
	}
}

// partial reports whether history is taken to list the partial plays of an
// account: what it has shown itself, else what most accounts have, else not.
func (h *habits) partial(s *seat) bool {
	if partial, known := s.habit.value().Partial(); known {
		return partial
	}
	return h.listing+h.leavingOut >= enoughAccounts && h.listing > h.leavingOut
}
