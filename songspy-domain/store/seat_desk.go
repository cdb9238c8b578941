package store

import (
	"context"
	"log/slog"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

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
