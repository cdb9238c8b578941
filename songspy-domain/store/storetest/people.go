package storetest

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

// follow makes the follower an approved follower of the user.
func (b *fixture) follow(t *testing.T, id, follower songspy.UserID) {
	t.Helper()
	value[songspy.Follow](t)(b.RequestFollow(t.Context(), id, follower))
	value[songspy.Follow](t)(b.ApproveFollow(t.Context(), id, follower))
}

// relations returns the follows and blocks that concern the user as texts, such as "1
// approved by 2" (user 2 follows user 1, and user 1 has approved it) and "2 blocked by 1".
func (b *fixture) relations(t *testing.T, id songspy.UserID) (all []string) {
	t.Helper()
	follows, blocks, err := b.Relations(t.Context(), id)
	must(t, err)
	for _, f := range follows {
		all = append(all, fmt.Sprintf("%d %s by %d", f.UserID, f.State, f.FollowerID))
	}
	for _, k := range blocks {
		all = append(all, fmt.Sprintf("%d blocked by %d", k.BlockedID, k.UserID))
	}
	return all
}

func people() suite {
	threeUsers := func(t *testing.T, b *fixture) (one, two, three songspy.UserID) {
		t.Helper()
		return b.newUser(t).ID, b.newUser(t).ID, b.newUser(t).ID
	}
	rename := func(t *testing.T, b *fixture, id songspy.UserID, nick string) {
		t.Helper()
		value[songspy.User](t)(b.UpdateUser(t.Context(), id, func(u *songspy.User) error { u.NickName = &nick; return nil }))
	}
	found := func(t *testing.T, b *fixture, prefix string) (names []string) {
		t.Helper()
		var after songspy.User
		for {
			page := value[[]songspy.Person](t)(b.SearchPeople(t.Context(), prefix, after, 2))
			for _, p := range page {
				names, after = append(names, p.User.PublicName()), p.User
			}
			if len(page) < 2 {
				return names
			}
		}
	}
	return suite{
		"Follow_IsRequestedApprovedAndRemoved": func(t *testing.T, b *fixture) {
			one, two, _ := threeUsers(t, b)
			number := b.lastChange(t)
			_, err := b.ApproveFollow(t.Context(), one, two)
			RequireCode(t, err, songspy.CodeNotFound)
			asked := songspy.Follow{UserID: one, FollowerID: two, State: songspy.FollowRequested, AskedAt: start}
			same(t, "asked", value[songspy.Follow](t)(b.RequestFollow(t.Context(), one, two)), asked)
			b.clock.advance(time.Hour)
			same(t, "asked again", value[songspy.Follow](t)(b.RequestFollow(t.Context(), one, two)), asked)
			later := start.Add(time.Hour)
			approved := asked
			approved.State, approved.ApprovedAt = songspy.FollowApproved, &later
			same(t, "approved", value[songspy.Follow](t)(b.ApproveFollow(t.Context(), one, two)), approved)
			b.clock.advance(time.Hour)
			same(t, "approved again", value[songspy.Follow](t)(b.ApproveFollow(t.Context(), one, two)), approved)
			same(t, "asked when approved", value[songspy.Follow](t)(b.RequestFollow(t.Context(), one, two)), approved)
			same(t, "relations of the follower", b.relations(t, two), []string{"1 approved by 2"})
			RequireCode(t, b.RemoveFollow(t.Context(), two, one), songspy.CodeNotFound) // user 1 does not follow user 2
			must(t, b.RemoveFollow(t.Context(), one, two))
			RequireCode(t, b.RemoveFollow(t.Context(), one, two), songspy.CodeNotFound)
			same(t, "asks again", value[songspy.Follow](t)(b.RequestFollow(t.Context(), one, two)).State, songspy.FollowRequested)
			same(t, "changes", b.changesAfter(t, number), []string{
				"relation 1", "relation 2", "relation 1", "relation 2", "relation 1", "relation 2", "relation 1", "relation 2",
			})
		},
		"Follow_NeedsTwoUsersThatExist": func(t *testing.T, b *fixture) {
			one, two, _ := threeUsers(t, b)
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), two))
			for _, c := range []struct {
				id, follower songspy.UserID
				want         songspy.Code
			}{{one, one, songspy.CodeInvalid}, {one, two, songspy.CodeNotFound}, {two, one, songspy.CodeNotFound}, {one, 404, songspy.CodeNotFound}} {
				_, err := b.RequestFollow(t.Context(), c.id, c.follower)
				RequireCode(t, err, c.want)
				RequireCode(t, b.Block(t.Context(), c.id, c.follower), c.want)
			}
		},
		"Block_EndsFollowsAndForbidsNewOnes": func(t *testing.T, b *fixture) {
			one, two, three := threeUsers(t, b)
			b.follow(t, one, two)
			b.follow(t, two, one)
			b.follow(t, one, three)
			number := b.lastChange(t)
			must(t, b.Block(t.Context(), one, two))
			must(t, b.Block(t.Context(), one, two)) // changes nothing
			same(t, "relations of the blocker", b.relations(t, one), []string{"1 approved by 3", "2 blocked by 1"})
			same(t, "relations of the blocked", b.relations(t, two), []string{"2 blocked by 1"})
			for _, f := range [][2]songspy.UserID{{one, two}, {two, one}} {
				_, err := b.RequestFollow(t.Context(), f[0], f[1])
				RequireCode(t, err, songspy.CodeNotFound)
			}
			RequireCode(t, b.Unblock(t.Context(), two, one), songspy.CodeNotFound)
			must(t, b.Unblock(t.Context(), one, two))
			RequireCode(t, b.Unblock(t.Context(), one, two), songspy.CodeNotFound)
			same(t, "relations afterwards", b.relations(t, two), []string(nil))
			same(t, "changes", b.changesAfter(t, number), []string{"relation 1", "relation 2", "relation 1", "relation 2"})
		},
		"Block_AgainstAFollowAtTheSameTimeLeavesNoFollow": func(t *testing.T, b *fixture) {
			one, two, _ := threeUsers(t, b)
			other, done := b.openAnother(t, func(o *store.Options) { o.Observe = nil }), make(chan error, 1)
			b.statements.runAfter("INSERT INTO", func() { // the transaction of RequestFollow, which has locked both users
				go func() { done <- other.Block(t.Context(), one, two) }()
				b.waitForBlockedTx(t, func() bool { return len(done) > 0 })
			})
			value[songspy.Follow](t)(b.RequestFollow(t.Context(), one, two))
			must(t, <-done)
			same(t, "relations", b.relations(t, one), []string{"2 blocked by 1"})
		},
		"Relations_ComeFromOneStatement": func(t *testing.T, b *fixture) {
			one, two, three := threeUsers(t, b)
			b.follow(t, two, one)
			value[songspy.Follow](t)(b.RequestFollow(t.Context(), three, one)) // a request by the viewer
			value[songspy.Follow](t)(b.RequestFollow(t.Context(), one, three)) // a request to the viewer
			var all []string
			executed := b.statements.recordDuring(func() { all = b.relations(t, one) })
			same(t, "statements", len(executed), 1)
			same(t, "relations", all, []string{"2 approved by 1", "3 requested by 1", "1 requested by 3"})
		},
		"FollowersAndFollowing_ArePagedNewestFirst": func(t *testing.T, b *fixture) {
			owner := b.newUser(t).ID
			var want []songspy.UserID
			for i := range 5 {
				if i%2 == 0 {
					b.clock.advance(time.Second) // not for every user, so that some follows have the same time
				}
				u := b.newUser(t).ID
				value[songspy.Follow](t)(b.RequestFollow(t.Context(), owner, u))
				value[songspy.Follow](t)(b.RequestFollow(t.Context(), u, owner))
				want = append([]songspy.UserID{u}, want...)
			}
			for what, read := range map[string]func(songspy.Follow) ([]songspy.FollowingPerson, error){
				"followers": func(after songspy.Follow) ([]songspy.FollowingPerson, error) {
					return b.Followers(t.Context(), owner, after, 2)
				},
				"following": func(after songspy.Follow) ([]songspy.FollowingPerson, error) {
					return b.Following(t.Context(), owner, after, 2)
				},
			} {
				var got []songspy.UserID
				for after := (songspy.Follow{}); ; {
					page := value[[]songspy.FollowingPerson](t)(read(after))
					for _, f := range page {
						got, after = append(got, f.Person.User.ID), f.Follow
						same(t, what+": the rule is the person's", []any{f.Person.Rule.Owner, len(f.Person.Rule.Periods)}, []any{f.Person.User.ID, 1})
					}
					if len(page) < 2 {
						break
					}
				}
				same(t, what, got, want)
			}
		},
		"Blocks_ArePagedNewestFirst": func(t *testing.T, b *fixture) {
			owner := b.newUser(t).ID
			var want, got []songspy.UserID
			for range 3 {
				u := b.newUser(t).ID
				must(t, b.Block(t.Context(), owner, u))
				want = append([]songspy.UserID{u}, want...)
			}
			must(t, b.Block(t.Context(), want[0], owner)) // must not be listed, because the owner is the blocked one
			for after := (songspy.Block{}); ; {
				page := value[[]songspy.BlockedPerson](t)(b.Blocks(t.Context(), owner, after, 2))
				for _, k := range page {
					got, after = append(got, k.Person.User.ID), k.Block
				}
				if len(page) < 2 {
					break
				}
			}
			same(t, "blocked users", got, want)
		},
		"ShareLink_IsReplacedAndRevoked": func(t *testing.T, b *fixture) {
			u, other := b.newUser(t), b.newUser(t)
			number := b.lastChange(t)
			hashes := [][]byte{[]byte("hash one"), []byte("hash two")}
			_, err := b.ShareLink(t.Context(), u.ID)
			RequireCode(t, err, songspy.CodeNotFound)
			for _, hash := range hashes {
				l := value[songspy.ShareLink](t)(b.SaveShareLink(t.Context(), u.ID, hash))
				same(t, "the link", value[songspy.ShareLink](t)(b.ShareLink(t.Context(), u.ID)), l)
				same(t, "its user", value[songspy.Person](t)(b.PersonByShareLink(t.Context(), hash)).User, u)
				b.clock.advance(time.Minute)
			}
			_, err = b.PersonByShareLink(t.Context(), hashes[0])
			RequireCode(t, err, songspy.CodeNotFound)
			_, err = b.SaveShareLink(t.Context(), other.ID, hashes[1])
			RequireCode(t, err, songspy.CodeConflict)
			must(t, b.DeleteShareLink(t.Context(), u.ID))
			RequireCode(t, b.DeleteShareLink(t.Context(), u.ID), songspy.CodeNotFound)
			_, err = b.PersonByShareLink(t.Context(), hashes[1])
			RequireCode(t, err, songspy.CodeNotFound)
			_, err = b.SaveShareLink(t.Context(), 404, hashes[1])
			RequireCode(t, err, songspy.CodeNotFound)
			same(t, "changes", b.changesAfter(t, number), []string{"user 1", "user 1", "user 1"})
		},
		"People_AreReadTogether": func(t *testing.T, b *fixture) {
			one, two, three := threeUsers(t, b)
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), two))
			var got []songspy.Person
			executed := b.statements.recordDuring(func() {
				got = value[[]songspy.Person](t)(b.People(t.Context(), []songspy.UserID{three, two, one, 404}))
			})
			same(t, "statements", len(executed), 1)
			same(t, "people", []any{len(got), got[0].User.ID, got[1].User.ID}, []any{2, one, three})
			same(t, "a user", got[0].User, value[songspy.User](t)(b.User(t.Context(), one)))
			_, err := b.PersonByPublicID(t.Context(), 404)
			RequireCode(t, err, songspy.CodeNotFound)
		},
		"SearchPeople_FindsOnlyThoseWhoChoseIt": func(t *testing.T, b *fixture) {
			findable, hidden := b.newUser(t).ID, b.newUser(t).ID
			rename(t, b, findable, "Ada")
			rename(t, b, hidden, "Adam")
			same(t, "before", found(t, b, "ad"), []string(nil))
			b.share(t, findable, func(p *songspy.Sharing) { p.Findable = true })
			same(t, "after", found(t, b, "ad"), []string{"Ada"})
			rename(t, b, findable, "Grace")
			rename(t, b, hidden, "Adamant")
			same(t, "by the name before", found(t, b, "ad"), []string(nil))
			same(t, "by the new name", found(t, b, "gr"), []string{"Grace"})
			must(t, b.RenameByOperator(t.Context(), findable, nil, ""))
			same(t, "without a name", found(t, b, ""), []string(nil))
			rename(t, b, findable, "Grace")
			b.share(t, findable, func(p *songspy.Sharing) { p.Findable = false })
			same(t, "once switched off", found(t, b, "gr"), []string(nil))
		},
		"SearchPeople_ComparesNormalizedPrefixes": func(t *testing.T, b *fixture) {
			for _, nick := range []string{"Ada", "ADALBERT", "ada\u0301n", "Ａｄｅｌｅ", "Straße", "100% me", "1000", "a_b", "acb", `a\b`, "한글", "İpek"} {
				id := b.newUser(t).ID
				rename(t, b, id, nick)
				b.share(t, id, func(p *songspy.Sharing) { p.Findable = true })
			}
			for prefix, want := range map[string][]string{
				"ada": {"Ada", "ADALBERT"}, "ADA\u0301": {"ada\u0301n"}, "adá": {"ada\u0301n"}, "ad": {"Ada", "ADALBERT", "ada\u0301n", "Ａｄｅｌｅ"}, "ADE": {"Ａｄｅｌｅ"},
				"STRASSE": {"Straße"}, "strass": {"Straße"}, "100%": {"100% me"}, "%": nil, "a_": {"a_b"}, `a\`: {`a\b`}, "한": {"한글"}, "zz": nil,
				"\x00ada": {"Ada", "ADALBERT"},
			} {
				got := found(t, b, prefix)
				slices.Sort(got)
				slices.Sort(want)
				same(t, fmt.Sprintf("%q", prefix), got, want)
			}
			same(t, "all", len(found(t, b, "")), 12)
		},
		"SearchPeople_OrdersUsersOfOneNameByTheirRandomIDs": func(t *testing.T, b *fixture) {
			var want []songspy.PublicID
			for range 8 {
				u := b.newUser(t)
				rename(t, b, u.ID, "Ada")
				b.share(t, u.ID, func(p *songspy.Sharing) { p.Findable = true })
				want = append(want, u.PublicID)
			}
			slices.Sort(want)
			var got []songspy.PublicID
			var after songspy.User
			for more := true; more; {
				page := value[[]songspy.Person](t)(b.SearchPeople(t.Context(), "ada", after, 3))
				for _, p := range page {
					got, after = append(got, p.User.PublicID), p.User
				}
				more = len(page) == 3
			}
			same(t, "the order", got, want)
		},
		"SearchPeople_UsesTheIndex": func(t *testing.T, b *fixture) {
			executed := b.statements.recordDuring(func() { found(t, b, "ad") })
			tx := value[*sql.Tx](t)(b.sql(t).BeginTx(t.Context(), nil))
			defer func() { must(t, tx.Rollback()) }()
			explain := "EXPLAIN QUERY PLAN "
			if b.db.Engine != SQLite {
				explain = "EXPLAIN "
				_, err := tx.ExecContext(t.Context(), "SET LOCAL enable_seqscan = off") // otherwise Postgres would scan the table, because it is small
				must(t, err)
			}
			rows := value[*sql.Rows](t)(tx.QueryContext(t.Context(), explain+executed[0], "ad", "ae", 2))
			defer func() { _ = rows.Close() }()
			columns := value[[]string](t)(rows.Columns())
			var text string
			for rows.Next() {
				line := make([]any, len(columns))
				for i := range line {
					line[i] = new(any)
				}
				must(t, rows.Scan(line...))
				text += fmt.Sprintln(*line[len(line)-1].(*any))
			}
			must(t, rows.Err())
			if !strings.Contains(text, "users_nick_key") || strings.Contains(text, "SCAN u") {
				t.Errorf("the plan does not use the index:\n%s", text)
			}
		},
		"PlaysForOthers_LeaveOutWhatIsTheUsersOnly": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			for i := range 5 {
				update.Plays = append(update.Plays, finishedPlay(song(1), start.Add(-time.Duration(i+1)*time.Hour)))
			}
			update.Plays[1].Probable = true
			b.write(t, update)
			b.deleteFirstPlay(t, l.UserID)
			var began []time.Time
			for after := (songspy.Play{}); ; {
				page := value[[]songspy.PlayWithTrack](t)(b.PlaysForOthers(t.Context(), l.UserID, after, 2))
				for _, p := range page {
					began, after = append(began, p.Play.StartedAt), p.Play
				}
				if len(page) < 2 {
					break
				}
			}
			same(t, "plays", began, []time.Time{start.Add(-time.Hour), start.Add(-3 * time.Hour), start.Add(-4 * time.Hour)})
		},
	}
}
