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

// smallApp is a list of Spotify apps with one app, which has two seats (places for users).
var smallApp = []songspy.AppSeats{{App: "small", Seats: 2}}

// seatStatus returns the state of the user's seat, its app, and the number of users before
// the user in the waiting list, separated by spaces: "held small 0", or "waiting  1" if the
// user has no app yet.
func (b *fixture) seatStatus(t *testing.T, id songspy.UserID) string {
	t.Helper()
	seat, ahead, err := b.Seat(t.Context(), id)
	must(t, err)
	return fmt.Sprintf("%s %s %d", seat.State, seat.App, ahead)
}

func (b *fixture) askSeat(t *testing.T, apps []songspy.AppSeats) songspy.UserID {
	t.Helper()
	u := b.newUser(t)
	b.clock.advance(time.Minute)
	value[songspy.Seat](t)(b.AskSeat(t.Context(), u.ID, songspy.Secret(fmt.Sprintf("%d@example.org", u.ID)), apps))
	return u.ID
}

// linkThroughApp links the user through the app a and returns the error of SaveLink.
func (b *fixture) linkThroughApp(t *testing.T, id songspy.UserID, a songspy.AppSeats) error {
	t.Helper()
	_, err := b.SaveLink(t.Context(), songspy.NewLink{UserID: id, App: a.App, Seats: a.Seats, Grant: grant("x"), Account: account(fmt.Sprint(id))})
	return err
}

func seats() suite {
	return suite{
		"SavePendingGrant_TakesNoSeatAndNoPlaceInTheWaitingList": func(t *testing.T, b *fixture) {
			app := songspy.AppSeats{App: "small", Seats: 1}
			apps := []songspy.AppSeats{app}
			first := b.askSeat(t, apps)
			stranger := b.newUser(t)
			value[songspy.Link](t)(b.SavePendingGrant(t.Context(), songspy.NewLink{UserID: stranger.ID, App: app.App, Seats: 1, Grant: grant("s")}))
			same(t, "the first one's seat", b.seatStatus(t, first), "held small 0")
			value[songspy.Seat](t)(b.AskSeat(t.Context(), stranger.ID, "stranger@example.org", apps))
			same(t, "the other user's seat", b.seatStatus(t, stranger.ID), "waiting  0")
			must(t, b.linkThroughApp(t, first, app))
			same(t, "a second one", songspy.ReasonOf(b.linkThroughApp(t, stranger.ID, app)), store.ReasonNoSeat)
			same(t, "users stored of the refused one", value[songspy.Link](t)(b.Link(t.Context(), stranger.ID)).State, songspy.LinkNotRegistered)
		},
		"EnterSeat_LetsAPendingGrantBeCompleted": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			value[songspy.Link](t)(b.SavePendingGrant(t.Context(), songspy.NewLink{UserID: u.ID, App: "small", Grant: grant("s"), ConsentedAt: b.clock.Now()}))
			b.clock.advance(time.Hour)
			refused := func() []songspy.UserID {
				return value[[]songspy.UserID](t)(b.NotRegisteredUsers(t.Context(), b.clock.Now().Add(-songspy.NotRegisteredRetryAfter), 10))
			}
			value[songspy.Link](t)(b.UpdateLink(t.Context(), u.ID, func(l *songspy.Link) error {
				l.StateSince = b.clock.Now() // as if the job that retries links had just tried to complete the grant
				return nil
			}))
			same(t, "due", len(refused()), 0)
			same(t, "linked", value[bool](t)(b.EnterSeat(t.Context(), u.ID)), false)
			same(t, "due once registered", refused(), []songspy.UserID{u.ID})
			same(t, "state", value[songspy.Link](t)(b.Link(t.Context(), u.ID)).State, songspy.LinkNotRegistered)
		},
		"AskSeat_AssignsFreeSeatsAndQueuesTheOthers": func(t *testing.T, b *fixture) {
			one, two, three, four := b.askSeat(t, smallApp), b.askSeat(t, smallApp), b.askSeat(t, smallApp), b.askSeat(t, smallApp)
			for id, want := range map[songspy.UserID]string{one: "held small 0", two: "held small 0", three: "waiting  0", four: "waiting  1"} {
				same(t, fmt.Sprint("seat of ", id), b.seatStatus(t, id), want)
			}
			must(t, b.LeaveSeat(t.Context(), one))
			changed := value[[]songspy.Seat](t)(b.AssignSeats(t.Context(), smallApp))
			same(t, "assigned", []songspy.UserID{changed[0].UserID}, []songspy.UserID{three})
			same(t, "the next", b.seatStatus(t, four), "waiting  0")
			same(t, "nothing is free", len(value[[]songspy.Seat](t)(b.AssignSeats(t.Context(), smallApp))), 0)
			_, _, err := b.Seat(t.Context(), one)
			requireError(t, err, songspy.CodeNotFound, store.ReasonSeatNotAsked)
			requireError(t, b.LeaveSeat(t.Context(), one), songspy.CodeNotFound, store.ReasonSeatNotAsked)
			_, err = b.AskSeat(t.Context(), 404, "nobody@example.org", smallApp)
			RequireCode(t, err, songspy.CodeNotFound)
		},
		"AskSeat_AgainReplacesTheAddressAndKeepsThePlace": func(t *testing.T, b *fixture) {
			one := b.askSeat(t, smallApp)
			value[bool](t)(b.EnterSeat(t.Context(), one))
			b.clock.advance(time.Hour)
			seat := value[songspy.Seat](t)(b.AskSeat(t.Context(), one, "other@example.org", smallApp))
			same(t, "the seat", seat, songspy.Seat{
				UserID: one, App: "small", State: songspy.SeatHeld, Email: "other@example.org",
				AskedAt: start.Add(time.Minute), StateSince: start.Add(time.Hour + time.Minute),
			})
			waitingList := value[songspy.WaitingList](t)(b.WaitingList(t.Context(), smallApp))
			same(t, "the waiting list", waitingList.Seats, []songspy.Seat{seat})
		},
		"AskSeat_AgainWithTheSameAddressChangesNothing": func(t *testing.T, b *fixture) {
			for _, u := range []songspy.UserID{b.askSeat(t, smallApp), b.askSeat(t, smallApp), b.askSeat(t, smallApp)} {
				before, _, err := b.Seat(t.Context(), u)
				must(t, err)
				b.clock.advance(time.Hour)
				after := value[songspy.Seat](t)(b.AskSeat(t.Context(), u, songspy.Secret(fmt.Sprintf("%d@Example.org", u)), smallApp))
				after.Email = ""
				same(t, fmt.Sprint("seat of ", u), after, before)
			}
		},
		"AskSeat_OfARegisteredUserNotifiesTheOperatorAgain": func(t *testing.T, b *fixture) {
			u := b.askSeat(t, smallApp)
			value[bool](t)(b.EnterSeat(t.Context(), u))
			b.clock.advance(time.Hour)
			seat := value[songspy.Seat](t)(b.AskSeat(t.Context(), u, songspy.Secret(fmt.Sprintf("%d@example.org", u)), smallApp))
			same(t, "state", seat.State, songspy.SeatHeld)
			same(t, "since", seat.StateSince, b.clock.Now())
		},
		"AskSeat_OfAUserWhomAnAppWithoutALimitRejectsIsForAnotherApp": func(t *testing.T, b *fixture) {
			unlimited := []songspy.AppSeats{{App: "all"}}
			u := b.askSeat(t, unlimited)
			same(t, "the first seat", b.seatStatus(t, u), "entered all 0")
			value[songspy.Seat](t)(b.AskSeat(t.Context(), u, "other@example.org", append(unlimited, smallApp...)))
			same(t, "the second seat", b.seatStatus(t, u), "held small 0")
		},
		"AskSeat_OfAnUnregisteredLinkIsForItsApp": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			must(t, b.linkThroughApp(t, u.ID, songspy.AppSeats{App: "two", Seats: 1}))
			value[songspy.Link](t)(b.UpdateLink(t.Context(), u.ID, func(l *songspy.Link) error {
				l.State = songspy.LinkNotRegistered
				return nil
			}))
			both := append([]songspy.AppSeats{{App: "two", Seats: 1}}, smallApp...)
			same(t, "rejected", value[songspy.WaitingList](t)(b.WaitingList(t.Context(), both)).Unregistered, []songspy.UnregisteredLink{{UserID: u.ID, App: "two", Since: start}})
			value[songspy.Seat](t)(b.AskSeat(t.Context(), u.ID, "u@example.org", both))
			same(t, "seat", b.seatStatus(t, u.ID), "held two 0")
			same(t, "rejected, with a seat", len(value[songspy.WaitingList](t)(b.WaitingList(t.Context(), both)).Unregistered), 0)
			same(t, "linked", value[bool](t)(b.EnterSeat(t.Context(), u.ID)), true)
			same(t, "link", value[songspy.Link](t)(b.Link(t.Context(), u.ID)).State, songspy.LinkActive)
			_, _, err := b.Seat(t.Context(), u.ID)
			RequireCode(t, err, songspy.CodeNotFound)
		},
		"EnterSeat_ConcernsTheAppOfTheSeat": func(t *testing.T, b *fixture) {
			u := b.newUser(t).ID
			must(t, b.linkThroughApp(t, u, songspy.AppSeats{App: songspy.UserApp("mine")}))
			value[songspy.Link](t)(b.UpdateLink(t.Context(), u, func(l *songspy.Link) error {
				l.State = songspy.LinkNotRegistered
				return nil
			}))
			same(t, "rejected by an app of the instance", len(value[songspy.WaitingList](t)(b.WaitingList(t.Context(), smallApp)).Unregistered), 0)
			value[songspy.Seat](t)(b.AskSeat(t.Context(), u, "u@example.org", smallApp))
			same(t, "linked", value[bool](t)(b.EnterSeat(t.Context(), u)), false)
			same(t, "seat", b.seatStatus(t, u), "entered small 0")
			same(t, "link", value[songspy.Link](t)(b.Link(t.Context(), u)).State, songspy.LinkNotRegistered)
		},
		"EnterSeat_LetsTheUserLinkAndRejectsOthers": func(t *testing.T, b *fixture) {
			one, _, waits := b.askSeat(t, smallApp), b.askSeat(t, smallApp), b.askSeat(t, smallApp)
			for range 2 {
				same(t, "linked", value[bool](t)(b.EnterSeat(t.Context(), one)), false)
				same(t, "seat", b.seatStatus(t, one), "entered small 0")
			}
			RequireCode(t, errorOf(b.EnterSeat(t.Context(), waits)), songspy.CodeConflict)
			requireError(t, errorOf(b.EnterSeat(t.Context(), b.newUser(t).ID)), songspy.CodeNotFound, store.ReasonSeatNotAsked)
			well := b.newLinkedUser(t)
			requireError(t, errorOf(b.EnterSeat(t.Context(), well.UserID)), songspy.CodeNotFound, store.ReasonSeatNotAsked)
			must(t, b.linkThroughApp(t, one, smallApp[0]))
			_, _, err := b.Seat(t.Context(), one)
			RequireCode(t, err, songspy.CodeNotFound)
			waitingList := value[songspy.WaitingList](t)(b.WaitingList(t.Context(), smallApp))
			same(t, "users of the app", waitingList.LinkedUsers, map[string][]songspy.UserID{"small": {one}})
			same(t, "and of other apps", waitingList.OtherLinks, map[string]int64{"main": 1})
			same(t, "nothing more is free", len(value[[]songspy.Seat](t)(b.AssignSeats(t.Context(), smallApp))), 0)
		},
		"ChooseApp_PrefersTheLinkThenTheSeatThenAFreeSeat": func(t *testing.T, b *fixture) {
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
			both := append([]songspy.AppSeats{{App: "large", Seats: 3}}, smallApp...)
			newcomer := b.newUser(t).ID
			same(t, "free seats", choose(newcomer, smallApp), chosen{"small", false})
			holder, entered := b.askSeat(t, smallApp), b.askSeat(t, smallApp)
			value[bool](t)(b.EnterSeat(t.Context(), entered))
			same(t, "a held seat", choose(holder, both), chosen{"small", false})
			same(t, "an entered seat", choose(entered, both), chosen{"small", true})
			same(t, "with another app", choose(newcomer, both), chosen{"large", false})
			same(t, "with an app for everybody", choose(newcomer, append(smallApp, songspy.AppSeats{App: "all"})), chosen{"all", true})
			_, _, err := b.ChooseApp(t.Context(), newcomer, smallApp, true)
			requireError(t, err, songspy.CodeConflict, store.ReasonNoSeat)
			must(t, b.linkThroughApp(t, entered, smallApp[0]))
			same(t, "a linked user links again", choose(entered, both), chosen{"small", true})
			same(t, "of an unused app", choose(entered, both[:1]), chosen{"large", false})
			must(t, b.linkThroughApp(t, newcomer, songspy.AppSeats{App: songspy.UserApp("mine")}))
			same(t, "a user-supplied app", choose(newcomer, both), chosen{songspy.UserApp("mine"), true})
			back, _, err := b.ChooseApp(t.Context(), newcomer, both, false)
			must(t, err)
			same(t, "back from a user-supplied app", back, "large")
		},
		"Seats_AreAssignedOnceToManyConcurrentUsers": func(t *testing.T, b *fixture) {
			var all sync.WaitGroup
			var linked atomic.Int64
			for i := range 8 {
				u := b.newUser(t)
				all.Go(func() {
					if _, err := b.AskSeat(t.Context(), u.ID, "a@example.org", smallApp); err != nil {
						t.Error(err)
					}
					switch i % 4 {
					case 0:
						if err := b.linkThroughApp(t, u.ID, smallApp[0]); err == nil {
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
			value[[]songspy.Seat](t)(b.AssignSeats(t.Context(), smallApp))
			given := 0
			for _, seat := range value[songspy.WaitingList](t)(b.WaitingList(t.Context(), smallApp)).Seats {
				if seat.State == songspy.SeatHeld {
					given++
				}
			}
			same(t, "linked, and seat states", int(linked.Load())+given, 2)
		},
		"SaveLink_LetsOneOfTwoTakeTheLastSeat": func(t *testing.T, b *fixture) {
			var all sync.WaitGroup
			var taken, full atomic.Int64
			for range 6 {
				u := b.newUser(t)
				all.Go(func() {
					switch err := b.linkThroughApp(t, u.ID, smallApp[0]); {
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
			same(t, "rejected", full.Load(), 4)
		},
		"SaveLink_LetsALinkedUserLinkAgainWhenSeatsAreReduced": func(t *testing.T, b *fixture) {
			one, two := b.newUser(t).ID, b.newUser(t).ID
			must(t, b.linkThroughApp(t, one, smallApp[0]))
			must(t, b.linkThroughApp(t, two, smallApp[0]))
			fewer := songspy.AppSeats{App: "small", Seats: 1}
			must(t, b.linkThroughApp(t, one, fewer))
			requireError(t, b.linkThroughApp(t, b.newUser(t).ID, fewer), songspy.CodeConflict, store.ReasonNoSeat)
		},
		"Seats_AreDeletedWithTheirUserAndAfterSomeTime": func(t *testing.T, b *fixture) {
			gone, entered, waits := b.askSeat(t, smallApp), b.askSeat(t, smallApp), b.askSeat(t, smallApp)
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), gone))
			same(t, "of the erased user", b.countRows(t, "spotify_seats", gone), 0)
			value[bool](t)(b.EnterSeat(t.Context(), entered))
			b.clock.advance(time.Hour)
			same(t, "too early", value[int64](t)(b.PruneSeats(t.Context(), start, start)), 0)
			same(t, "registered but never linked", value[int64](t)(b.PruneSeats(t.Context(), b.clock.Now(), start)), 1)
			same(t, "users that wait", b.countRows(t, "spotify_seats", waits), 1)
			same(t, "seats that were requested too long ago", value[int64](t)(b.PruneSeats(t.Context(), start, b.clock.Now())), 1)
		},
		"NotificationSeats_AreHeldOrEnteredSeats": func(t *testing.T, b *fixture) {
			held, entered := b.askSeat(t, smallApp), b.askSeat(t, smallApp)
			b.askSeat(t, smallApp) // must not be returned: this user is on the waiting list
			value[bool](t)(b.EnterSeat(t.Context(), entered))
			must(t, b.SaveAddress(t.Context(), held, "held@example.org"))
			found := value[[]songspy.NotifiableSeat](t)(b.NotificationSeats(t.Context()))
			same(t, "seats", len(found), 2)
			same(t, "users", []songspy.UserID{found[0].Seat.UserID, found[1].Seat.UserID}, []songspy.UserID{held, entered})
			same(t, "states", []songspy.SeatState{found[0].Seat.State, found[1].Seat.State}, []songspy.SeatState{songspy.SeatHeld, songspy.SeatEntered})
			same(t, "by mail", []bool{found[0].CanMail, found[1].CanMail}, []bool{true, false})
		},
		"ResealSeatAddresses_SealsThemWithTheFirstKey": func(t *testing.T, b *fixture) {
			one, two := b.askSeat(t, smallApp), b.askSeat(t, smallApp)
			_, err := b.sql(t).ExecContext(t.Context(), "UPDATE spotify_seats SET email_sealed = $1 WHERE user_id = $2", []byte("broken"), int64(two))
			must(t, err)
			rotated := b.openAnother(t, func(o *store.Options) { o.SealKeys = []store.SealKey{Key("new"), Key("test")} })
			same(t, "addresses", value[int64](t)(rotated.CountSealed(t.Context(), store.SeatAddresses)), 2)
			same(t, "resealed", value[songspy.ResealResult](t)(rotated.ResealColumn(t.Context(), store.SeatAddresses, 0, 10)), songspy.ResealResult{
				LastUserID: two, Processed: 2, Resealed: 1, ByKey: map[string]int{"test": 1, "(damaged)": 1}, Undecryptable: []songspy.UserID{two},
			})
			only := b.openAnother(t, func(o *store.Options) { o.SealKeys = []store.SealKey{Key("new")} })
			waitingList := value[songspy.WaitingList](t)(only.WaitingList(t.Context(), smallApp))
			same(t, "the address", waitingList.Seats[0].Email, songspy.Secret(fmt.Sprintf("%d@example.org", one)))
		},
		"Addresses_AreStoredSealedAndOneThatCannotBeDecryptedBlocksNoUser": func(t *testing.T, b *fixture) {
			one, two := b.askSeat(t, smallApp), b.askSeat(t, smallApp)
			var sealed []byte
			must(t, b.sql(t).QueryRowContext(t.Context(), "SELECT email_sealed FROM spotify_seats WHERE user_id = $1", int64(one)).Scan(&sealed))
			if bytes.Contains(sealed, []byte("example")) {
				t.Fatal("an address is stored in plain text")
			}
			_, err := b.sql(t).ExecContext(t.Context(), "UPDATE spotify_seats SET email_sealed = $1 WHERE user_id = $2", sealed, int64(two))
			must(t, err)
			var log bytes.Buffer
			s := b.openAnother(t, func(o *store.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			waitingList := value[songspy.WaitingList](t)(s.WaitingList(t.Context(), smallApp))
			same(t, "addresses", []songspy.Secret{waitingList.Seats[0].Email, waitingList.Seats[1].Email}, []songspy.Secret{songspy.Secret(fmt.Sprintf("%d@example.org", one)), ""})
			if !bytes.Contains(log.Bytes(), fmt.Appendf(nil, "user_id=%d", two)) || bytes.Contains(log.Bytes(), []byte("@")) {
				t.Errorf("logged %s", log.String())
			}
		},
	}
}
