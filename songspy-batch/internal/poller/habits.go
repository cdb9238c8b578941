package poller

// habits counts what the accounts of the roster show of their histories. Accounts
// that do not show a habit yet are not counted.
type habitCounts struct{ listsPartial, omitsPartial int }

// enoughAccounts is how many accounts must show a habit before others are taken
// to have it.
const minHabitAccounts = 3

// change takes over what was learnt of an account. The roster is locked.
func (h *habitCounts) replace(s *entry, to habit) {
	h.add(s.habit, -1)
	s.habit = to
	h.add(to, 1)
}

func (h *habitCounts) add(of habit, n int) {
	switch partial, known := of.value().ListsPartialPlays(); {
	case !known:
	case partial:
		h.listsPartial += n
	default:
		h.omitsPartial += n
	}
}

// partial reports whether history is taken to list the partial plays of an
// account: what it has shown itself, else what most accounts have, else not.
func (h *habitCounts) assumesPartial(s *entry) bool {
	if partial, known := s.habit.value().ListsPartialPlays(); known {
		return partial
	}
	return h.listsPartial+h.omitsPartial >= minHabitAccounts && h.listsPartial > h.omitsPartial
}
