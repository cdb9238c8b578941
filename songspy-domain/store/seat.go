package store

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// seatRow is a seat as its table holds it: with the address sealed.
type seatRow struct {
	songspy.Seat
	EmailSealed []byte
}

// place is where the sealed address lies.
func (r seatRow) aad() []byte { return columnAAD(r.TableName(), "email_sealed", r.UserID) }

// isOf reports whether the seat was asked for with that address. One that does
// not open is taken for another.
func (s *Store) hasAddress(ctx context.Context, r seatRow, email songspy.Secret) bool {
	previous, err := s.sealer.open(r.EmailSealed, r.aad())
	if err != nil {
		s.log.WarnContext(ctx, "the address of a seat does not open and is replaced", "user_id", int64(r.UserID), "err", err)
		return false
	}
	return strings.EqualFold(previous.Reveal(), email.Reveal())
}

// ReasonNoSeat is the reason of the error for a person whom no app admits.
const ReasonNoSeat = "SPOTIFY_NO_SEAT"

// ReasonSeatNotAsked is the reason of the error for a person who has not asked
// for a seat.
const ReasonSeatNotAsked = "SPOTIFY_SEAT_NOT_ASKED"

func noSeatError() error {
	return &songspy.Error{
		Code: songspy.CodeConflict, Reason: ReasonNoSeat,
		Message: "Every Spotify app of this instance is full; its operator has to add one.",
	}
}

func seatNotAskedError() error {
	return &songspy.Error{Code: songspy.CodeNotFound, Reason: ReasonSeatNotAsked, Message: "No seat was asked for."}
}

// Seat is what the person has asked for, and how many are in line before them;
// CodeNotFound and the reason SPOTIFY_SEAT_NOT_ASKED if they have not.
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

// AskSeat puts the person in line with the address of their Spotify account, or
// replaces the address of one who is there and keeps their place; then what is
// free is given. Asking again with the same address changes nothing, save for who
// has been entered: Spotify refuses them still, and the operator has to look
// again. Who is linked through one of the apps has their seat there: that app has
// refused them, or they are about to link another account.
//
// It returns CodeNotFound if there is no such person.
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
			row.State = songspy.SeatHeld // whoever asks then is refused still
		}
		switch link, err := findLink(tx, id); {
		case err == nil:
			if _, given := seatLimit(apps, link.App); given && link.HasAccount() {
				row.App, row.State = link.App, songspy.SeatHeld
			}
		case songspy.CodeOf(err) != songspy.CodeNotFound:
			return err
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
	if err != nil {
		return songspy.Seat{}, err
	}
	seat.Email = email
	return seat, nil
}

// GiveSeats gives what seats are free to those in line, and returns whose seat
// has changed: see songspy.GiveSeats.
func (s *Store) AssignSeats(ctx context.Context, apps []songspy.AppSeats) (changed []songspy.Seat, err error) {
	if queue, err := readSeatQueue(s.query(ctx).Limit(1)); err != nil || len(queue) == 0 {
		return nil, translate(err) // nobody's turn
	}
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		if err := lockFeed(tx); err != nil {
			return err
		}
		changed, err = s.assignSeats(tx, apps)
		return err
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// giveSeats expects that it is this transaction's turn.
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

// moveSeat writes where a seat is and how it stands.
func updateSeat(tx *gorm.DB, seat songspy.Seat) error {
	return requireOneRow(tx.Model(&seatRow{}).Where("user_id = ?", seat.UserID).
		Updates(map[string]any{"app": seat.App, "state": seat.State, "state_since": dbTime(seat.StateSince)}))
}

// EnterSeat notes that the operator has entered the person in the dashboard of
// their app: they can link, and who is linked through it already is asked again
// at once. linked reports which of the two. Someone whose grant only waits for
// this can link, and is completed soon without doing so. Of whom has a seat it is the seat's
// app that the operator means, whichever other refuses them as well.
//
// It returns CodeNotFound and the reason SPOTIFY_SEAT_NOT_ASKED for a person who
// neither has a seat nor is refused by the app of their link, and CodeConflict
// for one who still waits for a seat.
func (s *Store) EnterSeat(ctx context.Context, id songspy.UserID) (linked bool, err error) {
	held, err := readSeatQueue(s.query(ctx).Where("user_id = ?", id))
	if err != nil {
		return false, translate(err)
	}
	refused, waits := false, false // waits: the link's account is not known yet
	_, err = s.UpdateLink(ctx, id, func(l *songspy.Link) error {
		linked = len(held) == 0 || held[0].App == l.App
		refused = linked && l.State == songspy.LinkNotRegistered
		switch waits = refused && !l.HasAccount(); {
		case waits:
			// The next run completes it. The extra hour is for clocks that differ.
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
			return &songspy.Error{Code: songspy.CodeConflict, Message: "This person is still waiting: no app has a free seat for them yet."}
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

// LeaveSeat gives up what the person has asked for; CodeNotFound and the reason
// SPOTIFY_SEAT_NOT_ASKED if there is nothing.
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

// ForgetSeats deletes the seats of people who were entered before the one time
// and have not linked since, and of those who asked before the other. It says
// how many.
func (s *Store) PruneSeats(ctx context.Context, entered, asked time.Time) (forgotten int64, err error) {
	err = s.inErasureTx(ctx, func(tx *gorm.DB) error {
		if err := lockFeed(tx); err != nil {
			return err
		}
		done := tx.Where("state = ? AND state_since < ? OR asked_at < ?", songspy.SeatEntered, entered, asked).Delete(&seatRow{})
		forgotten = done.RowsAffected
		return done.Error
	})
	return forgotten, err
}

// dropSeat ends what a person has asked for, if they have. It expects that it is
// this transaction's turn.
func deleteSeat(tx *gorm.DB, id songspy.UserID) error {
	return tx.Where("user_id = ?", id).Delete(&seatRow{}).Error
}

// takeTurn lets one transaction after another decide about seats, by the lock
// that announce takes: a linking decides after it has announced itself. Rows of
// seats are locked behind it and never before, so that nobody waits in a ring.
func lockFeed(tx *gorm.DB) error {
	return tx.Exec(`UPDATE feed SET last = last WHERE id = 1`).Error
}

// lineOf reads seats in the order of the line, without their addresses.
func readSeatQueue(tx *gorm.DB) (queue []songspy.Seat, err error) {
	return queue, tx.Order("asked_at, user_id").Find(&queue).Error
}

// Desk is what an operator has to know to give out seats.
type WaitingList struct {
	// Linked are the people who have linked through an app that admits only so
	// many, by app: the least that its dashboard should show.
	LinkedUsers map[string][]songspy.UserID
	// Others is how many have linked through any other app, by its name.
	OtherLinks map[string]int64
	// Seats are those that were asked for, first come first. An address that
	// does not open is empty.
	Seats []songspy.Seat
	// Refused are people who have linked and whom the app does not know, and who
	// have not said which address to enter. Who brought an app has its dashboard.
	Unregistered []UnregisteredLink
}

// Refused is somebody whom the app of their link does not know.
type UnregisteredLink struct {
	UserID songspy.UserID
	App    string
	Since  time.Time
}

// accountKnown is the condition of links that take a seat. Anybody may leave a
// grant that waits for the app's owner.
const accountKnownCondition = `(account_id IS NOT NULL OR legacy_id IS NOT NULL)`

// deskMost is how many people of a kind the desk lists at most.
const waitingListMax = 1000

// Desk reads what an operator has to know, of these apps.
func (s *Store) WaitingList(ctx context.Context, apps []songspy.AppSeats) (d WaitingList, err error) {
	d = WaitingList{LinkedUsers: map[string][]songspy.UserID{}, OtherLinks: map[string]int64{}}
	var rows []seatRow
	if err := s.query(ctx).Order("asked_at, user_id").Limit(waitingListMax).Find(&rows).Error; err != nil {
		return WaitingList{}, translate(err)
	}
	for _, r := range rows {
		if r.Email, err = s.sealer.open(r.EmailSealed, r.aad()); err != nil {
			s.log.WarnContext(ctx, "an address does not open", slog.Int64("user_id", int64(r.UserID)), slog.Any("error", err))
		}
		d.Seats = append(d.Seats, r.Seat)
	}
	var counts []struct {
		App string
		N   int64
	}
	if err := s.query(ctx).Model(&linkRow{}).Select("app, count(*) AS n").Where(accountKnownCondition).Group("app").Find(&counts).Error; err != nil {
		return WaitingList{}, translate(err)
	}
	for _, c := range counts {
		if seats, _ := seatLimit(apps, c.App); seats == 0 {
			d.OtherLinks[c.App] = c.N
			continue
		}
		var ids []songspy.UserID
		if err := s.query(ctx).Model(&linkRow{}).Where("app = ? AND "+accountKnownCondition, c.App).Order("user_id").Limit(waitingListMax).Pluck("user_id", &ids).Error; err != nil {
			return WaitingList{}, translate(err)
		}
		d.LinkedUsers[c.App] = ids
	}
	err = s.query(ctx).Table("spotify_links AS l").Select("l.user_id, l.app, l.state_since AS since").
		Where("l.state = ? AND l.app NOT LIKE ? AND NOT EXISTS (SELECT 1 FROM spotify_seats s WHERE s.user_id = l.user_id)",
			songspy.LinkNotRegistered, songspy.UserApp("%")).
		Order("l.app, l.state_since, l.user_id").Limit(waitingListMax).Find(&d.Unregistered).Error
	return d, translate(err)
}

// seatsOf is how many people the app admits, as AppSeats has it; false if it is
// none of those given.
func seatLimit(apps []songspy.AppSeats, app string) (seats int, given bool) {
	for _, a := range apps {
		if a.App == app {
			return a.Seats, true
		}
	}
	return 0, false
}

// ChooseApp gives the app through which the person links, of those that are
// given: that of their link, if it is among them, or one that they brought, if
// own; that of the seat they have; else what they would be given if they asked
// now. registered is false if the operator has to enter them there first, for all
// that is known.
//
// It returns CodeConflict and the reason SPOTIFY_NO_SEAT if there is none. A
// seat is taken by SaveLink, which asks again.
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

// seated fails if the app admits fewer people than have linked through it, and
// the person is not one of those who had.
func checkSeatLimit(tx *gorm.DB, n NewLink, hadSeat bool) error {
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

// linkedBeside counts, by app, the people who have linked through an app that
// admits only so many, and have no seat there besides.
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
