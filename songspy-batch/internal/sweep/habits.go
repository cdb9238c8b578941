package sweep

// habits counts what the accounts of the roster show of their histories. Accounts
// that do not show a habit yet are not counted.
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
	switch partial, known := of.value().Partial(); {
	case !known:
	case partial:
		h.listing += n
	default:
		h.leavingOut += n
	}
}

// partial reports whether history is taken to list the partial plays of an
// account: what it has shown itself, else what most accounts have, else not. It
// is not known until the account, or most of enough others, have shown it.
func (h *habits) partial(s *seat) (partial, known bool) {
	if partial, known := s.habit.value().Partial(); known {
		return partial, true
	}
	known = h.listing+h.leavingOut >= enoughAccounts && h.listing != h.leavingOut
	return known && h.listing > h.leavingOut, known
}
