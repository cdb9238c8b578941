package storetest

import (
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// cost holds how much the hot paths ask of the database.
func cost() suite {
	const many = 40
	manyListeners := func(t *testing.T, b *bundle) (ids []songspy.UserID, hearings []songspy.Hearing) {
		t.Helper()
		for i := range many {
			l := b.listener(t)
			h := hears(l, song(i), start)
			h.Plays = []songspy.Play{played(song(i), start.Add(-time.Hour))}
			ids, hearings = append(ids, l.UserID), append(hearings, h)
		}
		return ids, hearings
	}
	return suite{
		"WriteListening_AsksAsOftenForManyAsForOne": func(t *testing.T, b *bundle) {
			_, hearings := manyListeners(t, b)
			one := b.statements.during(func() { b.write(t, hearings[0]) })
			rest := b.statements.during(func() { b.write(t, hearings[1:]...) })
			same(t, "statements", len(rest), len(one))
			if len(one) > 10 {
				t.Fatalf("%d statements: %s", len(one), strings.Join(one, "\n"))
			}
		},
		"WriteListening_LooksUpATrackOnce": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			b.write(t, hears(l, song(1), start))
			asked := b.statements.during(func() { b.write(t, hears(l, song(1), start.Add(time.Second))) })
			for _, statement := range asked {
				if strings.Contains(statement, " tracks ") {
					t.Fatalf("asked again: %s", statement)
				}
			}
		},
		"WriteListening_OfNothingAsksNothing": func(t *testing.T, b *bundle) {
			same(t, "statements", b.statements.during(func() { b.write(t) }), []string(nil))
		},
		"WriteListening_OfTheDroppedWritesNothing": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			l.Generation--
			asked := b.statements.during(func() {
				value[[]songspy.Written](t)(b.WriteListening(t.Context(), []songspy.Hearing{hears(l, song(1), start)}))
			})
			writesNothing(t, asked)
		},
		"WriteListening_OfTheInvisibleLeavesTheFeedAlone": func(t *testing.T, b *bundle) {
			h := hears(b.listener(t), song(1), start)
			h.Visible = false
			for _, statement := range b.statements.during(func() { b.write(t, h) }) {
				if strings.Contains(statement, "feed") || strings.Contains(statement, "changes") {
					t.Fatalf("asked: %s", statement)
				}
			}
		},
		"Reading_AsksOnceForMany": func(t *testing.T, b *bundle) {
			ids, hearings := manyListeners(t, b)
			b.write(t, hearings...)
			for what, read := range map[string]func() int{
				"Listeners":     func() int { return len(value[[]songspy.Listener](t)(b.Listeners(t.Context(), 0, 100))) },
				"LinkMarks":     func() int { return len(value[[]songspy.LinkMark](t)(b.LinkMarks(t.Context(), 0, 100))) },
				"ListenersByID": func() int { return len(value[[]songspy.Listener](t)(b.ListenersByID(t.Context(), ids))) },
				"LinksToRenew": func() int {
					return len(value[[]songspy.Link](t)(b.LinksToRenew(t.Context(), start.Add(24*time.Hour), 0, 100)))
				},
				"OnBoard": func() int { return len(value[[]songspy.OnBoard](t)(b.OnBoard(t.Context(), ids))) },
			} {
				var found int
				same(t, what+": statements", len(b.statements.during(func() { found = read() })), 1)
				same(t, what+": found", found, many)
			}
		},
		"Updating_NothingWritesNothing": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			writesNothing(t, b.statements.during(func() {
				value[songspy.User](t)(b.UpdateUser(t.Context(), l.UserID, func(*songspy.User) error { return nil }))
				value[songspy.Link](t)(b.UpdateLink(t.Context(), l.UserID, func(*songspy.Link) error { return nil }))
			}))
		},
		"SignIn_OfAKnownPersonWritesNothing": func(t *testing.T, b *bundle) {
			u := b.person(t)
			writesNothing(t, b.statements.during(func() {
				_, _, err := b.SignIn(t.Context(), songspy.GoogleProfile{Subject: u.GoogleSub, Name: u.GoogleName}, u.Audience)
				must(t, err)
			}))
		},
	}
}

func writesNothing(t *testing.T, asked []string) {
	t.Helper()
	for _, statement := range asked {
		for _, verb := range []string{"INSERT ", "UPDATE \"", "UPDATE `", "UPDATE feed", "DELETE ", "pg_notify"} {
			if strings.Contains(statement, verb) {
				t.Fatalf("wrote: %s", statement)
			}
		}
	}
}
