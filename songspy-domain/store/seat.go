package store

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

// seatRow is a user's seat (place in a Spotify app) as the database stores it,
// with the e-mail address encrypted.
type seatRow struct {
	songspy.Seat
	EmailSealed []byte
}

// aad returns the additional authenticated data with which the address is encrypted. It
// binds the address to its column and row.
func (r seatRow) aad() []byte { return columnAAD(r.TableName(), "email_sealed", r.UserID) }

// hasAddress reports whether the seat was requested with the given address, regardless of
// case. A stored address that cannot be decrypted counts as a different address.
func (s *Store) hasAddress(ctx context.Context, r seatRow, email songspy.Secret) bool {
	previous, err := s.sealer.open(r.EmailSealed, r.aad())
	if err != nil {
		s.log.WarnContext(ctx, "the address of a seat cannot be decrypted and is replaced", logkey.UserID, int64(r.UserID), logkey.Error, err)
		return false
	}
	return strings.EqualFold(previous.Reveal(), email.Reveal())
}

// ReasonNoSeat is the Reason of the error that says that the user cannot link, because no
// Spotify app has a free seat (a place for another user).
const ReasonNoSeat = "SPOTIFY_NO_SEAT"

// ReasonSeatNotAsked is the Reason of an error: the user must request a seat (a place in a
// Spotify app) first.
const ReasonSeatNotAsked = "SPOTIFY_SEAT_NOT_ASKED"

func noSeatError() error {
	return &songspy.Error{
		Code: songspy.CodeConflict, Reason: ReasonNoSeat,
		Message: "All Spotify apps of this service are full. Its operator has to add one.",
	}
}

func seatNotAskedError() error {
	return &songspy.Error{Code: songspy.CodeNotFound, Reason: ReasonSeatNotAsked, Message: "No seat was requested."}
}

// Seat returns the user's seat request. The result ahead is the number of users before the
// user in the waiting list; it is 0 if the user does not wait. Seat returns CodeNotFound
// and the reason SPOTIFY_SEAT_NOT_ASKED if the user has requested no seat.
func (s *Store) Seat(ctx context.Context, id songspy.UserID) (seat songspy.Seat, ahead int64, err error) {
	seats, err := readSeatQueue(s.query(ctx).Where("user_id = ?", id))
	if err != nil {
		return seat, 0, translate(err)
	}
	if len(seats) == 0 {
		return seat, 0, seatNotAskedError()
	}
	if seat = seats[0]; seat.State != songspy.SeatWaiting {
		return seat, 0, nil
	}
	err = s.query(ctx).Model(&seatRow{}).
		Where("state = ? AND (asked_at < ? OR asked_at = ? AND user_id < ?)", seat.State, seat.AskedAt, seat.AskedAt, id).Count(&ahead).Error
	return seat, ahead, translate(err)
}

// AskSeat adds the user to the waiting list with email, the address of the user's Spotify
// account. If the user has already requested a seat, AskSeat replaces the address and keeps
// the place in the list. Then it assigns the free seats of the apps to the users in the
// waiting list.
//
// A second request with the same address changes nothing, unless the user's seat is
// entered (registered): then Spotify still rejects the registered user, so the seat becomes
// held (reserved) again, and the operator checks the registration. A user who is linked
// through one of the apps gets the seat in that app: either the app rejects the user, or the
// user is about to link another account. But if that app has no limit, the user gets a free seat
// in another app, if there is one.
//
// It returns CodeNotFound if there is no such user.
func (s *Store) AskSeat(ctx context.Context, id songspy.UserID, email songspy.Secret, apps []songspy.AppSeats) (seat songspy.Seat, err error) {
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		if err := lockUsers(tx, id); err != nil {
			return err
		}
		if err := tx.Where("id = ?", id).Take(&songspy.User{}).Error; err != nil {
			return err
		}
		if err := lockFeed(tx); err != nil {
			return err
		}
		var previous []seatRow
		if err := tx.Where("user_id = ?", id).Find(&previous).Error; err != nil {
			return err
		}
		now := s.now()
		row := seatRow{Seat: songspy.Seat{UserID: id, State: songspy.SeatWaiting, AskedAt: now}}
		known := false
		if len(previous) > 0 {
			row = previous[0]
			known = s.hasAddress(ctx, row, email)
		}
		if row.State == songspy.SeatEntered {
			row.State = songspy.SeatHeld // a registered user asks again only if Spotify still rejects them
		}
		switch link, err := findLink(tx, id); {
		case err == nil:
			if _, given := seatLimit(apps, link.App); given && link.HasAccount() {
				row.App, row.State = link.App, songspy.SeatHeld
			}
		case songspy.CodeOf(err) != songspy.CodeNotFound:
			return err
		}
		if seats, _ := seatLimit(apps, row.App); seats == 0 {
			row.App, row.State = "", songspy.SeatWaiting // the app should need no registration, but rejects the user: an app with a limit comes first
		}
		if !known || row.State != previous[0].State || row.App != previous[0].App {
			row.StateSince = now
		}
		var err error
		if row.EmailSealed, err = s.sealer.seal(email, row.aad()); err != nil {
			return err
		}
		if err := tx.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "user_id"}}, UpdateAll: true}).Create(&row).Error; err != nil {
			return err
		}
		seat = row.Seat
		changed, err := s.assignSeats(tx, apps)
		for _, c := range changed {
			if c.UserID == id {
				seat = c
			}
		}
		return err
	})
	seat.Email = email
	return seat, err
}

// AssignSeats assigns the free seats of the apps in the order of the waiting list, and
// returns the seats that changed. songspy.AssignSeats has the rules.
func (s *Store) AssignSeats(ctx context.Context, apps []songspy.AppSeats) (changed []songspy.Seat, err error) {
	if queue, err := readSeatQueue(s.query(ctx).Limit(1)); err != nil || len(queue) == 0 {
		return nil, translate(err) // without a request, no seat can be assigned
	}
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		if err := lockFeed(tx); err != nil {
			return err
		}
		changed, err = s.assignSeats(tx, apps)
		return err
	})
	if err != nil {
		return nil, err // nothing has changed: the transaction was rolled back
	}
	return changed, nil
}

// assignSeats does the work of AssignSeats in a transaction that has called
// lockFeed.
func (s *Store) assignSeats(tx *gorm.DB, apps []songspy.AppSeats) ([]songspy.Seat, error) {
	queue, err := readSeatQueue(tx)
	if err != nil || len(queue) == 0 {
		return nil, err
	}
	linked, err := linkedWithoutSeat(tx, apps)
	if err != nil {
		return nil, err
	}
	changed := songspy.AssignSeats(apps, linked, queue, s.now())
	for _, seat := range changed {
		if err := updateSeat(tx, seat); err != nil {
			return nil, err
		}
	}
	return changed, nil
}

// updateSeat writes the app and the state of a seat.
func updateSeat(tx *gorm.DB, seat songspy.Seat) error {
	return requireOneRow(tx.Model(&seatRow{}).Where("user_id = ?", seat.UserID).
		Updates(map[string]any{"app": seat.App, "state": seat.State, "state_since": dbTime(seat.StateSince)}))
}

// EnterSeat stores that the operator has registered the user in the dashboard of the user's
// app: the app of the user's seat, or the app of the user's link if the user has no seat.
// What happens next depends on the user's link. A user without a link through that app can
// link now. If the app has rejected the user's link, the link becomes active, so that the
// user is polled at once, and the seat is deleted. A pending grant (a link whose account is
// not known yet) is completed soon, without another consent at Spotify. linked reports
// whether the user has a link through that app whose account is known.
//
// It returns CodeNotFound and the reason SPOTIFY_SEAT_NOT_ASKED if the user has no seat and
// the app of the user's link does not reject the user. It returns CodeConflict if the user
// still waits for a seat.
func (s *Store) EnterSeat(ctx context.Context, id songspy.UserID) (linked bool, err error) {
	held, err := readSeatQueue(s.query(ctx).Where("user_id = ?", id))
	if err != nil {
		return false, translate(err)
	}
	refused, waits := false, false // refused says that the app rejects the user; waits says that the link is also a pending grant
	_, err = s.UpdateLink(ctx, id, func(l *songspy.Link) error {
		linked = len(held) == 0 || held[0].App == l.App
		refused = linked && l.State == songspy.LinkNotRegistered
		switch waits = refused && !l.HasAccount(); {
		case waits:
			// With this StateSince, the next run of the job that retries links completes the
			// pending grant. The extra hour allows for clocks that differ.
			l.StateSince = s.now().Add(-songspy.NotRegisteredRetryAfter - time.Hour)
		case refused:
			l.State = songspy.LinkActive
		}
		return nil
	})
	if err != nil && songspy.CodeOf(err) != songspy.CodeNotFound {
		return false, err
	}
	err = s.inErasureTx(ctx, func(tx *gorm.DB) error {
		if err := lockFeed(tx); err != nil {
			return err
		}
		seats, err := readSeatQueue(tx.Where("user_id = ?", id))
		switch {
		case err != nil:
			return err
		case len(seats) == 0 && refused:
			return nil
		case len(seats) == 0:
			return seatNotAskedError()
		case refused && !waits:
			return deleteSeat(tx, id)
		case seats[0].State == songspy.SeatWaiting:
			return &songspy.Error{Code: songspy.CodeConflict, Message: "This user is still on the waiting list: no app has a free seat yet."}
		}
		seat := seats[0]
		if seat.State == songspy.SeatEntered {
			return nil
		}
		seat.State, seat.StateSince = songspy.SeatEntered, s.now()
		return updateSeat(tx, seat)
	})
	return linked && !waits, err
}

// LeaveSeat deletes the user's seat request. It returns CodeNotFound and the reason
// SPOTIFY_SEAT_NOT_ASKED if there is none.
func (s *Store) LeaveSeat(ctx context.Context, id songspy.UserID) error {
	return s.inErasureTx(ctx, func(tx *gorm.DB) error {
		if err := lockFeed(tx); err != nil {
			return err
		}
		left := tx.Where("user_id = ?", id).Delete(&seatRow{})
		if left.Error == nil && left.RowsAffected == 0 {
			return seatNotAskedError()
		}
		return left.Error
	})
}

// PruneSeats deletes two kinds of seats and returns how many it deleted. One kind has been
// in the state SeatEntered since before the first given time: the operator has registered
// the users, who still do not link Spotify. The other kind was requested before the
// second given time, and may be in any state.
func (s *Store) PruneSeats(ctx context.Context, entered, asked time.Time) (deleted int64, err error) {
	err = s.inErasureTx(ctx, func(tx *gorm.DB) error {
		if err := lockFeed(tx); err != nil {
			return err
		}
		return affectedRows(tx.Where("state = ? AND state_since < ? OR asked_at < ?", songspy.SeatEntered, entered, asked).Delete(&seatRow{}), &deleted)
	})
	return deleted, err
}

// deleteSeat deletes the user's seat request, if there is one. The transaction must
// have called lockFeed or publishChanges.
func deleteSeat(tx *gorm.DB, id songspy.UserID) error {
	return tx.Where("user_id = ?", id).Delete(&seatRow{}).Error
}

// lockFeed makes the transactions that decide about seats run one after the other. It locks
// the row of the table feed, because publishChanges locks that row too: a transaction that
// links a user decides about seats after it has published its change. Every transaction
// that locks both locks the row of feed before rows of spotify_seats, so that no deadlock is
// possible.
func lockFeed(tx *gorm.DB) error {
	return tx.Exec(`UPDATE feed SET last = last WHERE id = 1`).Error
}

// readSeatQueue reads users' requests for seats in the order in which they were
// made, without the e-mail addresses.
func readSeatQueue(tx *gorm.DB) (queue []songspy.Seat, err error) {
	return queue, tx.Order("asked_at, user_id").Find(&queue).Error
}

// accountKnownCondition is the SQL condition for the links that take a seat in their app:
// links with a known Spotify account. A pending grant, whose account is unknown, takes no
// seat, because any user could create one.
const accountKnownCondition = `(account_id IS NOT NULL OR legacy_id IS NOT NULL)`

// waitingListMax limits each list that WaitingList returns, and the list of
// NotificationSeats.
const waitingListMax = 1000

// WaitingList returns what an operator needs to know to register users in the dashboards of
// the apps. Each of its lists has at most waitingListMax entries.
func (s *Store) WaitingList(ctx context.Context, apps []songspy.AppSeats) (d songspy.WaitingList, err error) {
	d = songspy.WaitingList{LinkedUsers: map[string][]songspy.UserID{}, OtherLinks: map[string]int64{}}
	var rows []seatRow
	if err := s.query(ctx).Order("asked_at, user_id").Limit(waitingListMax).Find(&rows).Error; err != nil {
		return songspy.WaitingList{}, translate(err)
	}
	for _, r := range rows {
		if r.Email, err = s.sealer.open(r.EmailSealed, r.aad()); err != nil {
			s.log.WarnContext(ctx, "the address of a seat cannot be decrypted: until that changes, only the user can enter it again, by requesting a seat", slog.Int64(logkey.UserID, int64(r.UserID)), slog.Any(logkey.Error, err))
		}
		d.Seats = append(d.Seats, r.Seat)
	}
	var counts []struct {
		App string
		N   int64
	}
	if err := s.query(ctx).Model(&linkRow{}).Select("app, count(*) AS n").Where(accountKnownCondition).Group("app").Find(&counts).Error; err != nil {
		return songspy.WaitingList{}, translate(err)
	}
	for _, c := range counts {
		if seats, _ := seatLimit(apps, c.App); seats == 0 {
			d.OtherLinks[c.App] = c.N
			continue
		}
		var ids []songspy.UserID
		if err := s.query(ctx).Model(&linkRow{}).Where("app = ? AND "+accountKnownCondition, c.App).Order("user_id").Limit(waitingListMax).Pluck("user_id", &ids).Error; err != nil {
			return songspy.WaitingList{}, translate(err)
		}
		d.LinkedUsers[c.App] = ids
	}
	err = s.query(ctx).Table("spotify_links AS l").Select("l.user_id, l.app, l.state_since AS since").
		Where("l.state = ? AND l.app NOT LIKE ? AND NOT EXISTS (SELECT 1 FROM spotify_seats s WHERE s.user_id = l.user_id)",
			songspy.LinkNotRegistered, songspy.UserApp("%")).
		Order("l.app, l.state_since, l.user_id").Limit(waitingListMax).Find(&d.Unregistered).Error
	return d, translate(err)
}

// seatLimit returns the number of seats of the app in apps; 0 means no limit. given is
// false if the app is not in apps.
func seatLimit(apps []songspy.AppSeats, app string) (seats int, given bool) {
	for _, a := range apps {
		if a.App == app {
			return a.Seats, true
		}
	}
	return 0, false
}

// ChooseApp returns the app through which the user links. If the user has a link whose
// account is known, it is the app of that link, provided that this app may still be used:
// it is in apps, or it is user-supplied and the parameter own is true. Otherwise it is the
// app of the user's seat. Without a seat, it is the app in which a seat request of the user
// would get a seat now. registered is false if the operator may first have to register the
// user in that app's dashboard.
//
// It returns CodeConflict and the reason SPOTIFY_NO_SEAT if there is no such app. It
// reserves nothing: SaveLink takes the seat, and checks the limit again.
func (s *Store) ChooseApp(ctx context.Context, id songspy.UserID, apps []songspy.AppSeats, own bool) (app string, registered bool, err error) {
	switch link, err := findLink(s.query(ctx), id); {
	case err == nil:
		_, isUserApp := songspy.UserAppClientID(link.App)
		if _, given := seatLimit(apps, link.App); link.HasAccount() && (given || isUserApp && own) {
			return link.App, link.State != songspy.LinkNotRegistered, nil
		}
	case songspy.CodeOf(err) != songspy.CodeNotFound:
		return "", false, err
	}
	queue, err := readSeatQueue(s.query(ctx))
	if err != nil {
		return "", false, translate(err)
	}
	linked, err := linkedWithoutSeat(s.query(ctx), apps)
	if err != nil {
		return "", false, translate(err)
	}
	now, ownSeat := s.now(), songspy.Seat{UserID: id, State: songspy.SeatWaiting}
	asked := false
	for _, seat := range queue {
		if seat.UserID == id {
			ownSeat, asked = seat, true
		}
	}
	if !asked {
		queue = append(queue, ownSeat)
	}
	for _, seat := range songspy.AssignSeats(apps, linked, queue, now) {
		if seat.UserID == id {
			ownSeat = seat
		}
	}
	if ownSeat.State == songspy.SeatWaiting {
		return "", false, noSeatError()
	}
	return ownSeat.App, ownSeat.State == songspy.SeatEntered, nil
}

// checkSeatLimit returns CodeConflict and the reason SPOTIFY_NO_SEAT if more users are
// linked through n.App than the app has seats. It returns nil if the app has no limit
// (n.Seats is 0), or if hadSeat says that the user was linked through the app before.
func checkSeatLimit(tx *gorm.DB, n songspy.NewLink, hadSeat bool) error {
	if n.Seats == 0 || hadSeat {
		return nil
	}
	var taken int64
	if err := tx.Model(&linkRow{}).Where("app = ? AND "+accountKnownCondition, n.App).Count(&taken).Error; err != nil {
		return err
	}
	if taken > int64(n.Seats) {
		return noSeatError()
	}
	return nil
}

// linkedWithoutSeat counts, by app, the users that are linked through the app but have no
// row in spotify_seats for it. It counts only for apps with a limited number of seats.
func linkedWithoutSeat(tx *gorm.DB, apps []songspy.AppSeats) (map[string]int, error) {
	var names []string
	for _, a := range apps {
		if a.Seats > 0 {
			names = append(names, a.App)
		}
	}
	linked := map[string]int{}
	if len(names) == 0 {
		return linked, nil
	}
	var counts []struct {
		App string
		N   int
	}
	err := tx.Table("spotify_links AS l").Select("l.app, count(*) AS n").
		Where("l.app IN ? AND "+accountKnownCondition+" AND NOT EXISTS (SELECT 1 FROM spotify_seats s WHERE s.user_id = l.user_id AND s.app = l.app)", names).
		Group("l.app").Find(&counts).Error
	for _, c := range counts {
		linked[c.App] = c.N
	}
	return linked, err
}
