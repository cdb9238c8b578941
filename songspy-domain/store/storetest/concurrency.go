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

// These are parts of two SQL statements after which tests run code, while the users are
// locked. shareLockStatement is in the statement with which WritePlaybackUpdates locks
// users, updateLockStatement in the one with which transactions that remove a link lock
// users.
const (
	shareLockStatement  = "link_generation FROM users"
	updateLockStatement = "ORDER BY id"
)

// runConcurrently runs the calls at the same time, and returns their errors in the order of
// the calls.
func runConcurrently(calls ...func() error) []error {
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
		"SignIn_OfOneUserManyTimesAtOnceIsOneUser": func(t *testing.T, b *fixture) {
			ids := make([]songspy.UserID, 8)
			calls := make([]func() error, len(ids))
			for i := range calls {
				calls[i] = func() error {
					u, _, err := b.SignIn(t.Context(), songspy.GoogleProfile{Subject: "one"}, songspy.AudienceEveryone)
					ids[i] = u.ID
					return err
				}
			}
			must(t, errors.Join(runConcurrently(calls...)...))
			same(t, "users", len(slices.Compact(ids)), 1)
		},
		"SaveLink_OfOneAccountByTwoUsersAtOnceLinksOne": func(t *testing.T, b *fixture) {
			one, two := b.newUser(t), b.newUser(t)
			save := func(id songspy.UserID, move bool) func() error {
				return func() error {
					_, err := b.SaveLink(t.Context(), songspy.NewLink{UserID: id, App: "main", Grant: grant("x"), Account: account("x"), Move: move})
					return err
				}
			}
			errs := runConcurrently(save(one.ID, false), save(two.ID, false))
			if errs[0] == nil {
				errs[0], errs[1] = errs[1], errs[0]
			}
			requireError(t, errs[0], songspy.CodeConflict, "SPOTIFY_LINKED_ELSEWHERE")
			must(t, errs[1])
			must(t, errors.Join(runConcurrently(save(one.ID, true), save(one.ID, true))...))
			same(t, "the links", len(value[[]songspy.LinkVersion](t)(b.LinkVersions(t.Context(), 0, 10))), 1)
		},
		"UpdateLink_LosesNoUpdate": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			other := b.openAnother(t)
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
			must(t, errors.Join(runConcurrently(calls...)...))
			got := value[songspy.Link](t)(b.Link(t.Context(), l.UserID))
			same(t, "scope and version", []any{got.Scope, got.Version}, []any{l.Scope + "xxxxxxxxxx", l.Version + 10})
		},
		"RevokeFamily_RevokesConcurrentSuccessors": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			for i := range 10 {
				first := value[songspy.Session](t)(b.CreateSession(t.Context(), newSession(u.ID, fmt.Sprint("first ", i))))
				var next songspy.Session
				var rotated error
				errs := runConcurrently(
					func() error {
						next, rotated = b.RotateSession(t.Context(), first.ID, newSession(0, fmt.Sprint("next ", i)))
						return nil
					},
					func() error { return b.RevokeFamily(t.Context(), first.Family, songspy.ActorSelf) },
				)
				must(t, errors.Join(errs...))
				if rotated != nil {
					RequireCode(t, rotated, songspy.CodeConflict)
					continue
				}
				same(t, "active", value[songspy.Session](t)(b.Session(t.Context(), next.ID)).IsActive(start), false)
			}
		},
		"RevokeSessions_AndRevokeFamilyAtOnceNeverDeadlock": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			for round := range 10 {
				first := value[songspy.Session](t)(b.CreateSession(t.Context(), newSession(u.ID, fmt.Sprint("first ", round))))
				for i := range 20 {
					next := newSession(u.ID, fmt.Sprint(round, " next ", i))
					next.Family = first.Family
					value[songspy.Session](t)(b.CreateSession(t.Context(), next))
				}
				// Postgres stores a new version of an updated row, which a scan may find after the
				// other rows. So revocations that did not lock the sessions in the order of their
				// ids could lock them in different orders, and deadlock.
				must(t, b.TouchSession(t.Context(), first.ID, start.Add(time.Duration(round+1)*time.Minute)))
				must(t, errors.Join(runConcurrently(
					func() error { return b.RevokeFamily(t.Context(), first.Family, songspy.ActorSelf) },
					func() error {
						if err := b.RevokeSessions(t.Context(), u.ID, 0); songspy.CodeOf(err) != songspy.CodeNotFound {
							return err
						}
						return nil // RevokeFamily has already revoked them
					},
				)...))
				same(t, "active", value[songspy.Session](t)(b.Session(t.Context(), first.ID)).IsActive(start), false)
			}
		},
		"WritePlaybackUpdates_TwiceAtOnceIsOnce": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			update.Plays = []songspy.Play{finishedPlay(song(1), start.Add(-time.Hour))}
			other := b.openAnother(t)
			write := func(s *store.Store) func() error {
				return func() error {
					w, err := s.WritePlaybackUpdates(t.Context(), []songspy.PlaybackUpdate{update})
					return errors.Join(err, w[0].Err)
				}
			}
			must(t, errors.Join(runConcurrently(write(b.Store), write(other))...))
			same(t, "plays", b.countRows(t, "plays", l.UserID), 1)
		},
		"WritePlaybackUpdates_OfTheSameNewTracksInAnyOrderNeverDeadlocks": func(t *testing.T, b *fixture) {
			var calls []func() error
			for range 4 {
				var updates []songspy.PlaybackUpdate
				for i := range 12 {
					updates = append(updates, playingUpdate(b.newLinkedUser(t), song(i), start))
				}
				if len(calls)%2 == 1 {
					slices.Reverse(updates)
				}
				s := b.openAnother(t)
				calls = append(calls, func() error {
					w, err := s.WritePlaybackUpdates(t.Context(), updates)
					for _, w := range w {
						err = errors.Join(err, w.Err)
					}
					return err
				})
			}
			must(t, errors.Join(runConcurrently(calls...)...))
			var tracks int
			must(t, b.sql(t).QueryRowContext(t.Context(), "SELECT count(*) FROM tracks").Scan(&tracks))
			same(t, "tracks", tracks, 12)
		},
		"Changes_OfManyWritersBecomeVisibleInOrder": func(t *testing.T, b *fixture) {
			const writers, each = 4, 15
			calls := []func() error{func() error { return followFeedInOrder(t.Context(), b.openAnother(t), writers*each) }}
			for range writers {
				u, s := b.newUser(t), b.openAnother(t)
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
			must(t, errors.Join(runConcurrently(calls...)...))
		},
	}
	for name, removeLink := range linkRemovals() {
		s["WritePlaybackUpdates_While"+name+"Waits_LeavesNothingBehind"] = func(t *testing.T, b *fixture) { removeLinkDuringWrite(t, b, removeLink) }
		s["WritePlaybackUpdates_WaitsFor"+name+"AndDropsThatUser"] = func(t *testing.T, b *fixture) { writeDuringLinkRemoval(t, b, removeLink) }
	}
	return s
}

// linkRemovals returns functions, by name, that remove a user's link or make the results of
// polls through it outdated: one for each way.
func linkRemovals() map[string]func(context.Context, *store.Store, songspy.UserID) error {
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
			_, err := s.SaveLink(ctx, songspy.NewLink{UserID: id, App: "main", Grant: grant("new"), Account: account("new")})
			return err
		},
	}
}

// followFeedInOrder reads the change feed from its beginning, up to and including the change
// with the given number. It returns an error if a number is missing or comes too early.
func followFeedInOrder(ctx context.Context, s *store.Store, until int64) error {
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

// twoUpdates creates two users, and returns their links and an update of each. The caller
// removes the first link and keeps the second.
func twoUpdates(t *testing.T, b *fixture) (losesLink, stays songspy.Link, updates []songspy.PlaybackUpdate) {
	t.Helper()
	losesLink, stays = b.newLinkedUser(t), b.newLinkedUser(t)
	for _, l := range []songspy.Link{losesLink, stays} {
		update := playingUpdate(l, song(1), start)
		update.Plays = []songspy.Play{finishedPlay(song(1), start.Add(-time.Hour))}
		updates = append(updates, update)
	}
	return losesLink, stays, updates
}

// removeLinkDuringWrite begins to remove a link while WritePlaybackUpdates has locked its
// user. The removal must wait until the updates are written. Then it must leave that user no
// open play, and no plays and tracks if the user has no link any more. It must keep the
// player state of the other user.
func removeLinkDuringWrite(t *testing.T, b *fixture, removeLink func(context.Context, *store.Store, songspy.UserID) error) {
	losesLink, stays, updates := twoUpdates(t, b)
	other := b.db.Open(t)
	taken := make(chan error, 1)
	b.statements.runAfter(shareLockStatement, func() {
		go func() { taken <- removeLink(t.Context(), other, losesLink.UserID) }()
		b.waitForBlockedTx(t, func() bool { return len(taken) > 0 })
	})
	b.write(t, updates...)
	must(t, <-taken)
	same(t, "what is playing", countOpenPlays(t, b, losesLink.UserID), 0)
	same(t, "of the other user", b.countRows(t, "now_playing", stays.UserID), 1)
	_, err := b.Link(t.Context(), losesLink.UserID)
	if songspy.CodeOf(err) == songspy.CodeNotFound { // otherwise the user has linked another account, and keeps the earlier plays
		same(t, "plays", b.countRows(t, "plays", losesLink.UserID), 0)
		same(t, "tracks", b.countRows(t, "user_tracks", losesLink.UserID), 0)
	}
}

// writeDuringLinkRemoval calls WritePlaybackUpdates while the removal of a link has locked
// its user. The write must wait until the link is removed, and must then drop the update of
// that user only.
func writeDuringLinkRemoval(t *testing.T, b *fixture, removeLink func(context.Context, *store.Store, songspy.UserID) error) {
	losesLink, stays, updates := twoUpdates(t, b)
	other := b.db.Open(t)
	type result struct {
		written []songspy.PlaybackUpdateResult
		err     error
	}
	done := make(chan result, 1)
	b.statements.runAfter(updateLockStatement, func() {
		go func() {
			w, err := other.WritePlaybackUpdates(t.Context(), updates)
			done <- result{w, err}
		}()
		b.waitForBlockedTx(t, func() bool { return len(done) > 0 })
	})
	must(t, removeLink(t.Context(), b.Store, losesLink.UserID))
	r := <-done
	must(t, r.err)
	same(t, "dropped", []bool{r.written[0].Dropped, r.written[1].Dropped}, []bool{true, false})
	for _, table := range []string{"now_playing", "plays", "user_tracks"} {
		same(t, table, b.countRows(t, table, losesLink.UserID), 0)
		same(t, table+" of the other", b.countRows(t, table, stays.UserID), 1)
	}
}

// waitForBlockedTx blocks until a transaction of this test waits for a lock. Its parameter
// through is a function that reports whether that transaction has ended: if it has ended
// before it waited, the test fails. On SQLite waitForBlockedTx returns at once: only one
// transaction writes at a time, so the second transaction waits before it begins.
func (b *fixture) waitForBlockedTx(t *testing.T, through func() bool) {
	if b.db.Engine == SQLite {
		return
	}
	for waiting := 0; waiting == 0; {
		if through() {
			t.Error("a transaction committed that should have waited")
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

// countOpenPlays counts the user's open plays; an idle player has none.
func countOpenPlays(t *testing.T, b *fixture, id songspy.UserID) (n int) {
	t.Helper()
	must(t, b.sql(t).QueryRowContext(t.Context(), "SELECT count(*) FROM now_playing WHERE user_id = $1 AND state <> $2",
		int64(id), string(songspy.PlayerIdle)).Scan(&n))
	return n
}
