package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

func moderation() suite {
	kinds := func(t *testing.T, b *fixture, id songspy.UserID) (kinds []string) {
		t.Helper()
		for _, e := range value[[]songspy.AuditEvent](t)(b.AuditEvents(t.Context(), id, 0, 100)) {
			kinds = append(kinds, string(e.Kind)+" by "+string(e.Actor)+": "+e.Detail)
		}
		return kinds
	}
	return suite{
		"Reports_AreReadAndClosed": func(t *testing.T, b *fixture) {
			reported, reporter := b.newUser(t).ID, b.newUser(t).ID
			var ids []int64
			for range 3 {
				r := value[songspy.Report](t)(b.CreateReport(t.Context(), songspy.Report{UserID: reported, ReporterID: &reporter, Reason: songspy.ReportOther, Text: "rude\x00"}))
				same(t, "the report", r, songspy.Report{UserID: reported, ID: r.ID, ReporterID: &reporter, Reason: songspy.ReportOther, Text: "rude", At: start})
				ids = append(ids, r.ID)
			}
			open := func(after int64, limit int) (ids []int64) {
				for _, r := range value[[]songspy.Report](t)(b.OpenReports(t.Context(), after, limit)) {
					ids = append(ids, r.ID)
				}
				return ids
			}
			same(t, "open", open(0, 2), ids[:2])
			same(t, "the next page", open(ids[1], 2), ids[2:])
			must(t, b.CloseReport(t.Context(), ids[1]))
			RequireCode(t, b.CloseReport(t.Context(), ids[1]), songspy.CodeNotFound)
			same(t, "open after one is closed", open(0, 10), []int64{ids[0], ids[2]})
		},
		"CreateReport_NeedsTwoUsersAndAReason": func(t *testing.T, b *fixture) {
			u, gone := b.newUser(t).ID, songspy.UserID(404)
			for _, c := range []struct {
				report songspy.Report
				want   songspy.Code
			}{
				{songspy.Report{UserID: gone, ReporterID: &u, Reason: songspy.ReportName}, songspy.CodeNotFound},
				{songspy.Report{UserID: u, ReporterID: &gone, Reason: songspy.ReportName}, songspy.CodeNotFound},
				{songspy.Report{UserID: u, ReporterID: &u, Reason: songspy.ReportName}, songspy.CodeInvalid},
				{songspy.Report{UserID: u, Reason: songspy.ReportName}, songspy.CodeInvalid},
				{songspy.Report{UserID: gone, ReporterID: &u, Reason: "taste"}, songspy.CodeInvalid},
			} {
				_, err := b.CreateReport(t.Context(), c.report)
				RequireCode(t, err, c.want)
			}
		},
		"CreateReport_OutlivesItsAuthorWithoutTheText": func(t *testing.T, b *fixture) {
			reported, reporter := b.newUser(t).ID, b.newUser(t).ID
			r := value[songspy.Report](t)(b.CreateReport(t.Context(), songspy.Report{UserID: reported, ReporterID: &reporter, Reason: songspy.ReportHarassment, Text: "it is me"}))
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), reporter))
			r.ReporterID, r.Text = nil, ""
			same(t, "reports", value[[]songspy.Report](t)(b.OpenReports(t.Context(), 0, 10)), []songspy.Report{r})
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), reported))
			same(t, "reports about an erased user", len(value[[]songspy.Report](t)(b.OpenReports(t.Context(), 0, 10))), 0)
		},
		"SetHiddenByOperator_IsRecordedAndPublished": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			b.write(t, playingUpdate(l, song(1), start))
			number := b.lastChange(t)
			for _, hidden := range []bool{true, true, false} {
				must(t, b.SetHiddenByOperator(t.Context(), l.UserID, hidden, "spam"))
				same(t, "hidden", []bool{
					value[songspy.User](t)(b.User(t.Context(), l.UserID)).HiddenByOperator, b.rule(t, l.UserID).HiddenByOperator, b.boardRule(t, l.UserID).HiddenByOperator,
				}, []bool{hidden, hidden, hidden})
			}
			same(t, "the audit log", kinds(t, b, l.UserID), []string{"shown by operator: spam", "hidden by operator: spam", "linked by self: ", "signed_up by self: "})
			same(t, "changes", b.changesAfter(t, number), []string{"user 1", "user 1"})
			RequireCode(t, b.SetHiddenByOperator(t.Context(), 404, true, ""), songspy.CodeNotFound)
		},
		"HiddenByOperator_ListsHiddenUsersWithTheirReason": func(t *testing.T, b *fixture) {
			var want []songspy.PublicID
			for i := range 4 {
				u := b.newUser(t)
				if i == 0 { // must not be returned: this user is hidden, and then shown again
					must(t, b.SetHiddenByOperator(t.Context(), u.ID, true, "a mistake"))
					must(t, b.SetHiddenByOperator(t.Context(), u.ID, false, ""))
					continue
				}
				must(t, b.SetHiddenByOperator(t.Context(), u.ID, true, "first"))
				must(t, b.SetHiddenByOperator(t.Context(), u.ID, false, ""))
				b.clock.advance(time.Hour)
				must(t, b.SetHiddenByOperator(t.Context(), u.ID, true, "second"))
				want = append(want, u.PublicID)
			}
			b.newUser(t) // must not be returned: this user was never hidden
			slices.Sort(want)
			var got []songspy.PublicID
			for after := songspy.PublicID(0); ; {
				page := value[[]songspy.HiddenPerson](t)(b.HiddenByOperator(t.Context(), after, 2))
				for _, h := range page {
					after = h.Person.User.PublicID
					got = append(got, after)
					if h.Since == nil || !h.Since.After(start) || h.Detail != "second" || !h.Person.User.HiddenByOperator {
						t.Errorf("hidden is %+v", h)
					}
				}
				if len(page) < 2 {
					break
				}
			}
			same(t, "the hidden users", got, want)
			_, err := b.sql(t).ExecContext(t.Context(), `DELETE FROM audit_events`)
			must(t, err)
			same(t, "hidden without an audit log", value[[]songspy.HiddenPerson](t)(b.HiddenByOperator(t.Context(), 0, 1))[0].Since, (*time.Time)(nil))
		},
		"RenameByOperator_IsRecordedAndPublished": func(t *testing.T, b *fixture) {
			u, nick := b.newUser(t), "polite"
			number := b.lastChange(t)
			for _, name := range []*string{&nick, &nick, nil} {
				must(t, b.RenameByOperator(t.Context(), u.ID, name, ""))
				same(t, "the name", value[songspy.User](t)(b.User(t.Context(), u.ID)).NickName, name)
			}
			same(t, "the audit log", kinds(t, b, u.ID), []string{"renamed by operator: ", "renamed by operator: ", "signed_up by self: "})
			same(t, "changes", b.changesAfter(t, number), []string{"user 1", "user 1"})
		},
		"AuditEvents_RecordTheActsOfTheUser": func(t *testing.T, b *fixture) {
			l, other := b.newLinkedUser(t), b.newUser(t).ID
			one, two := newSession(l.UserID, "Firefox\x00"), newSession(l.UserID, "Safari")
			one = value[songspy.Session](t)(b.CreateSession(t.Context(), one))
			two = value[songspy.Session](t)(b.CreateSession(t.Context(), two))
			next := value[songspy.Session](t)(b.RotateSession(t.Context(), one.ID, newSession(0, "next"))) // must not be recorded: a rotation is no sign-in
			must(t, b.RevokeFamily(t.Context(), next.Family, songspy.ActorSystem))
			must(t, b.RevokeFamily(t.Context(), next.Family, songspy.ActorSystem)) // must not be recorded: no session is left to revoke
			must(t, b.RevokeSessions(t.Context(), l.UserID, two.Family))
			value[songspy.Session](t)(b.CreateSession(t.Context(), newSession(l.UserID, "")))
			must(t, b.RevokeSessions(t.Context(), l.UserID, 0))
			b.share(t, l.UserID, func(p *songspy.Sharing) { p.Now, p.HideEpisodes = songspy.AudienceNobody, true })
			b.share(t, l.UserID, func(*songspy.Sharing) {})
			b.write(t, playingUpdate(b.newLinkedUser(t), song(1), start))                                               // stores song(1), so that the audit log shows its title
			for _, uri := range []string{"spotify:artist:unknown", song(1).URI, song(1).URI, localFile("a file").URI} { // the third is hidden already
				value[songspy.HiddenItem](t)(b.HideItem(t.Context(), l.UserID, uri))
			}
			must(t, b.ShowItem(t.Context(), l.UserID, "spotify:artist:unknown"))
			must(t, b.ShowItem(t.Context(), l.UserID, song(1).URI))
			RequireCode(t, b.ShowItem(t.Context(), l.UserID, song(1).URI), songspy.CodeNotFound)
			value[songspy.ShareLink](t)(b.SaveShareLink(t.Context(), l.UserID, []byte("hash")))
			must(t, b.DeleteShareLink(t.Context(), l.UserID))
			embed := value[songspy.EmbedToken](t)(b.CreateEmbedToken(t.Context(), songspy.EmbedToken{UserID: l.UserID, Purpose: songspy.EmbedImage, Label: "my page", Hash: []byte("hash")}))
			must(t, b.DeleteEmbedToken(t.Context(), l.UserID, embed.ID))
			value[songspy.Webhook](t)(b.SaveWebhook(t.Context(), l.UserID, "https://hook.example/", "key"))
			must(t, b.DeleteWebhook(t.Context(), l.UserID))
			update := playingUpdate(l, song(1), start)
			update.Plays = []songspy.Play{finishedPlay(song(1), start.Add(-time.Hour)), finishedPlay(song(2), start.Add(-2*time.Hour))}
			update.Tracks = append(update.Tracks, song(2))
			b.write(t, update)
			b.deleteFirstPlay(t, l.UserID)
			value[songspy.Erasure](t)(b.Unlink(t.Context(), l.UserID))
			log := kinds(t, b, l.UserID)
			slices.Reverse(log)
			same(t, "the audit log", log, []string{
				"signed_up by self: ", "linked by self: ", "signed_in by self: Firefox", "signed_in by self: Safari", "signed_out by system: Firefox",
				"signed_out by self: Safari", "signed_in by self: ", "signed_out_all by self: ", "sharing_changed by self: now, hideEpisodes",
				"item_hidden by self: spotify:artist:unknown", "item_hidden by self: " + song(1).Title, "item_hidden by self: ",
				"item_shown by self: spotify:artist:unknown", "item_shown by self: " + song(1).Title,
				"share_link_created by self: ", "share_link_revoked by self: ", "embed_created by self: my page", "embed_revoked by self: my page",
				"webhook_set by self: ", "webhook_deleted by self: ", "erased by self: plays: 1", "unlinked by self: plays: 1",
			})
			same(t, "of another user", kinds(t, b, other), []string{"signed_up by self: "})
		},
		"AuditEvents_RecordThatALinkMovedWithoutNamingTheOtherUser": func(t *testing.T, b *fixture) {
			l, to := b.newLinkedUser(t), b.newUser(t)
			value[songspy.Link](t)(b.SaveLink(t.Context(), songspy.NewLink{
				UserID: to.ID, App: l.App, Grant: grant("moved"), Account: songspy.SpotifyAccount{AccountID: *l.AccountID}, Move: true,
			}))
			same(t, "before", kinds(t, b, l.UserID)[0], "unlinked by system: plays: 0")
			same(t, "after", kinds(t, b, to.ID)[0], "linked by self: ")
		},
		"AuditEvents_ThatFailAreNotRecorded": func(t *testing.T, b *fixture) {
			first := value[songspy.Session](t)(b.CreateSession(t.Context(), newSession(b.newUser(t).ID, "one")))
			_, err := b.CreateSession(t.Context(), newSession(first.UserID, "one")) // must not be recorded: another session has this token
			RequireCode(t, err, songspy.CodeConflict)
			same(t, "the audit log", kinds(t, b, first.UserID), []string{"signed_in by self: one", "signed_up by self: "})
		},
		"AuditEvents_ArePagedAndPruned": func(t *testing.T, b *fixture) {
			id := b.newUser(t).ID // the sign-up is event 1
			b.clock.advance(time.Hour)
			must(t, b.SetHiddenByOperator(t.Context(), id, true, "d"))
			must(t, b.SetHiddenByOperator(t.Context(), id, false, "d"))
			page := value[[]songspy.AuditEvent](t)(b.AuditEvents(t.Context(), id, 0, 2))
			same(t, "newest first", page, []songspy.AuditEvent{
				{UserID: id, ID: 3, Kind: songspy.AuditShown, Actor: songspy.ActorOperator, Detail: "d", At: start.Add(time.Hour)},
				{UserID: id, ID: 2, Kind: songspy.AuditHidden, Actor: songspy.ActorOperator, Detail: "d", At: start.Add(time.Hour)},
			})
			page = value[[]songspy.AuditEvent](t)(b.AuditEvents(t.Context(), id, page[1].ID, 2))
			same(t, "the next page", []any{len(page), page[0].Kind}, []any{1, songspy.AuditSignedUp})
			same(t, "pruned", value[int64](t)(b.PruneAuditEvents(t.Context(), start.Add(2*time.Hour))), 2)
			must(t, b.SetHiddenByOperator(t.Context(), id, true, ""))
			same(t, "the next id", value[[]songspy.AuditEvent](t)(b.AuditEvents(t.Context(), id, 0, 1))[0].ID, 4)
		},
		"AuditEvents_OfOneKindPushOutNoOthers": func(t *testing.T, b *fixture) {
			id := b.newUser(t).ID
			const many = 205
			for i := range many {
				value[songspy.ShareLink](t)(b.SaveShareLink(t.Context(), id, fmt.Append(nil, "hash ", i)))
			}
			events := value[[]songspy.AuditEvent](t)(b.AuditEvents(t.Context(), id, 0, 1000))
			oldest := events[len(events)-2]
			same(t, "the events, the newest, the oldest of its kind, and the first", []any{len(events), events[0].ID, oldest.Kind, oldest.ID, events[len(events)-1].Kind},
				[]any{201, int64(many + 1), songspy.AuditShareLinkCreated, int64(many + 1 - 199), songspy.AuditSignedUp})
		},
	}
}

func attempts() suite {
	attempt := func(state string) songspy.AuthorizationAttempt {
		return songspy.AuthorizationAttempt{
			StateHash: []byte("hash of " + state), BrowserHash: []byte("browser"), Provider: songspy.AuthorizationGoogle, UserID: 0,
			Verifier: "the verifier", Invite: "an invite", Move: true, Nonce: "nonce", ReturnPath: "/people", ExpiresAt: start.Add(10 * time.Minute),
		}
	}
	return suite{
		"AuthorizationAttempt_IsTakenOnce": func(t *testing.T, b *fixture) {
			a := attempt("one")
			must(t, b.CreateAuthorizationAttempt(t.Context(), a))
			RequireCode(t, b.CreateAuthorizationAttempt(t.Context(), a), songspy.CodeConflict)
			taken := value[songspy.AuthorizationAttempt](t)(b.TakeAuthorizationAttempt(t.Context(), a.StateHash, start))
			same(t, "the attempt", taken, a)
			same(t, "its secrets", []string{taken.Verifier.Reveal(), taken.Invite.Reveal()}, []string{"the verifier", "an invite"})
			_, err := b.TakeAuthorizationAttempt(t.Context(), a.StateHash, start)
			RequireCode(t, err, songspy.CodeNotFound)
		},
		"AuthorizationAttempt_OfSeveralProcessesIsTakenOnce": func(t *testing.T, b *fixture) {
			a := attempt("one")
			must(t, b.CreateAuthorizationAttempt(t.Context(), a))
			const processes = 4
			codes := make(chan songspy.Code)
			for range processes {
				s := b.openAnother(t, func(o *store.Options) { o.Observe = nil })
				go func() {
					_, err := s.TakeAuthorizationAttempt(t.Context(), a.StateHash, start)
					codes <- songspy.CodeOf(err)
				}()
			}
			count := map[songspy.Code]int{}
			for range processes {
				count[<-codes]++
			}
			same(t, "results", count, map[songspy.Code]int{"": 1, songspy.CodeNotFound: processes - 1})
		},
		"AuthorizationAttempt_Expires": func(t *testing.T, b *fixture) {
			for _, state := range []string{"late", "pruned"} {
				must(t, b.CreateAuthorizationAttempt(t.Context(), attempt(state)))
			}
			_, err := b.TakeAuthorizationAttempt(t.Context(), attempt("late").StateHash, start.Add(10*time.Minute))
			RequireCode(t, err, songspy.CodeNotFound)
			same(t, "pruned", value[int64](t)(b.PruneAuthorizationAttempts(t.Context(), start.Add(10*time.Minute))), 0)
			same(t, "pruned later", value[int64](t)(b.PruneAuthorizationAttempts(t.Context(), start.Add(10*time.Minute+time.Microsecond))), 1)
		},
		"AuthorizationAttempt_KeepsItsSecretsEncrypted": func(t *testing.T, b *fixture) {
			must(t, b.CreateAuthorizationAttempt(t.Context(), attempt("one")))
			row := map[string][]byte{"the row": fmt.Appendf(nil, "%s", selectRow(t, b.sql(t), "SELECT * FROM authorization_attempts"))}
			same(t, "found", findSecrets(row, secrets{"verifier": []byte("the verifier"), "invite": []byte("an invite"), "nonce": []byte("nonce")}), []string{"nonce in the row"})
		},
	}
}
