package storetest

import (
	"bytes"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

// small is one app that admits two people.
var small = []songspy.AppSeats{{App: "small", Seats: 2}}

// seatOf is where a person's seat is and how it stands.
func (b *bundle) seatOf(t *testing.T, id songspy.UserID) string {
	t.Helper()
	seat, ahead, err := b.Seat(t.Context(), id)
	must(t, err)
	return fmt.Sprintf("%s %s %d", seat.State, seat.App, ahead)
}

func (b *bundle) ask(t *testing.T, apps []songspy.AppSeats) songspy.UserID {
	t.Helper()
	u := b.person(t)
	b.clock.advance(time.Minute)
	value[songspy.Seat](t)(b.AskSeat(t.Context(), u.ID, songspy.Secret(fmt.Sprintf("%d@example.org", u.ID)), apps))
	return u.ID
}

// linkThrough links a person through an app that admits so many.
func (b *bundle) linkThrough(t *testing.T, id songspy.UserID, a songspy.AppSeats) error {
	t.Helper()
	_, err := b.SaveLink(t.Context(), store.NewLink{UserID: id, App: a.App, Seats: a.Seats, Grant: grant("x"), Account: account(fmt.Sprint(id))})
	return err
}

func seats() suite {
	return suite{
		"KeepGrant_TakesNoSeatAndNoPlaceInLine": func(t *testing.T, b *bundle) {
			app := songspy.AppSeats{App: "small", Seats: 1}
			apps := []songspy.AppSeats{app}
			first := b.ask(t, apps)
			stranger := b.person(t)
			value[songspy.Link](t)(b.KeepGrant(t.Context(), store.NewLink{UserID: stranger.ID, App: app.App, Seats: 1, Grant: grant("s")}))
			same(t, "the first one's seat", b.seatOf(t, first), "held small 0")
			value[songspy.Seat](t)(b.AskSeat(t.Context(), stranger.ID, "stranger@example.org", apps))
			same(t, "the stranger's seat", b.seatOf(t, stranger.ID), "waiting  0")
			must(t, b.linkThrough(t, first, app))
			same(t, "a second one", songspy.ReasonOf(b.linkThrough(t, stranger.ID, app)), store.ReasonNoSeat)
			same(t, "what is kept of the stranger", value[songspy.Link](t)(b.Link(t.Context(), stranger.ID)).State, songspy.LinkNotRegistered)
		},
		"EnterSeat_LetsAKeptGrantBeCompleted": func(t *testing.T, b *bundle) {
			u := b.person(t)
			value[songspy.Link](t)(b.KeepGrant(t.Context(), store.NewLink{UserID: u.ID, App: "small", Grant: grant("s"), At: b.clock.Now()}))
			b.clock.advance(time.Hour)
			refused := func() []songspy.UserID {
				return value[[]songspy.UserID](t)(b.NotRegistered(t.Context(), b.clock.Now().Add(-songspy.NotRegisteredFor), 10))
			}
			value[songspy.Link](t)(b.UpdateLink(t.Context(), u.ID, func(l *songspy.Link) error {
				l.StateSince = b.clock.Now() // tried a moment ago
				return nil
			}))
			same(t, "due", len(refused()), 0)
			same(t, "linked", value[bool](t)(b.EnterSeat(t.Context(), u.ID)), false)
			same(t, "due once entered", refused(), []songspy.UserID{u.ID})
			same(t, "state", value[songspy.Link](t)(b.Link(t.Context(), u.ID)).State, songspy.LinkNotRegistered)
		},
		"AskSeat_GivesWhatIsFreeAndPutsTheOthersInLine": func(t *testing.T, b *bundle) {
			one, two, three, four := b.ask(t, small), b.ask(t, small), b.ask(t, small), b.ask(t, small)
			for id, want := range map[songspy.UserID]string{one: "held small 0", two: "held small 0", three: "waiting  0", four: "waiting  1"} {
				same(t, fmt.Sprint("seat of ", id), b.seatOf(t, id), want)
			}
			must(t, b.LeaveSeat(t.Context(), one))
			changed := value[[]songspy.Seat](t)(b.GiveSeats(t.Context(), small))
			same(t, "given", []songspy.UserID{changed[0].UserID}, []songspy.UserID{three})
			same(t, "the next", b.seatOf(t, four), "waiting  0")
			same(t, "nothing is free", len(value[[]songspy.Seat](t)(b.GiveSeats(t.Context(), small))), 0)
			_, _, err := b.Seat(t.Context(), one)
			refused(t, err, songspy.CodeNotFound, store.ReasonSeatNotAsked)
			refused(t, b.LeaveSeat(t.Context(), one), songspy.CodeNotFound, store.ReasonSeatNotAsked)
			_, err = b.AskSeat(t.Context(), 404, "nobody@example.org", small)
			Code(t, err, songspy.CodeNotFound)
		},
		"AskSeat_AgainTakesTheNewAddressAndKeepsThePlace": func(t *testing.T, b *bundle) {
			one := b.ask(t, small)
			value[bool](t)(b.EnterSeat(t.Context(), one))
			b.clock.advance(time.Hour)
			seat := value[songspy.Seat](t)(b.AskSeat(t.Context(), one, "other@example.org", small))
			same(t, "the seat", seat, songspy.Seat{
				UserID: one, App: "small", State: songspy.SeatHeld, Email: "other@example.org",
				AskedAt: start.Add(time.Minute), StateSince: start.Add(time.Hour + time.Minute),
			})
			desk := value[store.Desk](t)(b.Desk(t.Context(), small))
			same(t, "the desk", desk.Seats, []songspy.Seat{seat})
		},
		"AskSeat_AgainWithTheSameAddressChangesNothing": func(t *testing.T, b *bundle) {
			for _, u := range []songspy.UserID{b.ask(t, small), b.ask(t, small), b.ask(t, small)} {
				before, _, err := b.Seat(t.Context(), u)
				must(t, err)
				b.clock.advance(time.Hour)
				after := value[songspy.Seat](t)(b.AskSeat(t.Context(), u, songspy.Secret(fmt.Sprintf("%d@Example.org", u)), small))
				after.Email = ""
				same(t, fmt.Sprint("seat of ", u), after, before)
			}
		},
		"AskSeat_OfWhoHasBeenEnteredHasTheOperatorLookAgain": func(t *testing.T, b *bundle) {
			u := b.ask(t, small)
			value[bool](t)(b.EnterSeat(t.Context(), u))
			b.clock.advance(time.Hour)
			seat := value[songspy.Seat](t)(b.AskSeat(t.Context(), u, songspy.Secret(fmt.Sprintf("%d@example.org", u)), small))
			same(t, "state", seat.State, songspy.SeatHeld)
			same(t, "since", seat.StateSince, b.clock.Now())
		},
		"AskSeat_OfWhomTheirAppRefusesIsInThatApp": func(t *testing.T, b *bundle) {
			u := b.person(t)
			must(t, b.linkThrough(t, u.ID, songspy.AppSeats{App: "two", Seats: 1}))
			value[songspy.Link](t)(b.UpdateLink(t.Context(), u.ID, func(l *songspy.Link) error {
				l.State = songspy.LinkNotRegistered
				return nil
			}))
			both := append([]songspy.AppSeats{{App: "two", Seats: 1}}, small...)
			same(t, "refused", value[store.Desk](t)(b.Desk(t.Context(), both)).Refused, []store.Refused{{UserID: u.ID, App: "two", Since: start}})
			value[songspy.Seat](t)(b.AskSeat(t.Context(), u.ID, "u@example.org", both))
			same(t, "seat", b.seatOf(t, u.ID), "held two 0")
			same(t, "refused, and has said which address", len(value[store.Desk](t)(b.Desk(t.Context(), both)).Refused), 0)
			same(t, "linked", value[bool](t)(b.EnterSeat(t.Context(), u.ID)), true)
			same(t, "link", value[songspy.Link](t)(b.Link(t.Context(), u.ID)).State, songspy.LinkActive)
			_, _, err := b.Seat(t.Context(), u.ID)
			Code(t, err, songspy.CodeNotFound)
		},
		"EnterSeat_IsAboutTheAppOfTheSeatAndNotAnotherThatRefusesToo": func(t *testing.T, b *bundle) {
			u := b.person(t).ID
			must(t, b.linkThrough(t, u, songspy.AppSeats{App: songspy.OwnApp("mine")}))
			value[songspy.Link](t)(b.UpdateLink(t.Context(), u, func(l *songspy.Link) error {
				l.State = songspy.LinkNotRegistered
				return nil
			}))
			same(t, "refused by an app of the instance", len(value[store.Desk](t)(b.Desk(t.Context(), small)).Refused), 0)
			value[songspy.Seat](t)(b.AskSeat(t.Context(), u, "u@example.org", small))
			same(t, "linked", value[bool](t)(b.EnterSeat(t.Context(), u)), false)
			same(t, "seat", b.seatOf(t, u), "entered small 0")
			same(t, "link", value[songspy.Link](t)(b.Link(t.Context(), u)).State, songspy.LinkNotRegistered)
		},
		"EnterSeat_LetsThemLinkAndTellsWhoIsNotThere": func(t *testing.T, b *bundle) {
			one, _, waits := b.ask(t, small), b.ask(t, small), b.ask(t, small)
			for range 2 {
				same(t, "linked", value[bool](t)(b.EnterSeat(t.Context(), one)), false)
				same(t, "seat", b.seatOf(t, one), "entered small 0")
			}
			Code(t, second(b.EnterSeat(t.Context(), waits)), songspy.CodeConflict)
			refused(t, second(b.EnterSeat(t.Context(), b.person(t).ID)), songspy.CodeNotFound, store.ReasonSeatNotAsked)
			well := b.listener(t)
			refused(t, second(b.EnterSeat(t.Context(), well.UserID)), songspy.CodeNotFound, store.ReasonSeatNotAsked)
			must(t, b.linkThrough(t, one, small[0]))
			_, _, err := b.Seat(t.Context(), one)
			Code(t, err, songspy.CodeNotFound)
			desk := value[store.Desk](t)(b.Desk(t.Context(), small))
			same(t, "people of the app", desk.Linked, map[string][]songspy.UserID{"small": {one}})
			same(t, "and of others", desk.Others, map[string]int64{"main": 1})
			same(t, "nothing more is free", len(value[[]songspy.Seat](t)(b.GiveSeats(t.Context(), small))), 0)
		},
		"ChooseApp_GoesByTheLinkThenTheSeatThenWhatIsFree": func(t *testing.T, b *bundle) {
			type chosen struct {
				app        string
				registered bool
			}
			choose := func(id songspy.UserID, apps []songspy.AppSeats) chosen {
				t.Helper()
				app, registered, err := b.ChooseApp(t.Context(), id, apps, true)
				must(t, err)
				return chosen{app, registered}
			}
			both := append([]songspy.AppSeats{{App: "large", Seats: 3}}, small...)
			newcomer := b.person(t).ID
			same(t, "what is free", choose(newcomer, small), chosen{"small", false})
			holder, entered := b.ask(t, small), b.ask(t, small)
			value[bool](t)(b.EnterSeat(t.Context(), entered))
			same(t, "a seat that is held", choose(holder, both), chosen{"small", false})
			same(t, "a seat that is entered", choose(entered, both), chosen{"small", true})
			same(t, "with another app", choose(newcomer, both), chosen{"large", false})
			same(t, "with an app for everybody", choose(newcomer, append(small, songspy.AppSeats{App: "all"})), chosen{"all", true})
			_, _, err := b.ChooseApp(t.Context(), newcomer, small, true)
			refused(t, err, songspy.CodeConflict, store.ReasonNoSeat)
			must(t, b.linkThrough(t, entered, small[0]))
			same(t, "who links anew", choose(entered, both), chosen{"small", true})
			same(t, "of an app that is gone", choose(entered, both[:1]), chosen{"large", false})
			must(t, b.linkThrough(t, newcomer, songspy.AppSeats{App: songspy.OwnApp("mine")}))
			same(t, "an own app", choose(newcomer, both), chosen{songspy.OwnApp("mine"), true})
			back, _, err := b.ChooseApp(t.Context(), newcomer, both, false)
			must(t, err)
			same(t, "back from an own app", back, "large")
		},
		"Seats_AreNeverGivenTwiceThoughManyAskAndLinkAtOnce": func(t *testing.T, b *bundle) {
			var all sync.WaitGroup
			var linked atomic.Int64
			for i := range 8 {
				u := b.person(t)
				all.Go(func() {
					if _, err := b.AskSeat(t.Context(), u.ID, "a@example.org", small); err != nil {
						t.Error(err)
					}
					switch i % 4 {
					case 0:
						if err := b.linkThrough(t, u.ID, small[0]); err == nil {
							linked.Add(1)
						} else if songspy.ReasonOf(err) != store.ReasonNoSeat {
							t.Error(err)
						}
					case 1:
						if _, err := b.EraseUser(t.Context(), u.ID); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			value[[]songspy.Seat](t)(b.GiveSeats(t.Context(), small))
			given := 0
			for _, seat := range value[store.Desk](t)(b.Desk(t.Context(), small)).Seats {
				if seat.State == songspy.SeatHeld {
					given++
				}
			}
			same(t, "linked and given", int(linked.Load())+given, 2)
		},
		"SaveLink_LetsOneOfTwoTakeTheLastSeat": func(t *testing.T, b *bundle) {
			var all sync.WaitGroup
			var taken, full atomic.Int64
			for range 6 {
				u := b.person(t)
				all.Go(func() {
					switch err := b.linkThrough(t, u.ID, small[0]); {
					case err == nil:
						taken.Add(1)
					case songspy.ReasonOf(err) == store.ReasonNoSeat:
						full.Add(1)
					default:
						t.Error(err)
					}
				})
			}
			all.Wait()
			same(t, "seats taken", taken.Load(), 2)
			same(t, "refused", full.Load(), 4)
		},
		"SaveLink_LetsWhoHasASeatLinkAnewThoughThereAreFewerNow": func(t *testing.T, b *bundle) {
			one, two := b.person(t).ID, b.person(t).ID
			must(t, b.linkThrough(t, one, small[0]))
			must(t, b.linkThrough(t, two, small[0]))
			fewer := songspy.AppSeats{App: "small", Seats: 1}
			must(t, b.linkThrough(t, one, fewer))
			refused(t, b.linkThrough(t, b.person(t).ID, fewer), songspy.CodeConflict, store.ReasonNoSeat)
		},
		"Seats_GoWithTheirPersonAndAfterSomeTime": func(t *testing.T, b *bundle) {
			gone, entered, waits := b.ask(t, small), b.ask(t, small), b.ask(t, small)
			value[store.Erased](t)(b.EraseUser(t.Context(), gone))
			same(t, "of the erased", b.count(t, "spotify_seats", gone), 0)
			value[bool](t)(b.EnterSeat(t.Context(), entered))
			b.clock.advance(time.Hour)
			same(t, "too early", value[int64](t)(b.ForgetSeats(t.Context(), start, start)), 0)
			same(t, "entered and never linked", value[int64](t)(b.ForgetSeats(t.Context(), b.clock.Now(), start)), 1)
			same(t, "who waits", b.count(t, "spotify_seats", waits), 1)
			same(t, "waited too long", value[int64](t)(b.ForgetSeats(t.Context(), start, b.clock.Now())), 1)
		},
		"NoticeSeats_TellWhoWaitsForTheOperatorOrIsExpected": func(t *testing.T, b *bundle) {
			held, entered := b.ask(t, small), b.ask(t, small)
			b.ask(t, small) // waits
			value[bool](t)(b.EnterSeat(t.Context(), entered))
			must(t, b.KeepAddress(t.Context(), held, "held@example.org"))
			found := value[[]songspy.NoticeSeat](t)(b.NoticeSeats(t.Context()))
			same(t, "seats", len(found), 2)
			same(t, "whose", []songspy.UserID{found[0].Seat.UserID, found[1].Seat.UserID}, []songspy.UserID{held, entered})
			same(t, "states", []songspy.SeatState{found[0].Seat.State, found[1].Seat.State}, []songspy.SeatState{songspy.SeatHeld, songspy.SeatEntered})
			same(t, "by mail", []bool{found[0].Mail, found[1].Mail}, []bool{true, false})
		},
		"ResealSeatAddresses_SealsThemWithTheFirstKey": func(t *testing.T, b *bundle) {
			one, two := b.ask(t, small), b.ask(t, small)
			_, err := b.sql(t).ExecContext(t.Context(), "UPDATE spotify_seats SET email_sealed = $1 WHERE user_id = $2", []byte("broken"), int64(two))
			must(t, err)
			rotated := b.another(t, func(o *store.Options) { o.SealKeys = []store.SealKey{Key("new"), Key("test")} })
			same(t, "addresses", value[int64](t)(rotated.SeatAddressCount(t.Context())), 2)
			same(t, "resealed", value[store.Resealed](t)(rotated.ResealSeatAddresses(t.Context(), 0, 10)), store.Resealed{
				Last: two, Seen: 2, Anew: 1, By: map[string]int{"test": 1, "(damaged)": 1}, Broken: []songspy.UserID{two},
			})
			only := b.another(t, func(o *store.Options) { o.SealKeys = []store.SealKey{Key("new")} })
			desk := value[store.Desk](t)(only.Desk(t.Context(), small))
			same(t, "the address", desk.Seats[0].Email, songspy.Secret(fmt.Sprintf("%d@example.org", one)))
		},
		"Addresses_LieSealedAndOneThatDoesNotOpenStopsNobody": func(t *testing.T, b *bundle) {
			one, two := b.ask(t, small), b.ask(t, small)
			var sealed []byte
			must(t, b.sql(t).QueryRowContext(t.Context(), "SELECT email_sealed FROM spotify_seats WHERE user_id = $1", int64(one)).Scan(&sealed))
			if bytes.Contains(sealed, []byte("example")) {
				t.Fatal("an address lies open")
			}
			_, err := b.sql(t).ExecContext(t.Context(), "UPDATE spotify_seats SET email_sealed = $1 WHERE user_id = $2", sealed, int64(two))
			must(t, err)
			var log bytes.Buffer
			s := b.another(t, func(o *store.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			desk := value[store.Desk](t)(s.Desk(t.Context(), small))
			same(t, "addresses", []songspy.Secret{desk.Seats[0].Email, desk.Seats[1].Email}, []songspy.Secret{songspy.Secret(fmt.Sprintf("%d@example.org", one)), ""})
			if !bytes.Contains(log.Bytes(), fmt.Appendf(nil, "user_id=%d", two)) || bytes.Contains(log.Bytes(), []byte("@")) {
				t.Errorf("logged %s", log.String())
			}
		},
	}
}
