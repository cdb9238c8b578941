package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

// share changes the sharing settings of the user.
func (b *fixture) share(t *testing.T, id songspy.UserID, change func(*songspy.Sharing)) songspy.Sharing {
	t.Helper()
	return value[songspy.Sharing](t)(b.ChangeSharing(t.Context(), id, func(p *songspy.Sharing) error {
		change(p)
		return nil
	}))
}

// rule returns the stored rows that decide what others see of the user: all sharing periods
// and hidden items.
func (b *fixture) rule(t *testing.T, id songspy.UserID) songspy.SharingRule {
	t.Helper()
	people := value[[]songspy.Person](t)(b.People(t.Context(), []songspy.UserID{id}))
	same(t, "rules", len(people), 1)
	return people[0].Rule
}

// boardRule returns the sharing periods and hidden items in the user's board entry: only
// those of the method rule that may concern the open play.
func (b *fixture) boardRule(t *testing.T, id songspy.UserID) songspy.SharingRule {
	t.Helper()
	entries := value[[]songspy.BoardEntry](t)(b.BoardEntries(t.Context(), []songspy.UserID{id}))
	same(t, "entries", len(entries), 1)
	return entries[0].Rule
}

func sharing() suite {
	nobodyNow := func(p *songspy.Sharing) { p.Now = songspy.AudienceNobody }
	return suite{
		"SignIn_BeginsTheFirstSharingPeriod": func(t *testing.T, b *fixture) {
			u, _, err := b.SignIn(t.Context(), songspy.GoogleProfile{Subject: "one"}, songspy.AudienceFollowers)
			must(t, err)
			want := songspy.NewSharing(u.ID, songspy.AudienceFollowers, start)
			same(t, "settings", value[songspy.Sharing](t)(b.Sharing(t.Context(), u.ID)), want)
			same(t, "the rule", b.rule(t, u.ID), songspy.SharingRule{Owner: u.ID, Periods: []songspy.Sharing{want}})
			_, err = b.Sharing(t.Context(), 404)
			RequireCode(t, err, songspy.CodeNotFound)
		},
		"ChangeSharing_BeginsANewPeriodAndKeepsTheOldOne": func(t *testing.T, b *fixture) {
			u, until := b.newUser(t), start.Add(3*time.Hour+time.Microsecond)
			first, number := value[songspy.Sharing](t)(b.Sharing(t.Context(), u.ID)), b.lastChange(t)
			b.clock.advance(time.Hour)
			second := songspy.Sharing{
				UserID: u.ID, BeganAt: start.Add(time.Hour), Now: songspy.AudienceLink, History: songspy.AudienceFollowers, HiddenUntil: &until,
				MinSeconds: 60, HideEpisodes: true, HideChapters: true, Findable: true,
			}
			same(t, "the new settings", b.share(t, u.ID, func(p *songspy.Sharing) { *p = second }), second)
			same(t, "the present", value[songspy.Sharing](t)(b.Sharing(t.Context(), u.ID)), second)
			same(t, "the past", b.rule(t, u.ID).Periods, []songspy.Sharing{first, second})
			same(t, "changes", b.changesAfter(t, number), []string{"user 1"})
			got := value[songspy.User](t)(b.User(t.Context(), u.ID))
			same(t, "the audience of the user", []any{got.Audience, got.SharingPausedUntil}, []any{songspy.AudienceLink, until})
		},
		"ChangeSharing_KeepsHiddenForever": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			b.share(t, u.ID, func(p *songspy.Sharing) { p.HiddenUntil = &songspy.HiddenForever })
			same(t, "hidden until", *b.rule(t, u.ID).Present().HiddenUntil, songspy.HiddenForever)
			b.share(t, u.ID, func(p *songspy.Sharing) { p.HiddenUntil = nil })
			same(t, "hidden until, switched off", b.rule(t, u.ID).Present().HiddenUntil == nil, true)
		},
		"ChangeSharing_OfNothingWritesNothing": func(t *testing.T, b *fixture) {
			u, until := b.newUser(t), start.Add(time.Hour)
			b.share(t, u.ID, func(p *songspy.Sharing) { p.HiddenUntil = &until })
			number := b.lastChange(t)
			b.clock.advance(time.Hour)
			again := until.In(time.FixedZone("elsewhere", 3600))
			requireNoWrites(t, b.statements.recordDuring(func() {
				b.share(t, u.ID, func(p *songspy.Sharing) { p.HiddenUntil, p.BeganAt, p.UserID = &again, start.Add(24*time.Hour), 99 })
			}))
			boom := errors.New("boom")
			_, err := b.ChangeSharing(t.Context(), u.ID, func(p *songspy.Sharing) error { p.MinSeconds = 30; return boom })
			same(t, "the error is that of the function", errors.Is(err, boom), true)
			same(t, "periods", len(b.rule(t, u.ID).Periods), 2)
			same(t, "changes", b.changesAfter(t, number), []string(nil))
		},
		"ChangeSharing_AtTheSameTimeBeginsAMicrosecondLater": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			b.share(t, u.ID, nobodyNow)
			b.clock.advance(-time.Hour) // as if the clock had been fast and was set back
			b.share(t, u.ID, func(p *songspy.Sharing) { p.Now = songspy.AudienceEveryone })
			var began []time.Time
			for _, p := range b.rule(t, u.ID).Periods {
				began = append(began, p.BeganAt)
			}
			same(t, "periods begin", began, []time.Time{start.Add(-12 * time.Hour), start, start.Add(time.Microsecond)})
			same(t, "the present", b.rule(t, u.ID).Present().Now, songspy.AudienceEveryone)
		},
		"ChangeSharing_RejectsSettingsThatDoNotExist": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			for what, change := range map[string]func(*songspy.Sharing){
				"now": func(p *songspy.Sharing) { p.Now = "the world" }, "history": func(p *songspy.Sharing) { p.History = "" },
				"minimum": func(p *songspy.Sharing) { p.MinSeconds = 45 },
			} {
				_, err := b.ChangeSharing(t.Context(), u.ID, func(p *songspy.Sharing) error { change(p); return nil })
				if songspy.CodeOf(err) != songspy.CodeInvalid {
					t.Errorf("%s: %v", what, err)
				}
			}
			_, err := b.ChangeSharing(t.Context(), 404, func(*songspy.Sharing) error { return nil })
			RequireCode(t, err, songspy.CodeNotFound)
		},
		"ChangeSharing_FromSeveralProcessesKeepsEveryChange": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			const processes = 4
			done := make(chan error)
			for i := range processes {
				s := b.openAnother(t, func(o *store.Options) { o.Observe = nil })
				go func() {
					_, err := s.ChangeSharing(t.Context(), u.ID, func(p *songspy.Sharing) error {
						until := start.Add(time.Duration(i+1) * time.Hour)
						p.HiddenUntil = &until
						return nil
					})
					done <- err
				}()
			}
			for range processes {
				must(t, <-done)
			}
			periods := b.rule(t, u.ID).Periods
			same(t, "periods", len(periods), 1+processes)
			same(t, "in order", slices.IsSortedFunc(periods, func(a, b songspy.Sharing) int { return a.BeganAt.Compare(b.BeganAt) }), true)
		},
		"BoardEntries_HaveThePeriodsOfTheOpenPlay": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t) // its first period begins 12 h before start
			for range 3 {           // its next periods begin at start + 1, 2 and 3 h
				b.clock.advance(time.Hour)
				b.share(t, l.UserID, func(p *songspy.Sharing) { p.HideEpisodes = !p.HideEpisodes })
			}
			all := b.rule(t, l.UserID).Periods
			for began, want := range map[time.Duration][]songspy.Sharing{
				-time.Minute: all, 0: all, time.Hour - time.Microsecond: all, time.Hour: all[1:], 90 * time.Minute: all[1:], 4 * time.Hour: all[3:],
			} {
				update := playingUpdate(l, song(1), start.Add(began+time.Minute))
				update.Playing.Generation = l.Generation
				b.exec(t, `DELETE FROM now_playing`)
				b.write(t, update)
				same(t, fmt.Sprintf("of a play that began %s after start", began), b.boardRule(t, l.UserID).Periods, want)
			}
			b.write(t, playingUpdate(l, song(1), start.Add(5*time.Hour)))
			number := 0
			_, err := b.BoardSnapshot(t.Context(), func(e songspy.BoardEntry) error {
				number++
				same(t, "in the snapshot", e.Rule, b.boardRule(t, l.UserID))
				return nil
			})
			must(t, err)
			same(t, "users in the snapshot", number, 1)
		},
		"BoardEntries_HaveTheItemsHiddenDuringTheOpenPlay": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			for _, uri := range []string{"spotify:artist:before", "spotify:artist:during", "spotify:artist:present"} {
				value[songspy.HiddenItem](t)(b.HideItem(t.Context(), l.UserID, uri))
			}
			b.clock.advance(time.Hour)
			must(t, b.ShowItem(t.Context(), l.UserID, "spotify:artist:before"))
			b.write(t, playingUpdate(l, song(1), start.Add(2*time.Hour)))
			b.clock.advance(2 * time.Hour)
			must(t, b.ShowItem(t.Context(), l.UserID, "spotify:artist:during"))
			ended := start.Add(3 * time.Hour)
			same(t, "hidden items", b.boardRule(t, l.UserID).Hidden, []songspy.HiddenItem{
				{UserID: l.UserID, URI: "spotify:artist:during", BeganAt: start, EndedAt: &ended}, {UserID: l.UserID, URI: "spotify:artist:present", BeganAt: start},
			})
			same(t, "all that were ever hidden", len(b.rule(t, l.UserID).Hidden), 3)
		},
		"HideItem_HidesOnceAndKeepsThePast": func(t *testing.T, b *fixture) {
			const uri = "spotify:artist:one"
			u, other := b.newUser(t), b.newUser(t)
			number := b.lastChange(t)
			value[songspy.HiddenItem](t)(b.HideItem(t.Context(), u.ID, uri))
			same(t, "hidden again", value[songspy.HiddenItem](t)(b.HideItem(t.Context(), u.ID, uri)).BeganAt, start)
			must(t, b.ShowItem(t.Context(), u.ID, uri)) // the clock still shows the time of HideItem, so the hiding ends a microsecond later
			RequireCode(t, b.ShowItem(t.Context(), u.ID, uri), songspy.CodeNotFound)
			value[songspy.HiddenItem](t)(b.HideItem(t.Context(), u.ID, uri))
			shown := start.Add(time.Microsecond)
			same(t, "the past", b.rule(t, u.ID).Hidden, []songspy.HiddenItem{
				{UserID: u.ID, URI: uri, BeganAt: start, EndedAt: &shown}, {UserID: u.ID, URI: uri, BeganAt: shown},
			})
			same(t, "changes", b.changesAfter(t, number), []string{"user 1", "user 1", "user 1"})
			RequireCode(t, b.ShowItem(t.Context(), other.ID, uri), songspy.CodeNotFound)
			_, err := b.HideItem(t.Context(), 404, uri)
			RequireCode(t, err, songspy.CodeNotFound)
		},
		"HideItem_TakesTheNameFromTheCatalogue": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			track := identified(song(1))
			later := value[songspy.HiddenItem](t)(b.HideItem(t.Context(), l.UserID, track.ArtistRefs[1].URI)) // the catalogue does not have this artist yet
			same(t, "the name of an unknown artist", later.Name, "")
			b.write(t, playingUpdate(l, track, start))
			same(t, "a track", value[songspy.HiddenItem](t)(b.HideItem(t.Context(), l.UserID, track.URI)).Name, track.Title)
			same(t, "an artist", value[songspy.HiddenItem](t)(b.HideItem(t.Context(), l.UserID, track.ArtistRefs[0].URI)).Name, track.ArtistRefs[0].Name)
			names := map[string]string{}
			for _, h := range value[[]songspy.HiddenItem](t)(b.HiddenItems(t.Context(), l.UserID, "", 10)) {
				names[h.URI] = h.Name
			}
			for _, h := range b.boardRule(t, l.UserID).Hidden {
				same(t, "the same name on the board", h.Name, names[h.URI])
			}
			same(t, "names", names, map[string]string{track.URI: track.Title, track.ArtistRefs[0].URI: track.ArtistRefs[0].Name, track.ArtistRefs[1].URI: track.ArtistRefs[1].Name})
		},
		"HiddenItems_ArePagedAndLimited": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			for i := range 5 {
				value[songspy.HiddenItem](t)(b.HideItem(t.Context(), u.ID, fmt.Sprint("spotify:artist:", i)))
			}
			must(t, b.ShowItem(t.Context(), u.ID, "spotify:artist:2"))
			var uris []string
			for after := ""; ; {
				page := value[[]songspy.HiddenItem](t)(b.HiddenItems(t.Context(), u.ID, after, 2))
				for _, h := range page {
					uris = append(uris, strings.TrimPrefix(h.URI, "spotify:artist:"))
					after = h.URI
				}
				if len(page) < 2 {
					break
				}
			}
			same(t, "items", uris, []string{"0", "1", "3", "4"})
			for i := range songspy.HiddenItemsMax - 4 {
				b.exec(t, `INSERT INTO hidden_items (user_id, uri, began_at, name) VALUES ($1, $2, $3, '')`, int64(u.ID), fmt.Sprint("spotify:track:", i), start)
			}
			_, err := b.HideItem(t.Context(), u.ID, "spotify:artist:one-too-many")
			RequireCode(t, err, songspy.CodeUnprocessable)
			same(t, "reason", songspy.ReasonOf(err), "TOO_MANY_HIDDEN_ITEMS")
		},
	}
}
