package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

var byMail, byHook = []songspy.NoticeChannel{songspy.ChannelMail}, []songspy.NoticeChannel{songspy.ChannelWebhook}

// relink is the notice that a person has to link again.
func relink(id songspy.UserID) songspy.Notice {
	return songspy.Notice{UserID: id, App: "main", Kind: songspy.NoticeRelink, Occurrence: "1", Channel: songspy.ChannelMail}
}

// unregistered is the notice that somebody has to be entered.
func unregistered(id songspy.UserID) songspy.Notice {
	return songspy.Notice{UserID: id, App: "main", Kind: songspy.NoticeNotRegistered, Occurrence: "1", Channel: songspy.ChannelWebhook}
}

// asked is the notice that somebody has asked for a seat.
func asked(id songspy.UserID) songspy.Notice {
	return songspy.Notice{UserID: id, App: "main", Kind: songspy.NoticeSeatAsked, Occurrence: "1", Channel: songspy.ChannelWebhook}
}

func (b *bundle) file(t *testing.T, notices ...songspy.Notice) {
	t.Helper()
	must(t, b.FileNotices(t.Context(), notices, time.Hour))
}

// claim gives whom the message that is due is about; nobody if none is.
func claim(t *testing.T, s *store.Store, by []songspy.NoticeChannel) (m songspy.NoticeMessage, whom string) {
	t.Helper()
	m, ok, err := s.ClaimNotice(t.Context(), by, 5*time.Minute)
	must(t, err)
	if ok != (len(m.Notices) > 0) {
		t.Fatalf("claimed: %v, %+v", ok, m)
	}
	var ids []string
	for _, n := range m.Notices {
		ids = append(ids, fmt.Sprint(n.UserID))
	}
	slices.Sort(ids)
	return m, strings.Join(ids, " ")
}

func ids(m songspy.NoticeMessage) (all []int64) {
	for _, n := range m.Notices {
		all = append(all, n.ID)
	}
	return all
}

// notices holds that whatever is filed is told once, by one process.
func notices() suite {
	return suite{
		"FileNotices_OfOneNameAreToldOnce": func(t *testing.T, b *bundle) {
			u := b.person(t)
			for range 3 {
				b.file(t, relink(u.ID))
				b.clock.advance(2 * time.Hour)
			}
			m, whom := claim(t, b.Store, byMail)
			same(t, "whom", whom, fmt.Sprint(u.ID))
			same(t, "since", m.Since, start)
			same(t, "tries", m.Tries, 1)
			must(t, b.NoticesDone(t.Context(), ids(m), true))
			b.clock.advance(24 * time.Hour)
			b.file(t, relink(u.ID))
			_, whom = claim(t, b.Store, byMail)
			same(t, "told again", whom, "")
			next := relink(u.ID)
			next.Occurrence = "2"
			b.file(t, next)
			_, whom = claim(t, b.Store, byMail)
			same(t, "another time", whom, fmt.Sprint(u.ID))
		},
		"FileNotices_SeenLatelyWriteNothing": func(t *testing.T, b *bundle) {
			u := b.person(t)
			b.file(t, relink(u.ID))
			var before, after time.Time
			seen := func(at *time.Time) {
				must(t, b.sql(t).QueryRowContext(t.Context(), "SELECT seen_at FROM notices").Scan(at))
			}
			b.clock.advance(30 * time.Minute)
			writesNothing(t, b.statements.during(func() { b.file(t, relink(u.ID)) }))
			seen(&before)
			same(t, "seen within the hour", before.UTC(), start)
			b.clock.advance(time.Hour)
			b.file(t, relink(u.ID))
			seen(&after)
			same(t, "seen later", after.UTC(), start.Add(90*time.Minute))
		},
		"FileNotices_PassesOverWhoIsGone": func(t *testing.T, b *bundle) {
			gone, stays := b.person(t), b.person(t)
			value[store.Erased](t)(b.EraseUser(t.Context(), gone.ID))
			b.file(t, relink(gone.ID), relink(stays.ID))
			same(t, "of the erased", b.count(t, "notices", gone.ID), 0)
			same(t, "of the other", b.count(t, "notices", stays.ID), 1)
		},
		"Erasing_LeavesNoNotice": func(t *testing.T, b *bundle) {
			one, two := b.listener(t), b.listener(t)
			b.file(t, relink(one.UserID), unregistered(one.UserID), relink(two.UserID), unregistered(two.UserID), asked(two.UserID))
			m, _ := claim(t, b.Store, byHook)
			value[store.Erased](t)(b.Unlink(t.Context(), one.UserID))
			same(t, "of the unlinked", b.count(t, "notices", one.UserID), 0)
			value[store.Erased](t)(b.EraseUser(t.Context(), two.UserID))
			same(t, "of the erased", b.count(t, "notices", two.UserID), 0)
			must(t, b.NoticesDone(t.Context(), ids(m), true)) // a message that was on its way
			_, whom := claim(t, b.Store, byMail)
			same(t, "left to tell", whom, "")
		},
		"Unlinking_HasNothingOfASeatToldAgain": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			b.file(t, asked(l.UserID))
			m, _ := claim(t, b.Store, byHook)
			must(t, b.NoticesDone(t.Context(), ids(m), true))
			value[store.Erased](t)(b.Unlink(t.Context(), l.UserID))
			b.clock.advance(2 * time.Hour)
			b.file(t, asked(l.UserID))
			_, whom := claim(t, b.Store, byHook)
			same(t, "told again", whom, "")
		},
		"ClaimNotice_KeepsOthersAwayForTheLease": func(t *testing.T, b *bundle) {
			u := b.person(t)
			b.file(t, relink(u.ID))
			first, _ := claim(t, b.Store, byMail)
			other := b.another(t)
			_, whom := claim(t, other, byMail)
			same(t, "within the lease", whom, "")
			_, whom = claim(t, other, byHook)
			same(t, "by another channel", whom, "")
			b.clock.advance(5 * time.Minute)
			second, whom := claim(t, other, byMail)
			same(t, "after a crash", whom, fmt.Sprint(u.ID))
			same(t, "named", second.ID, first.ID)
			same(t, "tries", second.Tries, 2)
		},
		"ClaimNotice_GivesEachToOneOfMany": func(t *testing.T, b *bundle) {
			const people, replicas = 12, 4
			var filed []songspy.Notice
			for range people {
				u := b.person(t)
				filed = append(filed, relink(u.ID), unregistered(u.ID))
			}
			b.file(t, filed...)
			var mu sync.Mutex
			told, messages := map[string]int{}, map[string]int{}
			var all sync.WaitGroup
			for range replicas {
				s := b.another(t)
				all.Go(func() {
					for range 2 * people {
						m, ok, err := s.ClaimNotice(t.Context(), append(byMail, byHook...), time.Hour)
						if err != nil {
							t.Error(err)
						}
						if !ok {
							return
						}
						mu.Lock()
						messages[m.ID]++
						for _, n := range m.Notices {
							told[fmt.Sprint(n.Kind, n.UserID)]++
						}
						mu.Unlock()
						if err := s.NoticesDone(t.Context(), ids(m), true); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			same(t, "notices told", len(told), 2*people)
			same(t, "messages", len(messages), people+1)
			for what, n := range told {
				if n != 1 {
					t.Errorf("%s was given %d times", what, n)
				}
			}
		},
		"ClaimNotice_GathersWhatIsForSomebodyElse": func(t *testing.T, b *bundle) {
			one, two, three := b.person(t).ID, b.person(t).ID, b.person(t).ID
			elsewhere := unregistered(three)
			elsewhere.App = "second"
			b.file(t, unregistered(one), unregistered(two), elsewhere)
			m, whom := claim(t, b.Store, byHook)
			same(t, "the first app's", whom, fmt.Sprint(one, " ", two))
			late, whom := claim(t, b.Store, byHook)
			same(t, "the second app's", whom, fmt.Sprint(three))
			must(t, b.NoticesDone(t.Context(), ids(m), true))
			must(t, b.NoticesDone(t.Context(), ids(late), true))
			b.file(t, unregistered(three))
			b.clock.advance(59 * time.Minute)
			_, whom = claim(t, b.Store, byHook)
			same(t, "within an hour", whom, "")
			four := b.person(t).ID
			b.file(t, unregistered(four))
			b.clock.advance(time.Minute)
			_, whom = claim(t, b.Store, byHook)
			same(t, "after it", whom, fmt.Sprint(three, " ", four))
		},
		"ClaimNotice_KeepsAMessageThatIsTriedAgainAsItWas": func(t *testing.T, b *bundle) {
			one, two := b.person(t).ID, b.person(t).ID
			b.file(t, unregistered(one))
			first, _ := claim(t, b.Store, byHook)
			b.file(t, unregistered(two))
			must(t, b.NoticesAgain(t.Context(), ids(first), b.clock.Now().Add(10*time.Minute)))
			_, whom := claim(t, b.Store, byHook)
			same(t, "before its time", whom, "")
			b.clock.advance(10 * time.Minute)
			again, whom := claim(t, b.Store, byHook)
			same(t, "whom", whom, fmt.Sprint(one))
			same(t, "named", again.ID, first.ID)
			must(t, b.NoticesDone(t.Context(), ids(again), false))
			b.clock.advance(time.Hour)
			next, whom := claim(t, b.Store, byHook)
			same(t, "then", whom, fmt.Sprint(two))
			if next.ID == first.ID {
				t.Error("two messages have one name")
			}
		},
		"NoticesPassed_MayComeBack": func(t *testing.T, b *bundle) {
			u := b.person(t)
			b.file(t, relink(u.ID))
			first, _ := claim(t, b.Store, byMail)
			must(t, b.NoticesPassed(t.Context(), ids(first)))
			b.clock.advance(time.Hour)
			b.file(t, relink(u.ID))
			second, whom := claim(t, b.Store, byMail)
			same(t, "whom", whom, fmt.Sprint(u.ID))
			if second.ID == first.ID {
				t.Error("it has the name of one that passed")
			}
		},
		"PruneNotices_ForgetsWhatHasNotBeenWantedForLong": func(t *testing.T, b *bundle) {
			one, two := b.person(t).ID, b.person(t).ID
			b.file(t, relink(one), relink(two))
			b.clock.advance(48 * time.Hour)
			b.file(t, relink(two))
			same(t, "pruned", value[int64](t)(b.PruneNotices(t.Context(), b.clock.Now().Add(-24*time.Hour))), 1)
			same(t, "of who is not", b.count(t, "notices", one), 0)
			same(t, "of who still is", b.count(t, "notices", two), 1)
		},
		"EndNotices_LetsThatItIsOverBeToldWhereThatItBeganWas": func(t *testing.T, b *bundle) {
			began := func(app string, by songspy.NoticeChannel) songspy.Notice {
				return songspy.Notice{App: app, Kind: songspy.NoticeOutageBegan, Channel: by}
			}
			b.file(t, began("told", songspy.ChannelWebhook), began("goes on", songspy.ChannelWebhook))
			for range 2 {
				m, _ := claim(t, b.Store, byHook)
				must(t, b.NoticesDone(t.Context(), ids(m), true))
			}
			b.file(t, began("told", songspy.ChannelOperatorMail)) // not told by mail yet
			b.clock.advance(2 * time.Hour)
			b.file(t, began("goes on", songspy.ChannelWebhook))
			var all sync.WaitGroup
			for range 4 {
				s := b.another(t)
				all.Go(func() {
					err := s.EndNotices(t.Context(), songspy.NoticeOutageBegan, "", b.clock.Now().Add(-time.Hour), songspy.NoticeOutageOver)
					if err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			m, _ := claim(t, b.Store, append(byHook, songspy.ChannelOperatorMail))
			same(t, "told", []string{string(m.Kind), m.App, string(m.Channel)}, []string{"outage_over", "told", "webhook"})
			_, whom := claim(t, b.Store, append(byHook, songspy.ChannelOperatorMail))
			same(t, "and nothing else", whom, "")
			same(t, "filed", b.count(t, "notices", 0), 2)
		},
		"NoticeLinks_AreThoseThatSomebodyMayHaveToBeToldOf": func(t *testing.T, b *bundle) {
			fine, ending, broken := b.listener(t), b.listener(t), b.listener(t)
			_, err := b.sql(t).ExecContext(t.Context(), "UPDATE spotify_links SET authorized_at = $1 WHERE user_id = $2", b.past(200*24*time.Hour), int64(ending.UserID))
			must(t, err)
			value[songspy.Link](t)(b.UpdateLink(t.Context(), broken.UserID, func(l *songspy.Link) error {
				l.State = songspy.LinkReauthRequired
				return nil
			}))
			must(t, b.KeepAddress(t.Context(), broken.UserID, "ada@example.org"))
			read := func(after songspy.UserID, limit int) (whom string) {
				for _, l := range value[[]songspy.NoticeLink](t)(b.NoticeLinks(t.Context(), start.AddDate(0, -5, 0), after, limit)) {
					whom += fmt.Sprintf("%d %s %d %v, ", l.Link.UserID, l.Link.State, l.Link.Generation, l.Mail)
				}
				return whom
			}
			same(t, "all", read(0, 10), fmt.Sprintf("%d active 1 false, %d reauth_required 1 true, ", ending.UserID, broken.UserID))
			same(t, "the first", read(0, 1), fmt.Sprintf("%d active 1 false, ", ending.UserID))
			same(t, "the rest", read(ending.UserID, 10), fmt.Sprintf("%d reauth_required 1 true, ", broken.UserID))
			value[songspy.Mailbox](t)(b.SwitchMail(t.Context(), broken.UserID, true))
			same(t, "switched off", read(ending.UserID, 10), fmt.Sprintf("%d reauth_required 1 false, ", broken.UserID))
			found := value[[]songspy.NoticeLink](t)(b.NoticeLinksByID(t.Context(), []songspy.UserID{broken.UserID, fine.UserID, 404}))
			same(t, "by id", len(found), 2)
			same(t, "the link", found[0].Link.AuthorizedAt, fine.AuthorizedAt)
		},
	}
}

// past is a time as the bare database takes it.
func (b *bundle) past(ago time.Duration) any {
	at := start.Add(-ago)
	if b.db.Engine == SQLite {
		return at.UnixMicro()
	}
	return at
}
