package store

import (
	"cmp"
	"context"
	"database/sql"
	"strings"
	"time"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// ruleColumns returns the columns that select the sharing periods (the user's successive
// sharing settings) and hidden items of users AS u. The parameter since is an SQL expression
// for a time: sharing periods that ended at that time or earlier are left out, and so are
// items whose hiding ended earlier. If since is empty, all periods and items are selected.
func ruleColumns(e engine, since string) string {
	periods, hidden := `sharing_periods p WHERE p.user_id = u.id`, `hidden_items h LEFT JOIN artists a ON a.uri = h.uri WHERE h.user_id = u.id`
	if since != "" {
		periods += ` AND p.began_at >= COALESCE((SELECT MAX(f.began_at) FROM sharing_periods f WHERE f.user_id = u.id AND f.began_at <= ` + since + `), p.began_at)`
		hidden += ` AND (h.ended_at IS NULL OR h.ended_at >= ` + since + `)`
	}
	return `(` + e.jsonRows(e.microseconds("p.began_at")+`, p.now_audience, p.history_audience, `+e.microseconds("p.hidden_until")+
		`, p.min_seconds, p.hide_local, p.hide_episodes, p.hide_chapters, p.findable`, periods, `p.began_at`) + `), (` +
		e.jsonRows(`h.uri, `+e.microseconds("h.began_at")+`, `+e.microseconds("h.ended_at")+`, COALESCE(a.name, h.name)`, hidden, `h.began_at`) + `)`
}

// ruleDest returns the scan destinations of ruleColumns. Call finishRule afterwards.
func ruleDest(r *songspy.SharingRule) []any {
	return []any{
		jsonRows[songspy.Sharing]{&r.Periods, func(row jsonRow) songspy.Sharing {
			return songspy.Sharing{
				BeganAt: row.time(0), Now: songspy.Audience(row.text(1)), History: songspy.Audience(row.text(2)), HiddenUntil: row.timeOrNil(3),
				MinSeconds: int(row.integer(4)), HideLocal: row.boolean(5), HideEpisodes: row.boolean(6), HideChapters: row.boolean(7), Findable: row.boolean(8),
			}
		}},
		jsonRows[songspy.HiddenItem]{&r.Hidden, func(row jsonRow) songspy.HiddenItem {
			return songspy.HiddenItem{URI: row.text(0), BeganAt: row.time(1), EndedAt: row.timeOrNil(2), Name: row.text(3)}
		}},
	}
}

// finishRule copies values between a scanned rule and its user. The rule gets the user's
// id, and whether the operator hides the user. The user gets the audience of the sharing
// settings that are in force now, and the time until which these settings hide everything.
func finishRule(r *songspy.SharingRule, u *songspy.User) {
	r.Owner, r.HiddenByOperator = u.ID, u.HiddenByOperator
	for i := range r.Periods {
		r.Periods[i].UserID = u.ID
	}
	for i := range r.Hidden {
		r.Hidden[i].UserID = u.ID
	}
	u.Audience, u.SharingPausedUntil = r.Present().Now, r.Present().HiddenUntil
}

// presentSharing returns the sharing settings of the user that are in force now.
func presentSharing(db *gorm.DB, id songspy.UserID) (p songspy.Sharing, err error) {
	err = db.Where("user_id = ?", id).Order("began_at DESC").Limit(1).Take(&p).Error
	return p, err
}

// Sharing returns the sharing settings of the user that are in force now. It returns
// CodeNotFound if there is no such user.
func (s *Store) Sharing(ctx context.Context, id songspy.UserID) (songspy.Sharing, error) {
	p, err := presentSharing(s.query(ctx), id)
	return p, translate(err)
}

// ChangeSharing lets fn change the user's sharing settings while the user is locked. If fn
// changes a setting, ChangeSharing stores the result as a new sharing period that begins
// now, and publishes a change. If the clock was set back, the new period begins a
// microsecond after the last one, so that the periods stay in order. If fn returns an
// error, nothing is stored.
//
// It returns CodeNotFound if there is no such user, and CodeInvalid for invalid settings.
func (s *Store) ChangeSharing(ctx context.Context, id songspy.UserID, fn func(*songspy.Sharing) error) (p songspy.Sharing, err error) {
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		var u songspy.User
		if err := lockUserForChange(tx, id, &u); err != nil {
			return err
		}
		if p, err = presentSharing(tx, id); err != nil {
			return err
		}
		before := p
		if err := fn(&p); err != nil {
			return err
		}
		p.UserID, p.BeganAt, p.HiddenUntil = id, before.BeganAt, dbTimeOrNil(p.HiddenUntil)
		changed := changedSettings(before, p)
		if changed == "" {
			p = before
			return nil
		}
		p.BeganAt = laterThan(before.BeganAt, s.now())
		if err := tx.Create(&p).Error; err != nil {
			return err
		}
		if before.Findable != p.Findable {
			if err := setNickKey(tx, &u, p.Findable); err != nil {
				return err
			}
		}
		return s.auditAndPublish(tx, songspy.AuditEvent{UserID: id, Kind: songspy.AuditSharingChanged, Actor: songspy.ActorSelf, Detail: changed})
	})
	return p, err
}

// changedSettings lists the settings that differ, by their names in the API's contract,
// such as "now, minSeconds". It returns "" if none differs.
func changedSettings(a, b songspy.Sharing) string {
	var changed []string
	for _, setting := range []struct {
		name string
		same bool
	}{
		{"now", a.Now == b.Now},
		{"history", a.History == b.History},
		{"hiddenUntil", samePointer(a.HiddenUntil, b.HiddenUntil, time.Time.Equal)},
		{"minSeconds", a.MinSeconds == b.MinSeconds},
		{"hideLocal", a.HideLocal == b.HideLocal},
		{"hideEpisodes", a.HideEpisodes == b.HideEpisodes},
		{"hideChapters", a.HideChapters == b.HideChapters},
		{"findable", a.Findable == b.Findable},
	} {
		if !setting.same {
			changed = append(changed, setting.name)
		}
	}
	return strings.Join(changed, ", ")
}

// laterThan returns now if it is later than other. Otherwise it returns the first time
// after other that the databases can store: a microsecond later.
func laterThan(other, now time.Time) time.Time {
	if now.After(other) {
		return now
	}
	return other.Add(time.Microsecond)
}

// forChange returns a query that locks the rows that it reads FOR NO KEY UPDATE (on
// Postgres). Transactions that write playback updates lock users FOR KEY SHARE, so they do
// not wait for this lock.
func forChange(tx *gorm.DB) *gorm.DB { return tx.Clauses(clause.Locking{Strength: "NO KEY UPDATE"}) }

// lockUserForChange reads the user into u. On Postgres it locks the row until the transaction
// ends, as forChange does: other changes of the user wait, playback updates do not.
func lockUserForChange(tx *gorm.DB, id songspy.UserID, u *songspy.User) error {
	return forChange(tx).Where("id = ?", id).Take(u).Error
}

// withLockedUser runs fn in a transaction with the user locked by forChange. The function
// begin starts the transaction: inTx or inErasureTx. withLockedUser returns CodeNotFound if
// there is no such user.
func withLockedUser(ctx context.Context, begin beginTx, id songspy.UserID, fn func(tx *gorm.DB) error) error {
	return begin(ctx, func(tx *gorm.DB) error {
		if err := lockUserForChange(tx, id, &songspy.User{}); err != nil {
			return err
		}
		return fn(tx)
	})
}

// NickKey returns the nickname in the form in which search compares it: Unicode's form
// NFKC, case-folded.
func NickKey(nick string) string {
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(cleanText(nick))))
}

// setNickKey stores the nick key of the user: the nickname as search compares it. If
// findable is false, it stores an empty nick key, so that search does not find the user.
// The user must be locked.
func setNickKey(tx *gorm.DB, u *songspy.User, findable bool) error {
	key := ""
	if findable {
		key = NickKey(u.PublicName())
	}
	return requireOneRow(tx.Model(&songspy.User{}).Where("id = ?", u.ID).UpdateColumn("nick_key", key))
}

// HideItem hides the artist or track with the URI: from now on, others do not see that the
// user plays it. HideItem publishes a change. If the user hides the item already, nothing
// changes.
//
// It returns CodeNotFound if there is no such user, and CodeUnprocessable if the user
// already hides songspy.HiddenItemsMax items.
func (s *Store) HideItem(ctx context.Context, id songspy.UserID, uri string) (item songspy.HiddenItem, err error) {
	uri = cleanText(uri)
	err = withLockedUser(ctx, s.inTx, id, func(tx *gorm.DB) error {
		var rows []songspy.HiddenItem
		if err := tx.Where("user_id = ? AND uri = ?", id, uri).Order("began_at DESC").Limit(1).Find(&rows).Error; err != nil {
			return err
		}
		item = songspy.HiddenItem{UserID: id, URI: uri, BeganAt: s.now()}
		if len(rows) > 0 {
			if rows[0].EndedAt == nil {
				item = rows[0]
				return nil
			}
			item.BeganAt = laterThan(rows[0].BeganAt, item.BeganAt)
		}
		var open int64
		if err := tx.Model(&songspy.HiddenItem{}).Where("user_id = ? AND ended_at IS NULL", id).Count(&open).Error; err != nil {
			return err
		}
		if open >= songspy.HiddenItemsMax {
			return &songspy.Error{Code: songspy.CodeUnprocessable, Reason: "TOO_MANY_HIDDEN_ITEMS", Message: "The user hides as many artists and tracks as possible."}
		}
		if item.Name, err = catalogueName(tx, uri); err != nil {
			return err
		}
		if err := tx.Create(&item).Error; err != nil {
			return err
		}
		return s.auditAndPublish(tx, songspy.AuditEvent{UserID: id, Kind: songspy.AuditItemHidden, Actor: songspy.ActorSelf, Detail: auditedItem(item)})
	})
	return item, err
}

// catalogueName returns the name of the stored artist, or the title of the stored track,
// with the URI. It returns "" if there is none.
func catalogueName(tx *gorm.DB, uri string) (string, error) {
	table, column := songspy.Track{}.TableName(), "title"
	if strings.HasPrefix(uri, "spotify:artist:") {
		table, column = songspy.Artist{}.TableName(), "name"
	}
	var names []string
	if err := tx.Table(table).Where("uri = ?", uri).Pluck(column, &names).Error; err != nil || len(names) == 0 {
		return "", err
	}
	return names[0], nil
}

// auditedItem returns the name or URI of a hidden item for the audit log. It returns "" for
// a local file: its title comes from a private disk, the operator may read the log, and the
// log stays when the user unlinks Spotify.
func auditedItem(item songspy.HiddenItem) string {
	if songspy.IsLocal(item.URI) {
		return ""
	}
	return cmp.Or(item.Name, item.URI)
}

// ShowItem ends the hiding of an item and publishes a change. Plays from the time when
// it was hidden stay hidden. It returns CodeNotFound if the user does not hide the item.
func (s *Store) ShowItem(ctx context.Context, id songspy.UserID, uri string) error {
	return withLockedUser(ctx, s.inTx, id, func(tx *gorm.DB) error {
		var item songspy.HiddenItem
		if err := tx.Where("user_id = ? AND uri = ? AND ended_at IS NULL", id, cleanText(uri)).Take(&item).Error; err != nil {
			return err
		}
		ended := tx.Model(&songspy.HiddenItem{}).Where("user_id = ? AND uri = ? AND began_at = ?", id, item.URI, item.BeganAt).
			Update("ended_at", laterThan(item.BeganAt, s.now()))
		if err := requireOneRow(ended); err != nil {
			return err
		}
		return s.auditAndPublish(tx, songspy.AuditEvent{UserID: id, Kind: songspy.AuditItemShown, Actor: songspy.ActorSelf, Detail: auditedItem(item)})
	})
}

// HiddenItems returns up to limit items that the user hides now, in the order of their
// URIs, starting after the given URI. Fewer than limit means that there are no more.
func (s *Store) HiddenItems(ctx context.Context, id songspy.UserID, after string, limit int) (items []songspy.HiddenItem, err error) {
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) error {
		var h songspy.HiddenItem
		err := rows.Scan(&h.UserID, &h.URI, &h.BeganAt, &h.Name)
		items = append(items, h)
		return err
	}, `SELECT h.user_id, h.uri, h.began_at, COALESCE(a.name, h.name) FROM hidden_items h LEFT JOIN artists a ON a.uri = h.uri
		WHERE h.user_id = $1 AND h.ended_at IS NULL AND h.uri > $2 ORDER BY h.uri LIMIT $3`, int64(id), after, limit)
	return items, translate(err)
}
