package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

// What a test steps in after: the first statement of a write, and of whatever
// takes a link away.
const (
	peopleShared = "link_generation FROM users"
	peopleLocked = "ORDER BY id"
)

// together runs the calls at the same time and returns their errors in order.
func together(calls ...func() error) []error {
	type result struct {
		i   int
		err error
	}
	results := make(chan result)
	for i, call := range calls {
		go func() { results <- result{i, call()} }()
	}
	errs := make([]error, len(calls))
	for range calls {
		r := <-results
		errs[r.i] = r.err
	}
	return errs
}

func concurrency() suite {
	s := suite{
		"SignIn_OfOnePersonManyTimesAtOnceIsOnePerson": func(t *testing.T, b *bundle) {
			ids := make([]songspy.UserID, 8)
			calls := make([]func() error, len(ids))
			for i := range calls {
				calls[i] = func() error {
					u, _, err := b.SignIn(t.Context(), songspy.GoogleProfile{Subject: "one"}, songspy.AudienceEveryone)
					ids[i] = u.ID
					return err
				}
			}
			must(t, errors.Join(together(calls...)...))
			same(t, "people", len(slices.Compact(ids)), 1)
		},
		"SaveLink_OfOneAccountByTwoPeopleAtOnceLinksOne": func(t *testing.T, b *bundle) {
			one, two := b.person(t), b.person(t)
			save := func(id songspy.UserID, move bool) func() error {
				return func() error {
					_, err := b.SaveLink(t.Context(), store.NewLink{UserID: id, App: "main", Grant: grant("x"), Account: account("x"), Move: move})
					return err
				}
			}
			errs := together(save(one.ID, false), save(two.ID, false))
			if errs[0] == nil {
				errs[0], errs[1] = errs[1], errs[0]
			}
			refused(t, errs[0], songspy.CodeConflict, "SPOTIFY_LINKED_ELSEWHERE")
			must(t, errs[1])
			must(t, errors.Join(together(save(one.ID, true), save(one.ID, true))...))
			same(t, "the links", len(value[[]songspy.Listener](t)(b.Listeners(t.Context(), 0, 10))), 1)
		},
		"UpdateLink_LosesNoUpdate": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			other := b.another(t)
			var calls []func() error
			for i := range 10 {
				s := []*store.Store{b.Store, other}[i%2]
				calls = append(calls, func() error {
					_, err := s.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
						l.Scope += "x"
						return nil
					})
					return err
				})
			}
			must(t, errors.Join(together(calls...)...))
			got := value[songspy.Link](t)(b.Link(t.Context(), l.UserID))
			same(t, "scope and version", []any{got.Scope, got.Version}, []any{l.Scope + "xxxxxxxxxx", l.Version + 10})
		},
		"RevokeFamily_LetsNoSuccessorSlipThrough": func(t *testing.T, b *bundle) {
			u := b.person(t)
			for i := range 10 {
				first := value[songspy.Session](t)(b.CreateSession(t.Context(), session(u.ID, fmt.Sprint("first ", i))))
				var next songspy.Session
				var rotated error
				errs := together(
					func() error {
						next, rotated = b.RotateSession(t.Context(), first.ID, session(0, fmt.Sprint("next ", i)))
						return nil
					},
					func() error { return b.RevokeFamily(t.Context(), first.Family) },
				)
				must(t, errors.Join(errs...))
				if rotated != nil {
					Code(t, rotated, songspy.CodeConflict)
					continue
				}
				same(t, "alive", value[songspy.Session](t)(b.Session(t.Context(), next.ID)).Alive(start), false)
			}
		},
		"RevokeSessions_AndRevokeFamilyAtOnceNeverLockUp": func(t *testing.T, b *bundle) {
			u := b.person(t)
			for round := range 10 {
				first := value[songspy.Session](t)(b.CreateSession(t.Context(), session(u.ID, fmt.Sprint("first ", round))))
				for i := range 20 {
					next := session(u.ID, fmt.Sprint(round, " next ", i))
					next.Family = first.Family
					value[songspy.Session](t)(b.CreateSession(t.Context(), next))
				}
				// Rows that are updated are stored again, in another order than before.
				must(t, b.TouchSession(t.Context(), first.ID, start.Add(time.Duration(round+1)*time.Minute)))
				must(t, errors.Join(together(
					func() error { return b.RevokeFamily(t.Context(), first.Family) },
					func() error {
						if err := b.RevokeSessions(t.Context(), u.ID, 0); songspy.CodeOf(err) != songspy.CodeNotFound {
							return err
						}
						return nil // the other was faster
					},
				)...))
				same(t, "alive", value[songspy.Session](t)(b.Session(t.Context(), first.ID)).Alive(start), false)
			}
		},
		"WriteListening_TwiceAtOnceIsOnce": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			h := hears(l, song(1), start)
			h.Plays = []songspy.Play{played(song(1), start.Add(-time.Hour))}
			other := b.another(t)
			write := func(s *store.Store) func() error {
				return func() error {
					w, err := s.WriteListening(t.Context(), []songspy.Hearing{h})
					return errors.Join(err, w[0].Err)
				}
			}
			must(t, errors.Join(together(write(b.Store), write(other))...))
			same(t, "plays", b.count(t, "plays", l.UserID), 1)
		},
		"WriteListening_OfTheSameNewTracksInAnyOrderNeverLocksUp": func(t *testing.T, b *bundle) {
			var calls []func() error
			for range 4 {
				var hearings []songspy.Hearing
				for i := range 12 {
					hearings = append(hearings, hears(b.listener(t), song(i), start))
				}
				if len(calls)%2 == 1 {
					slices.Reverse(hearings)
				}
				s := b.another(t)
				calls = append(calls, func() error {
					w, err := s.WriteListening(t.Context(), hearings)
					for _, w := range w {
						err = errors.Join(err, w.Err)
					}
					return err
				})
			}
			must(t, errors.Join(together(calls...)...))
			var tracks int
			must(t, b.sql(t).QueryRowContext(t.Context(), "SELECT count(*) FROM tracks").Scan(&tracks))
			same(t, "tracks", tracks, 12)
		},
		"Changes_OfManyWritersBecomeVisibleInOrder": func(t *testing.T, b *bundle) {
			const writers, each = 4, 15
			calls := []func() error{func() error { return readInOrder(t.Context(), b.another(t), writers*each) }}
			for range writers {
				u, s := b.person(t), b.another(t)
				calls = append(calls, func() error {
					for i := range each {
						_, err := s.UpdateUser(t.Context(), u.ID, func(u *songspy.User) error {
							u.GoogleName = fmt.Sprint(i)
							return nil
						})
						if err != nil {
							return err
						}
					}
					return nil
				})
			}
			must(t, errors.Join(together(calls...)...))
		},
	}
	for name, takeAway := range takeAways() {
		s["WriteListening_While"+name+"Waits_LeavesNothingBehind"] = func(t *testing.T, b *bundle) { writeFirst(t, b, takeAway) }
		s["WriteListening_WaitsFor"+name+"AndDropsThatPerson"] = func(t *testing.T, b *bundle) { writeSecond(t, b, takeAway) }
	}
	return s
}

// takeAways are the ways of making void what was learnt through a link.
func takeAways() map[string]func(context.Context, *store.Store, songspy.UserID) error {
	return map[string]func(context.Context, *store.Store, songspy.UserID) error{
		"Erasing": func(ctx context.Context, s *store.Store, id songspy.UserID) error {
			_, err := s.EraseUser(ctx, id)
			return err
		},
		"Unlinking": func(ctx context.Context, s *store.Store, id songspy.UserID) error {
			_, err := s.Unlink(ctx, id)
			return err
		},
		"RelinkingAnotherAccount": func(ctx context.Context, s *store.Store, id songspy.UserID) error {
			_, err := s.SaveLink(ctx, store.NewLink{UserID: id, App: "main", Grant: grant("new"), Account: account("new")})
			return err
		},
	}
}

// readInOrder follows the feed until the number and fails at the first gap.
func readInOrder(ctx context.Context, s *store.Store, until int64) error {
	for last := int64(0); last < until; {
		changes, err := s.Changes(ctx, last, 7)
		if err != nil {
			return err
		}
		for _, c := range changes {
			if c.Number != last+1 {
				return fmt.Errorf("change %d came after %d", c.Number, last)
			}
			last = c.Number
		}
		if len(changes) == 0 {
			if err := s.WaitForChange(ctx, last); err != nil {
				return err
			}
		}
	}
	return nil
}

// pair is two listeners and a hearing of each: one whose link is taken away,
// one who stays.
func pair(t *testing.T, b *bundle) (loses, stays songspy.Link, hearings []songspy.Hearing) {
	t.Helper()
	loses, stays = b.listener(t), b.listener(t)
	for _, l := range []songspy.Link{loses, stays} {
		h := hears(l, song(1), start)
		h.Plays = []songspy.Play{played(song(1), start.Add(-time.Hour))}
		hearings = append(hearings, h)
	}
	return loses, stays, hearings
}

// writeFirst takes the link away in the middle of a write, which holds it.
func writeFirst(t *testing.T, b *bundle, takeAway func(context.Context, *store.Store, songspy.UserID) error) {
	loses, stays, hearings := pair(t, b)
	other := b.db.Open(t)
	taken := make(chan error, 1)
	b.statements.stepIn(peopleShared, func() {
		go func() { taken <- takeAway(t.Context(), other, loses.UserID) }()
		b.untilSomebodyWaits(t, func() bool { return len(taken) > 0 })
	})
	b.write(t, hearings...)
	must(t, <-taken)
	same(t, "what is playing", openPlays(t, b, loses.UserID), 0)
	same(t, "of the other", b.count(t, "now_playing", stays.UserID), 1)
	_, err := b.Link(t.Context(), loses.UserID)
	if songspy.CodeOf(err) == songspy.CodeNotFound { // else what was heard before stays theirs
		same(t, "plays", b.count(t, "plays", loses.UserID), 0)
		same(t, "tracks", b.count(t, "user_tracks", loses.UserID), 0)
	}
}

// writeSecond writes in the middle of taking the link away.
func writeSecond(t *testing.T, b *bundle, takeAway func(context.Context, *store.Store, songspy.UserID) error) {
	loses, stays, hearings := pair(t, b)
	other := b.db.Open(t)
	type result struct {
		written []songspy.Written
		err     error
	}
	done := make(chan result, 1)
	b.statements.stepIn(peopleLocked, func() {
		go func() {
			w, err := other.WriteListening(t.Context(), hearings)
			done <- result{w, err}
		}()
		b.untilSomebodyWaits(t, func() bool { return len(done) > 0 })
	})
	must(t, takeAway(t.Context(), b.Store, loses.UserID))
	r := <-done
	must(t, r.err)
	same(t, "dropped", []bool{r.written[0].Dropped, r.written[1].Dropped}, []bool{true, false})
	for _, table := range []string{"now_playing", "plays", "user_tracks"} {
		same(t, table, b.count(t, table, loses.UserID), 0)
		same(t, table+" of the other", b.count(t, table, stays.UserID), 1)
	}
}

// untilSomebodyWaits returns when a transaction of this test waits for a lock,
// and fails the test if the one that should is through without waiting. On SQLite one writes at a time, and whoever comes second waits to begin.
func (b *bundle) untilSomebodyWaits(t *testing.T, through func() bool) {
	if b.db.Engine == SQLite {
		return
	}
	for waiting := 0; waiting == 0; {
		if through() {
			t.Error("a transaction went through that should have waited")
			return
		}
		err := b.sql(t).QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE application_name = current_setting('application_name') AND wait_event_type = 'Lock'`).Scan(&waiting)
		if err != nil {
			t.Error(err)
			return
		}
	}
}

// openPlays counts what the person is playing; an idle player plays nothing.
func openPlays(t *testing.T, b *bundle, id songspy.UserID) (n int) {
	t.Helper()
	must(t, b.sql(t).QueryRowContext(t.Context(), "SELECT count(*) FROM now_playing WHERE user_id = $1 AND state <> $2",
		int64(id), string(songspy.PlayerIdle)).Scan(&n))
	return n
}
