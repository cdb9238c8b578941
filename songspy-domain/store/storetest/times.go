package storetest

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

// times tests that all times are read in UTC and in whole microseconds, whatever time zone
// and nanoseconds they were written with.
func times() suite {
	zones := []*time.Location{
		time.UTC, time.FixedZone("Kathmandu", 5*3600+45*60), time.FixedZone("Marquesas", -9*3600-30*60), time.Local,
	}
	return suite{
		"Times_ComeBackInUTCAndWholeMicroseconds": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			for i, zone := range zones {
				at := start.Add(time.Duration(i) * time.Second).In(zone)
				update := playingUpdate(l, song(i), at.Add(999*time.Nanosecond))
				update.Playing.PausedSince = update.Playing.EndsAt
				b.write(t, update)
				got := b.nowPlaying(t, l.UserID)
				same(t, "observed in "+zone.String(), got.ObservedAt, at.UTC())
				same(t, "paused since in "+zone.String(), *got.PausedSince, at.Add(2*time.Minute).UTC())
				for _, read := range []time.Time{got.ObservedAt, got.StartedAt, *got.EndsAt} {
					if read.Location() != time.UTC {
						t.Fatalf("a time was read in the zone %v", read.Location())
					}
				}
			}
		},
		"Times_OfEntitiesAreTheSameWhenCreatedAndWhenRead": func(t *testing.T, b *fixture) {
			zone := zones[1]
			s := b.db.Open(t, func(o *store.Options) {
				o.Now = func() time.Time { return start.Add(1234 * time.Nanosecond).In(zone) }
			})
			u, _, err := s.SignIn(t.Context(), songspy.GoogleProfile{Subject: "zoned"}, songspy.AudienceEveryone)
			must(t, err)
			same(t, "created at", u.CreatedAt, start.Add(time.Microsecond))
			until := start.Add(time.Hour + time.Nanosecond).In(zone)
			same(t, "the user", value[songspy.User](t)(s.User(t.Context(), u.ID)), u)
			sharing := value[songspy.Sharing](t)(s.ChangeSharing(t.Context(), u.ID, func(p *songspy.Sharing) error {
				p.HiddenUntil = &until
				return nil
			}))
			same(t, "the sharing settings", value[songspy.Sharing](t)(s.Sharing(t.Context(), u.ID)), sharing)
			created := newSession(u.ID, "zoned")
			created.CreatedAt, created.ExpiresAt = created.CreatedAt.In(zone), created.ExpiresAt.Add(time.Nanosecond).In(zone)
			created = value[songspy.Session](t)(s.CreateSession(t.Context(), created))
			same(t, "the session", value[songspy.Session](t)(s.Session(t.Context(), created.ID)), created)
			g := grant("zoned")
			g.ExpiresAt = g.ExpiresAt.Add(time.Nanosecond).In(zone)
			l := value[songspy.Link](t)(s.SaveLink(t.Context(), songspy.NewLink{UserID: u.ID, Grant: g, Account: account("zoned"), ConsentedAt: until}))
			same(t, "the link", value[songspy.Link](t)(s.Link(t.Context(), u.ID)), l)
			l = value[songspy.Link](t)(s.UpdateLink(t.Context(), u.ID, func(l *songspy.Link) error {
				l.AccessExpiresAt = until
				return nil
			}))
			same(t, "the link, changed", value[songspy.Link](t)(s.Link(t.Context(), u.ID)), l)
		},
		"Times_AreComparedAcrossZones": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t) // its token expires at start + 1 h
			for _, zone := range zones {
				expiresAt := start.Add(time.Hour).In(zone)
				same(t, "not yet in "+zone.String(), len(value[[]songspy.Link](t)(b.LinksToRenew(t.Context(), expiresAt, 0, 10))), 0)
				due := value[[]songspy.Link](t)(b.LinksToRenew(t.Context(), expiresAt.Add(time.Microsecond), 0, 10))
				same(t, "due in "+zone.String(), len(due), 1)
				same(t, "the user", due[0].UserID, l.UserID)
			}
		},
		"Times_ThatAreZeroStayZero": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			update.Playing.OtherSeenAt = time.Time{}
			b.write(t, update)
			if got := b.nowPlaying(t, l.UserID).OtherSeenAt; !got.IsZero() {
				t.Fatalf("the zero time was read as %v", got)
			}
		},
	}
}
