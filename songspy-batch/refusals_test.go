package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-sim/sim"
)

func (w *simWorld) linkState(person int) songspy.LinkState {
	w.t.Helper()
	l, err := w.db.Link(context.WithoutCancel(w.t.Context()), userOf(person))
	if err != nil {
		w.t.Fatal(err)
	}
	return l.State
}

// In this test Spotify refuses the polls of one user, or of all users, although it renews their
// tokens. A user whose polls alone are refused must have to link again after six hours. If
// Spotify accepts the polls again earlier, or refuses those of all users for five hours (an
// outage), all links must be active in the end.
func TestARenewedTokenThatIsRefusedIsBelievedAfterSixHours(t *testing.T) {
	long(t)
	t.Parallel()
	for name, tt := range map[string]struct {
		person   int
		duration time.Duration
		during   songspy.LinkState // three hours after the first refusal
		after    songspy.LinkState // eight hours after the first refusal
	}{
		"one user, for good":        {0, 0, songspy.LinkSuspect, songspy.LinkReauthRequired},
		"one user, for four hours":  {0, 4 * time.Hour, songspy.LinkSuspect, songspy.LinkActive},
		"all users, for five hours": {sim.Everyone, 5 * time.Hour, songspy.LinkActive, songspy.LinkActive}, // an outage of Spotify
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const people = 6
				w := newSimWorld(t, sim.Options{People: people, Population: "regular", Seed: 5, Epoch: time.Now()})
				w.changeInterval = 30 * time.Second
				stop, _ := w.start()
				<-time.After(time.Hour)
				began := time.Now()
				end := w.sim.Fault(sim.Fault{Endpoint: "currently-playing", Person: tt.person, Kind: sim.Unauthorized, Body: "invalid"})
				if tt.duration > 0 {
					time.AfterFunc(tt.duration, func() { end() })
				}
				<-time.After(3 * time.Hour)
				if got := w.linkState(0); got != tt.during {
					t.Errorf("after three hours the link is %s, want %s", got, tt.during)
				}
				renewed := 0
				for _, call := range w.callsTo("token") {
					if call.Person == 0 && call.Status == 200 && call.At.After(began.Add(time.Hour)) {
						renewed++
					}
				}
				if renewed == 0 {
					t.Error("the token was not renewed, so the test shows nothing")
				}
				polls := 0
				for _, call := range w.callsTo("currently-playing") {
					if call.Person == 0 && call.At.After(began) {
						polls++
					}
				}
				if polls > 60 {
					t.Errorf("the user was polled %d times in three hours of refusals", polls)
				}
				<-time.After(5 * time.Hour)
				stop()
				for person := range people {
					want := tt.after
					if person != 0 {
						want = songspy.LinkActive
					}
					if got := w.linkState(person); got != want {
						t.Errorf("after eight hours the link of person %d is %s, want %s", person, got, want)
					}
				}
				if tt.after == songspy.LinkReauthRequired {
					w.expectGap(0, songspy.GapLinkBroken, began.Add(10*time.Minute), time.Now())
				}
			})
		})
	}
}

func TestAnUnknown403CountsAgainstTheAppOrTheUser(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		people      int
		fault       sim.Fault // how Spotify answers the polls
		want        songspy.LinkState
		others      songspy.LinkState
		wantBlocked bool // whether the app is blocked after half an hour
		wantGap     songspy.GapReason
	}{
		"the only user": {1, sim.Fault{Person: 0, Kind: sim.Forbidden}, songspy.LinkNotRegistered, "", false, songspy.GapLinkBroken},
		"one of six":    {6, sim.Fault{Person: 0, Kind: sim.Forbidden, Body: "plain"}, songspy.LinkNotRegistered, songspy.LinkActive, false, songspy.GapLinkBroken},
		// At the first refusal it is not known yet that the refusals concern the app. When they
		// have blocked the app, GapAppBlocked must replace the first reason of the gap.
		"all of six":                {6, sim.Fault{Person: sim.Everyone, Kind: sim.Forbidden}, songspy.LinkActive, songspy.LinkActive, true, songspy.GapAppBlocked},
		"all, a proxy's page":       {6, sim.Fault{Person: sim.Everyone, Kind: sim.Forbidden, Body: "html"}, songspy.LinkActive, songspy.LinkActive, false, songspy.GapProviderDown},
		"one, in other words":       {6, sim.Fault{Person: 0, Kind: sim.NotRegistered, Body: "dashboard"}, songspy.LinkNotRegistered, songspy.LinkActive, false, songspy.GapLinkBroken},
		"one, in the words of 2021": {6, sim.Fault{Person: 0, Kind: sim.NotRegistered, Body: "approved"}, songspy.LinkNotRegistered, songspy.LinkActive, false, songspy.GapLinkBroken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newSimWorld(t, sim.Options{People: tt.people, Population: "regular", Seed: 5, Epoch: time.Now()})
				w.changeInterval = 30 * time.Second
				stop, _ := w.start()
				<-time.After(time.Hour)
				began := time.Now()
				tt.fault.Endpoint = "currently-playing"
				end := w.sim.Fault(tt.fault)
				<-time.After(30 * time.Minute)
				refusedUntil := time.Now()
				blocked := w.batch.apps.Breakers()[sim.SpotifyClientID].API.Cause != ""
				if blocked != tt.wantBlocked {
					t.Errorf("the app is blocked: %v, want %v", blocked, tt.wantBlocked)
				}
				for person := range tt.people {
					want := tt.want
					if person > 0 {
						want = tt.others
					}
					if got := w.linkState(person); got != want {
						t.Errorf("the link of person %d is %s, want %s", person, got, want)
					}
				}
				if tt.want == songspy.LinkActive {
					// The gap is stored only when Spotify answers again.
					end()
					<-time.After(2 * time.Hour)
				}
				stop()
				w.expectGap(0, tt.wantGap, began.Add(15*time.Minute), refusedUntil)
			})
		})
	}
}

// In this test Spotify answers 404 to the polls of every user who plays nothing. These answers
// must count as idle: no gap must be stored, and no play must be missed.
func TestA404OfIdlePlayersIsNoOutage(t *testing.T) {
	long(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const people = 6
		w := newSimWorld(t, sim.Options{People: people, Population: "regular", Seed: 5, Epoch: time.Now()})
		w.sim.ChangeQuirks(func(v *sim.Quirks) { v.Idle404 = true })
		w.changeInterval = 30 * time.Second
		from := time.Now()
		stop, _ := w.start()
		<-time.After(12 * time.Hour)
		stop()
		answered := 0
		for _, call := range w.callsTo("currently-playing") {
			if call.Status == 404 {
				answered++
			}
		}
		if answered < 100 {
			t.Fatalf("%d polls were answered with 404, want at least 100", answered)
		}
		for person := range people {
			if gaps := w.gaps(person); len(gaps) > 0 {
				t.Errorf("person %d has the gaps %+v", person, gaps)
			}
			if a := w.compareWithTruth(person, from, time.Now(), time.Now().Add(-3*time.Hour)); a.missed+a.duplicated+a.invented > 0 {
				t.Errorf("person %d: %+v", person, a)
			}
		}
	})
}

// In this test the app's owner registers a user two days after the user's consent. Until then the
// user must not be polled, and the pending grant must be tried about once a day. After that the
// batch must complete the link, without any action of the user.
func TestAKeptGrantIsCompletedOnceTheUserIsRegistered(t *testing.T) {
	long(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newSimWorld(t, sim.Options{People: 2, Population: "regular", Seed: 5, Epoch: time.Now()})
		w.changeInterval = 30 * time.Second
		w.replaceLinkWithGrant(1)
		end := w.sim.Fault(sim.Fault{Endpoint: "me", Person: 1, Kind: sim.NotRegistered})
		stop, _ := w.start()
		<-time.After(52 * time.Hour)
		polls := 0
		for _, call := range w.callsTo("currently-playing") {
			if call.Person == 1 {
				polls++
			}
		}
		if state := w.linkState(1); state != songspy.LinkNotRegistered || polls > 0 {
			t.Errorf("before the user is registered the link is %s and the user was polled %d times", state, polls)
		}
		if tried := len(w.callsTo("me")); tried < 2 || tried > 3 {
			t.Errorf("the grant was tried %d times in two days", tried)
		}
		end()
		<-time.After(28 * time.Hour)
		stop()
		l, err := w.db.Link(context.WithoutCancel(t.Context()), userOf(1))
		if err != nil || l.State != songspy.LinkActive || l.AccountID == nil || *l.AccountID != w.sim.Person(1).AccountID {
			t.Errorf("the link is %s of %v, %v", l.State, l.AccountID, err)
		}
	})
}

// In this test the link of a user with a pending grant changes after Spotify has returned the
// account and before the batch saves the completed link. The batch must not overwrite the change.
// If nothing changes meanwhile, it must save the link.
func TestCompleting_LeavesALinkThatWasChangedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		meanwhile func(*testing.T, *store.Store)
		want      func(songspy.Link, error) bool
	}{
		"nothing": {
			func(*testing.T, *store.Store) {},
			func(l songspy.Link, err error) bool {
				return err == nil && l.State == songspy.LinkActive && l.HasAccount()
			},
		},
		"unlinked": {
			func(t *testing.T, db *store.Store) {
				t.Helper()
				if _, err := db.Unlink(t.Context(), userOf(1)); err != nil {
					t.Error(err)
				}
			},
			func(_ songspy.Link, err error) bool { return songspy.CodeOf(err) == songspy.CodeNotFound },
		},
		"another account linked": {
			func(t *testing.T, db *store.Store) {
				t.Helper()
				if _, err := db.SaveLink(t.Context(), songspy.NewLink{
					UserID: userOf(1), App: "app", Account: songspy.SpotifyAccount{AccountID: "another"}, ConsentedAt: time.Now(),
					Grant: songspy.Grant{AccessToken: "access of another", RefreshToken: "refresh of another", ExpiresAt: time.Now().Add(24 * time.Hour), Auth: songspy.AuthBasic},
				}); err != nil {
					t.Error(err)
				}
			},
			func(l songspy.Link, err error) bool {
				return err == nil && l.AccountID != nil && *l.AccountID == "another"
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newSimWorld(t, sim.Options{People: 2, Population: "regular", Seed: 5, Epoch: time.Now()})
				w.replaceLinkWithGrant(1)
				if linked, err := w.db.EnterSeat(t.Context(), userOf(1)); err != nil || linked {
					t.Fatalf("linked: %v, %v", linked, err)
				}
				saves := 0
				w.wrapDatabase = func(db database) database {
					return racingDatabase{db, func() {
						saves++
						tt.meanwhile(t, w.db)
					}}
				}
				stop, _ := w.start()
				<-time.After(time.Hour)
				stop()
				if l, err := w.db.Link(context.WithoutCancel(t.Context()), userOf(1)); !tt.want(l, err) || saves != 1 {
					t.Errorf("after %d attempts the link is %s of account %v: %v", saves, l.State, l.AccountID, err)
				}
			})
		})
	}
}

// racingDatabase calls beforeSave just before a link is saved.
type racingDatabase struct {
	database
	beforeSave func()
}

func (d racingDatabase) SaveLink(ctx context.Context, n songspy.NewLink) (songspy.Link, error) {
	d.beforeSave()
	return d.database.SaveLink(ctx, n)
}

// replaceLinkWithGrant replaces the person's link with a pending grant.
func (w *simWorld) replaceLinkWithGrant(person int) {
	w.t.Helper()
	l, err := w.db.Link(w.t.Context(), userOf(person))
	if err == nil {
		_, err = w.db.Unlink(w.t.Context(), userOf(person))
	}
	if err == nil {
		_, err = w.db.SavePendingGrant(w.t.Context(), songspy.NewLink{
			UserID: userOf(person), App: l.App, ConsentedAt: time.Now(),
			Grant: l.Grant(),
		})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}
