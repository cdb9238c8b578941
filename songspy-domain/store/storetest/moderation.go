package storetest

import (
	"fmt"
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
			same(t, "the audit log", kinds(t, b, l.UserID), []string{"shown by operator: spam", "hidden by operator: spam"})
			same(t, "changes", b.changesAfter(t, number), []string{"user 1", "user 1"})
			RequireCode(t, b.SetHiddenByOperator(t.Context(), 404, true, ""), songspy.CodeNotFound)
		},
		"RenameByOperator_IsRecordedAndPublished": func(t *testing.T, b *fixture) {
			u, nick := b.newUser(t), "polite"
			number := b.lastChange(t)
			for _, name := range []*string{&nick, &nick, nil} {
				must(t, b.RenameByOperator(t.Context(), u.ID, name, ""))
				same(t, "the name", value[songspy.User](t)(b.User(t.Context(), u.ID)).NickName, name)
			}
			same(t, "the audit log", kinds(t, b, u.ID), []string{"renamed by operator: ", "renamed by operator: "})
			same(t, "changes", b.changesAfter(t, number), []string{"user 1", "user 1"})
		},
		"AuditEvents_CountFromOneForEachUser": func(t *testing.T, b *fixture) {
			one, two := b.newUser(t).ID, b.newUser(t).ID
			event := func(id songspy.UserID, kind songspy.AuditKind) {
				t.Helper()
				must(t, b.AddAuditEvent(t.Context(), songspy.AuditEvent{UserID: id, ID: 99, Kind: kind, Actor: songspy.ActorSelf, Detail: "d"}))
			}
			event(one, songspy.AuditSignedUp)
			event(two, songspy.AuditSignedUp)
			b.clock.advance(time.Hour)
			event(one, songspy.AuditLinked)
			event(one, songspy.AuditUnlinked)
			page := value[[]songspy.AuditEvent](t)(b.AuditEvents(t.Context(), one, 0, 2))
			same(t, "newest first", page, []songspy.AuditEvent{
				{UserID: one, ID: 3, Kind: songspy.AuditUnlinked, Actor: songspy.ActorSelf, Detail: "d", At: start.Add(time.Hour)},
				{UserID: one, ID: 2, Kind: songspy.AuditLinked, Actor: songspy.ActorSelf, Detail: "d", At: start.Add(time.Hour)},
			})
			page = value[[]songspy.AuditEvent](t)(b.AuditEvents(t.Context(), one, page[1].ID, 2))
			same(t, "the next page", []any{len(page), page[0].Kind}, []any{1, songspy.AuditSignedUp})
			same(t, "of another user", kinds(t, b, two), []string{"signed_up by self: d"})
			RequireCode(t, b.AddAuditEvent(t.Context(), songspy.AuditEvent{UserID: 404, Kind: songspy.AuditLinked, Actor: songspy.ActorSelf}), songspy.CodeNotFound)
			RequireCode(t, b.AddAuditEvent(t.Context(), songspy.AuditEvent{UserID: one, Kind: songspy.AuditLinked, Actor: "stranger"}), songspy.CodeInvalid)
			same(t, "pruned", value[int64](t)(b.PruneAuditEvents(t.Context(), start.Add(2*time.Hour))), 2)
			event(one, songspy.AuditLinked)
			same(t, "the next id", value[[]songspy.AuditEvent](t)(b.AuditEvents(t.Context(), one, 0, 1))[0].ID, 4)
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
