package storetest

import (
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// statementCounts tests how many statements the most frequent calls execute.
func statementCounts() suite {
	const many = 40
	manyUsers := func(t *testing.T, b *fixture) (ids []songspy.UserID, updates []songspy.PlaybackUpdate) {
		t.Helper()
		for i := range many {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(i), start)
			update.Plays = []songspy.Play{finishedPlay(song(i), start.Add(-time.Hour))}
			ids, updates = append(ids, l.UserID), append(updates, update)
		}
		return ids, updates
	}
	return suite{
		"WritePlaybackUpdates_RunsAsManyStatementsForManyAsForOne": func(t *testing.T, b *fixture) {
			_, updates := manyUsers(t, b)
			one := b.statements.recordDuring(func() { b.write(t, updates[0]) })
			rest := b.statements.recordDuring(func() { b.write(t, updates[1:]...) })
			same(t, "statements", len(rest), len(one))
			if len(one) > 10 {
				t.Fatalf("%d statements: %s", len(one), strings.Join(one, "\n"))
			}
		},
		"WritePlaybackUpdates_LooksUpATrackOnce": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			b.write(t, playingUpdate(l, song(1), start))
			executed := b.statements.recordDuring(func() { b.write(t, playingUpdate(l, song(1), start.Add(time.Second))) })
			for _, statement := range executed {
				if strings.Contains(statement, " tracks ") {
					t.Fatalf("statements of the second time: %s", statement)
				}
			}
		},
		"WritePlaybackUpdates_OfNothingRunsNoStatement": func(t *testing.T, b *fixture) {
			same(t, "statements", b.statements.recordDuring(func() { b.write(t) }), []string(nil))
		},
		"WritePlaybackUpdates_ThatAreDroppedWriteNothing": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			l.Generation--
			executed := b.statements.recordDuring(func() {
				value[[]songspy.PlaybackUpdateResult](t)(b.WritePlaybackUpdates(t.Context(), []songspy.PlaybackUpdate{playingUpdate(l, song(1), start)}))
			})
			requireNoWrites(t, executed)
		},
		"WritePlaybackUpdates_ThatAreInvisibleDoNotTouchTheFeed": func(t *testing.T, b *fixture) {
			update := playingUpdate(b.newLinkedUser(t), song(1), start)
			update.Visible = false
			for _, statement := range b.statements.recordDuring(func() { b.write(t, update) }) {
				if strings.Contains(statement, "feed") || strings.Contains(statement, "changes") {
					t.Fatalf("statements: %s", statement)
				}
			}
		},
		"Reading_RunsOneStatementForMany": func(t *testing.T, b *fixture) {
			ids, updates := manyUsers(t, b)
			b.write(t, updates...)
			for what, read := range map[string]func() int{
				"LinkVersions":    func() int { return len(value[[]songspy.LinkVersion](t)(b.LinkVersions(t.Context(), 0, 100))) },
				"PolledUsersByID": func() int { return len(value[[]songspy.PolledUser](t)(b.PolledUsersByID(t.Context(), ids))) },
				"LinksToRenew": func() int {
					return len(value[[]songspy.Link](t)(b.LinksToRenew(t.Context(), start.Add(24*time.Hour), 0, 100)))
				},
				"BoardEntries": func() int { return len(value[[]songspy.BoardEntry](t)(b.BoardEntries(t.Context(), ids))) },
			} {
				var found int
				same(t, what+": statements", len(b.statements.recordDuring(func() { found = read() })), 1)
				same(t, what+": found", found, many)
			}
		},
		"Updating_NothingWritesNothing": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			requireNoWrites(t, b.statements.recordDuring(func() {
				value[songspy.User](t)(b.UpdateUser(t.Context(), l.UserID, func(*songspy.User) error { return nil }))
				value[songspy.Link](t)(b.UpdateLink(t.Context(), l.UserID, func(*songspy.Link) error { return nil }))
			}))
		},
		"LeaseShards_RenewsWithoutWritingShards": func(t *testing.T, b *fixture) {
			r := &replica{b: b, name: "one"}
			r.lease(t, time.Hour)
			r.lease(t, time.Hour) // stores that the shards are loaded
			var writes []string
			for _, statement := range b.statements.recordDuring(func() { r.lease(t, time.Hour) }) {
				if strings.HasPrefix(statement, "INSERT") || strings.HasPrefix(statement, "UPDATE") || strings.HasPrefix(statement, "DELETE") {
					writes = append(writes, statement)
				}
			}
			if len(writes) != 1 || !strings.Contains(writes[0], "replicas") {
				t.Errorf("writes: %s; want one, of a row in replicas", strings.Join(writes, "\n"))
			}
		},
		"SignIn_OfAKnownUserWritesNothing": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			requireNoWrites(t, b.statements.recordDuring(func() {
				_, _, err := b.SignIn(t.Context(), songspy.GoogleProfile{Subject: u.GoogleSub, Name: u.GoogleName}, u.Audience)
				must(t, err)
			}))
		},
	}
}

func requireNoWrites(t *testing.T, executed []string) {
	t.Helper()
	for _, statement := range executed {
		for _, verb := range []string{"INSERT ", "UPDATE \"", "UPDATE `", "UPDATE feed", "DELETE ", "pg_notify"} {
			if strings.Contains(statement, verb) {
				t.Fatalf("wrote: %s", statement)
			}
		}
	}
}
