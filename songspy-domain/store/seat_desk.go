package store

import (
	"context"
	"log/slog"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Desk is what an operator has to know to give out seats.
type Desk struct {
	// Linked are the people who have linked through an app that admits only so
	// many, by app: the least that its dashboard should show.
	Linked map[string][]songspy.UserID
	// Others is how many have linked through any other app, by its name.
	Others map[string]int64
	// Seats are those that were asked for, first come first. An address that
	// does not open is empty.
	Seats []songspy.Seat
	// Refused are people who have linked and whom the app does not know, and who
	// have not said which address to enter. Who brought an app has its dashboard.
	Refused []Refused
}

// Refused is somebody whom the app of their link does not know.
type Refused struct {
	UserID songspy.UserID
	App    string
	Since  time.Time
}

// accountKnown is the condition of links that take a seat. Anybody may leave a
// grant that waits for the app's owner.
const accountKnown = `(account_id IS NOT NULL OR legacy_id IS NOT NULL)`

// deskMost is how many people of a kind the desk lists at most.
const deskMost = 1000

// Desk reads what an operator has to know, of these apps.
func (s *Store) Desk(ctx context.Context, apps []songspy.AppSeats) (d Desk, err error) {
	d = Desk{Linked: map[string][]songspy.UserID{}, Others: map[string]int64{}}
	var rows []seatRow
	if err := s.query(ctx).Order("asked_at, user_id").Limit(deskMost).Find(&rows).Error; err != nil {
		return Desk{}, translate(err)
	}
	for _, r := range rows {
		if r.Email, err = s.sealer.open(r.EmailSealed, r.place()); err != nil {
			s.log.WarnContext(ctx, "an address does not open", slog.Int64("user_id", int64(r.UserID)), slog.Any("error", err))
		}
		d.Seats = append(d.Seats, r.Seat)
	}
	var counts []struct {
		App string
		N   int64
	}
	if err := s.query(ctx).Model(&linkRow{}).Select("app, count(*) AS n").Where(accountKnown).Group("app").Find(&counts).Error; err != nil {
		return Desk{}, translate(err)
	}
	for _, c := range counts {
		if seats, _ := seatsOf(apps, c.App); seats == 0 {
			d.Others[c.App] = c.N
			continue
		}
		var ids []songspy.UserID
		if err := s.query(ctx).Model(&linkRow{}).Where("app = ? AND "+accountKnown, c.App).Order("user_id").Limit(deskMost).Pluck("user_id", &ids).Error; err != nil {
			return Desk{}, translate(err)
		}
		d.Linked[c.App] = ids
	}
	err = s.query(ctx).Table("spotify_links AS l").Select("l.user_id, l.app, l.state_since AS since").
		Where("l.state = ? AND l.app NOT LIKE ? AND NOT EXISTS (SELECT 1 FROM spotify_seats s WHERE s.user_id = l.user_id)",
			songspy.LinkNotRegistered, songspy.OwnApp("%")).
		Order("l.app, l.state_since, l.user_id").Limit(deskMost).Find(&d.Refused).Error
	return d, translate(err)
}

// seatsOf is how many people the app admits, as AppSeats has it; false if it is
// none of those given.
func seatsOf(apps []songspy.AppSeats, app string) (seats int, given bool) {
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
	switch link, err := takeLink(s.query(ctx), id); {
	case err == nil:
		_, brought := songspy.OwnClientID(link.App)
		if _, given := seatsOf(apps, link.App); link.AccountKnown() && (given || brought && own) {
			return link.App, link.State != songspy.LinkNotRegistered, nil
		}
	case songspy.CodeOf(err) != songspy.CodeNotFound:
		return "", false, err
	}
	line, err := lineOf(s.query(ctx))
	if err != nil {
		return "", false, translate(err)
	}
	linked, err := linkedBeside(s.query(ctx), apps)
	if err != nil {
		return "", false, translate(err)
	}
	now, theirs := s.now(), songspy.Seat{UserID: id, State: songspy.SeatWaiting}
	asked := false
	for _, seat := range line {
		if seat.UserID == id {
			theirs, asked = seat, true
		}
	}
	if !asked {
		line = append(line, theirs)
	}
	for _, seat := range songspy.GiveSeats(apps, linked, line, now) {
		if seat.UserID == id {
			theirs = seat
		}
	}
	if theirs.State == songspy.SeatWaiting {
		return "", false, noSeat()
	}
	return theirs.App, theirs.State == songspy.SeatEntered, nil
}

// seated fails if the app admits fewer people than have linked through it, and
// the person is not one of those who had.
func seated(tx *gorm.DB, n NewLink, had bool) error {
	if n.Seats == 0 || had {
		return nil
	}
	var taken int64
	if err := tx.Model(&linkRow{}).Where("app = ? AND "+accountKnown, n.App).Count(&taken).Error; err != nil {
		return err
	}
	if taken > int64(n.Seats) {
		return noSeat()
	}
	return nil
}

// linkedBeside counts, by app, the people who have linked through an app that
// admits only so many, and have no seat there besides.
func linkedBeside(tx *gorm.DB, apps []songspy.AppSeats) (map[string]int, error) {
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
		Where("l.app IN ? AND "+accountKnown+" AND NOT EXISTS (SELECT 1 FROM spotify_seats s WHERE s.user_id = l.user_id AND s.app = l.app)", names).
		Group("l.app").Find(&counts).Error
	for _, c := range counts {
		linked[c.App] = c.N
	}
	return linked, err
}
