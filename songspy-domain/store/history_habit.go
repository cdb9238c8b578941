package store

import (
	"database/sql"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// historyHabitRow is what was learnt of one account's history.
type historyHabitRow struct{}

// TableName is the table of what was learnt of accounts' histories.
func (historyHabitRow) TableName() string { return "history_habits" }

// habit reads what was learnt of the account's history before.
func (h *reconcileTx) readHabit() (habit songspy.PartialPlayCounts, err error) {
	err = queryRows(h.ctx, h.conn, func(rows *sql.Rows) error {
		return rows.Scan(&habit.Listed, &habit.Unlisted)
	}, `SELECT listed, unlisted FROM history_habits WHERE user_id = $1`, int64(h.user))
	return habit, err
}

// learn writes what an answer adds to the account's habit.
func (h *reconcileTx) writeHabit(before, learned songspy.PartialPlayCounts) error {
	if learned == (songspy.PartialPlayCounts{}) {
		return nil
	}
	now := before.Add(learned)
	_, err := h.conn.ExecContext(h.ctx, `INSERT INTO history_habits (user_id, listed, unlisted) VALUES ($1, $2, $3)
		ON CONFLICT (user_id) DO UPDATE SET listed = excluded.listed, unlisted = excluded.unlisted`,
		int64(h.user), int64(now.Listed), int64(now.Unlisted))
	return err
}

// nowProven lists the probable plays that history confirms, which count from now on.
func (h *reconcileTx) newlyCounted(stored songspy.StoredPlays, confirmed []songspy.StoredPlay) (proven []songspy.Play) {
	probable := make(map[songspy.PlayID]bool)
	for _, k := range stored.Plays {
		if k.Play.Probable && k.Play.DeletedAt == nil {
			probable[k.Play.ID] = true
		}
	}
	for _, c := range confirmed {
		if probable[c.Play.ID] && !c.Play.Probable {
			p := c.Play
			p.UserID = h.user
			proven = append(proven, p)
			recordedBy(h.conn).addPlay(p.Source)
		}
	}
	return proven
}
