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

var mailChannels, webhookChannels = []songspy.NotificationChannel{songspy.ChannelMail}, []songspy.NotificationChannel{songspy.ChannelWebhook}

// relinkNotification returns a notification that is sent to the user by e-mail: the user
// has to link Spotify again.
func relinkNotification(id songspy.UserID) songspy.Notification {
	return songspy.Notification{UserID: id, App: "main", Kind: songspy.NotificationRelink, Occurrence: "1", Channel: songspy.ChannelMail}
}

// unregisteredNotification returns a notification that is sent to the operator by webhook:
// the operator has to register the user with the Spotify app.
func unregisteredNotification(id songspy.UserID) songspy.Notification {
	return songspy.Notification{UserID: id, App: "main", Kind: songspy.NotificationNotRegistered, Occurrence: "1", Channel: songspy.ChannelWebhook}
}

// seatAskedNotification returns a notification that is sent to the operator by webhook: the
// user has requested a seat (a place in a Spotify app).
func seatAskedNotification(id songspy.UserID) songspy.Notification {
	return songspy.Notification{UserID: id, App: "main", Kind: songspy.NotificationSeatRequested, Occurrence: "1", Channel: songspy.ChannelWebhook}
}

func (b *fixture) queueNotifications(t *testing.T, notifications ...songspy.Notification) {
	t.Helper()
	must(t, b.QueueNotifications(t.Context(), notifications, time.Hour))
}

// claimNotification claims a message on one of the given channels. It returns the message,
// and as text the ids of the users that its notifications are about, such as "1 2". If no
// message is due, the text is empty.
func claimNotification(t *testing.T, s *store.Store, by []songspy.NotificationChannel) (m songspy.NotificationMessage, userIDs string) {
	t.Helper()
	m, ok, err := s.ClaimNotification(t.Context(), by, 5*time.Minute)
	must(t, err)
	if ok != (len(m.Notifications) > 0) {
		t.Fatalf("claimed: %v, %+v", ok, m)
	}
	var ids []string
	for _, n := range m.Notifications {
		ids = append(ids, fmt.Sprint(n.UserID))
	}
	slices.Sort(ids)
	return m, strings.Join(ids, " ")
}

func notificationIDs(m songspy.NotificationMessage) (all []int64) {
	for _, n := range m.Notifications {
		all = append(all, n.ID)
	}
	return all
}

// notifications tests that every queued notification is sent once, by one process, and that
// NotificationLinks finds the links that may need a notification.
func notifications() suite {
	return suite{
		"QueueNotifications_OfOneNameAreSentOnce": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			for range 3 {
				b.queueNotifications(t, relinkNotification(u.ID))
				b.clock.advance(2 * time.Hour)
			}
			m, userIDs := claimNotification(t, b.Store, mailChannels)
			same(t, "users", userIDs, fmt.Sprint(u.ID))
			same(t, "since", m.Since, start)
			same(t, "tries", m.Attempts, 1)
			must(t, b.CompleteNotifications(t.Context(), notificationIDs(m), true))
			b.clock.advance(24 * time.Hour)
			b.queueNotifications(t, relinkNotification(u.ID))
			_, userIDs = claimNotification(t, b.Store, mailChannels)
			same(t, "sent again", userIDs, "")
			next := relinkNotification(u.ID)
			next.Occurrence = "2"
			b.queueNotifications(t, next)
			_, userIDs = claimNotification(t, b.Store, mailChannels)
			same(t, "another occurrence", userIDs, fmt.Sprint(u.ID))
		},
		"QueueNotifications_SeenRecentlyWriteNothing": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			b.queueNotifications(t, relinkNotification(u.ID))
			var before, after time.Time
			seen := func(at *time.Time) {
				must(t, b.sql(t).QueryRowContext(t.Context(), "SELECT seen_at FROM notifications").Scan(at))
			}
			b.clock.advance(30 * time.Minute)
			requireNoWrites(t, b.statements.recordDuring(func() { b.queueNotifications(t, relinkNotification(u.ID)) }))
			seen(&before)
			same(t, "seen within an hour", before.UTC(), start)
			b.clock.advance(time.Hour)
			b.queueNotifications(t, relinkNotification(u.ID))
			seen(&after)
			same(t, "seen later", after.UTC(), start.Add(90*time.Minute))
		},
		"QueueNotifications_SkipsErasedUsers": func(t *testing.T, b *fixture) {
			gone, stays := b.newUser(t), b.newUser(t)
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), gone.ID))
			b.queueNotifications(t, relinkNotification(gone.ID), relinkNotification(stays.ID))
			same(t, "of the erased user", b.countRows(t, "notifications", gone.ID), 0)
			same(t, "of the other user", b.countRows(t, "notifications", stays.ID), 1)
		},
		"Erasing_LeavesNoNotification": func(t *testing.T, b *fixture) {
			one, two := b.newLinkedUser(t), b.newLinkedUser(t)
			b.queueNotifications(t, relinkNotification(one.UserID), unregisteredNotification(one.UserID), relinkNotification(two.UserID), unregisteredNotification(two.UserID), seatAskedNotification(two.UserID))
			m, _ := claimNotification(t, b.Store, webhookChannels)
			value[songspy.Erasure](t)(b.Unlink(t.Context(), one.UserID))
			same(t, "of the unlinked user", b.countRows(t, "notifications", one.UserID), 0)
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), two.UserID))
			same(t, "of the erased user", b.countRows(t, "notifications", two.UserID), 0)
			must(t, b.CompleteNotifications(t.Context(), notificationIDs(m), true)) // as the process that was sending m during the erasure does afterwards
			_, userIDs := claimNotification(t, b.Store, mailChannels)
			same(t, "notifications left", userIDs, "")
		},
		"Unlinking_KeepsTheNotificationsOfASeat": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			b.queueNotifications(t, seatAskedNotification(l.UserID))
			m, _ := claimNotification(t, b.Store, webhookChannels)
			must(t, b.CompleteNotifications(t.Context(), notificationIDs(m), true))
			value[songspy.Erasure](t)(b.Unlink(t.Context(), l.UserID))
			b.clock.advance(2 * time.Hour)
			b.queueNotifications(t, seatAskedNotification(l.UserID))
			_, userIDs := claimNotification(t, b.Store, webhookChannels)
			same(t, "sent again", userIDs, "")
		},
		"ClaimNotification_LeasesTheMessage": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			b.queueNotifications(t, relinkNotification(u.ID))
			first, _ := claimNotification(t, b.Store, mailChannels)
			other := b.openAnother(t)
			_, userIDs := claimNotification(t, other, mailChannels)
			same(t, "within the lease", userIDs, "")
			_, userIDs = claimNotification(t, other, webhookChannels)
			same(t, "on another channel", userIDs, "")
			b.clock.advance(5 * time.Minute)
			second, userIDs := claimNotification(t, other, mailChannels)
			same(t, "after a crash", userIDs, fmt.Sprint(u.ID))
			same(t, "the message", second.ID, first.ID)
			same(t, "tries", second.Attempts, 2)
		},
		"ClaimNotification_GivesEachMessageToOneProcess": func(t *testing.T, b *fixture) {
			const userCount, replicas = 12, 4
			var filed []songspy.Notification
			for range userCount {
				u := b.newUser(t)
				filed = append(filed, relinkNotification(u.ID), unregisteredNotification(u.ID))
			}
			b.queueNotifications(t, filed...)
			var mu sync.Mutex
			reported, messages := map[string]int{}, map[string]int{}
			var all sync.WaitGroup
			for range replicas {
				s := b.openAnother(t)
				all.Go(func() {
					for range 2 * userCount {
						m, ok, err := s.ClaimNotification(t.Context(), append(mailChannels, webhookChannels...), time.Hour)
						if err != nil {
							t.Error(err)
						}
						if !ok {
							return
						}
						mu.Lock()
						messages[m.ID]++
						for _, n := range m.Notifications {
							reported[fmt.Sprint(n.Kind, n.UserID)]++
						}
						mu.Unlock()
						if err := s.CompleteNotifications(t.Context(), notificationIDs(m), true); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			same(t, "notifications sent", len(reported), 2*userCount)
			same(t, "messages", len(messages), userCount+1)
			for what, n := range reported {
				if n != 1 {
					t.Errorf("%s was given %d times", what, n)
				}
			}
		},
		"ClaimNotification_GroupsNotificationsForTheOperator": func(t *testing.T, b *fixture) {
			one, two, three := b.newUser(t).ID, b.newUser(t).ID, b.newUser(t).ID
			otherApp := unregisteredNotification(three)
			otherApp.App = "second"
			b.queueNotifications(t, unregisteredNotification(one), unregisteredNotification(two), otherApp)
			m, userIDs := claimNotification(t, b.Store, webhookChannels)
			same(t, "seats of the first app", userIDs, fmt.Sprint(one, " ", two))
			late, userIDs := claimNotification(t, b.Store, webhookChannels)
			same(t, "seats of the second app", userIDs, fmt.Sprint(three))
			must(t, b.CompleteNotifications(t.Context(), notificationIDs(m), true))
			must(t, b.CompleteNotifications(t.Context(), notificationIDs(late), true))
			b.queueNotifications(t, unregisteredNotification(three))
			b.clock.advance(59 * time.Minute)
			_, userIDs = claimNotification(t, b.Store, webhookChannels)
			same(t, "within an hour", userIDs, "")
			four := b.newUser(t).ID
			b.queueNotifications(t, unregisteredNotification(four))
			b.clock.advance(time.Minute)
			_, userIDs = claimNotification(t, b.Store, webhookChannels)
			same(t, "after it", userIDs, fmt.Sprint(three, " ", four))
		},
		"ClaimNotification_RetriesAMessageUnchanged": func(t *testing.T, b *fixture) {
			one, two := b.newUser(t).ID, b.newUser(t).ID
			b.queueNotifications(t, unregisteredNotification(one))
			first, _ := claimNotification(t, b.Store, webhookChannels)
			b.queueNotifications(t, unregisteredNotification(two))
			must(t, b.RetryNotifications(t.Context(), notificationIDs(first), b.clock.Now().Add(10*time.Minute)))
			_, userIDs := claimNotification(t, b.Store, webhookChannels)
			same(t, "before its time", userIDs, "")
			b.clock.advance(10 * time.Minute)
			again, userIDs := claimNotification(t, b.Store, webhookChannels)
			same(t, "users", userIDs, fmt.Sprint(one))
			same(t, "the message", again.ID, first.ID)
			must(t, b.CompleteNotifications(t.Context(), notificationIDs(again), false))
			b.clock.advance(time.Hour)
			next, userIDs := claimNotification(t, b.Store, webhookChannels)
			same(t, "then", userIDs, fmt.Sprint(two))
			if next.ID == first.ID {
				t.Error("two messages have the same ID")
			}
		},
		"DropNotifications_CanBeQueuedAgain": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			b.queueNotifications(t, relinkNotification(u.ID))
			first, _ := claimNotification(t, b.Store, mailChannels)
			must(t, b.DropNotifications(t.Context(), notificationIDs(first)))
			b.clock.advance(time.Hour)
			b.queueNotifications(t, relinkNotification(u.ID))
			second, userIDs := claimNotification(t, b.Store, mailChannels)
			same(t, "users", userIDs, fmt.Sprint(u.ID))
			if second.ID == first.ID {
				t.Error("it has the ID of a dropped message")
			}
		},
		"PruneNotifications_DeletesWhatWasNotSeenForLong": func(t *testing.T, b *fixture) {
			one, two := b.newUser(t).ID, b.newUser(t).ID
			b.queueNotifications(t, relinkNotification(one), relinkNotification(two))
			b.clock.advance(48 * time.Hour)
			b.queueNotifications(t, relinkNotification(two))
			same(t, "pruned", value[int64](t)(b.PruneNotifications(t.Context(), b.clock.Now().Add(-24*time.Hour))), 1)
			same(t, "of the erased user", b.countRows(t, "notifications", one), 0)
			same(t, "of the user that exists", b.countRows(t, "notifications", two), 1)
		},
		"ResolveNotifications_QueuesTheFollowUpOnChannelsThatSent": func(t *testing.T, b *fixture) {
			began := func(app string, by songspy.NotificationChannel) songspy.Notification {
				return songspy.Notification{App: app, Kind: songspy.NotificationOutageBegan, Channel: by}
			}
			b.queueNotifications(t, began("ended", songspy.ChannelWebhook), began("goes on", songspy.ChannelWebhook))
			for range 2 {
				m, _ := claimNotification(t, b.Store, webhookChannels)
				must(t, b.CompleteNotifications(t.Context(), notificationIDs(m), true))
			}
			b.queueNotifications(t, began("ended", songspy.ChannelOperatorMail)) // queued for this channel, but not sent on it
			b.clock.advance(2 * time.Hour)
			b.queueNotifications(t, began("goes on", songspy.ChannelWebhook))
			var all sync.WaitGroup
			for range 4 {
				s := b.openAnother(t)
				all.Go(func() {
					err := s.ResolveNotifications(t.Context(), songspy.NotificationOutageBegan, "", b.clock.Now().Add(-time.Hour), songspy.NotificationOutageEnded)
					if err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			m, _ := claimNotification(t, b.Store, append(webhookChannels, songspy.ChannelOperatorMail))
			same(t, "sent", []string{string(m.Kind), m.App, string(m.Channel)}, []string{"outage_ended", "ended", "webhook"})
			_, userIDs := claimNotification(t, b.Store, append(webhookChannels, songspy.ChannelOperatorMail))
			same(t, "nothing else is due", userIDs, "")
			same(t, "stored", b.countRows(t, "notifications", 0), 2)
		},
		"NotificationLinks_AreThoseThatMayNeedANotification": func(t *testing.T, b *fixture) {
			fine, ending, broken := b.newLinkedUser(t), b.newLinkedUser(t), b.newLinkedUser(t)
			_, err := b.sql(t).ExecContext(t.Context(), "UPDATE spotify_links SET authorized_at = $1 WHERE user_id = $2", b.rawTime(200*24*time.Hour), int64(ending.UserID))
			must(t, err)
			value[songspy.Link](t)(b.UpdateLink(t.Context(), broken.UserID, func(l *songspy.Link) error {
				l.State = songspy.LinkReauthRequired
				return nil
			}))
			must(t, b.SaveAddress(t.Context(), broken.UserID, "ada@example.org"))
			read := func(after songspy.UserID, limit int) (userIDs string) {
				for _, l := range value[[]songspy.NotifiableLink](t)(b.NotificationLinks(t.Context(), start.AddDate(0, -5, 0), after, limit)) {
					userIDs += fmt.Sprintf("%d %s %d %v, ", l.Link.UserID, l.Link.State, l.Link.Generation, l.CanMail)
				}
				return userIDs
			}
			same(t, "all", read(0, 10), fmt.Sprintf("%d active 1 false, %d reauth_required 1 true, ", ending.UserID, broken.UserID))
			same(t, "the first", read(0, 1), fmt.Sprintf("%d active 1 false, ", ending.UserID))
			same(t, "the rest", read(ending.UserID, 10), fmt.Sprintf("%d reauth_required 1 true, ", broken.UserID))
			value[songspy.Mailbox](t)(b.SetMailOff(t.Context(), broken.UserID, true))
			same(t, "switched off", read(ending.UserID, 10), fmt.Sprintf("%d reauth_required 1 false, ", broken.UserID))
			found := value[[]songspy.NotifiableLink](t)(b.NotificationLinksByID(t.Context(), []songspy.UserID{broken.UserID, fine.UserID, 404}))
			same(t, "by id", len(found), 2)
			same(t, "the link", found[0].Link.AuthorizedAt, fine.AuthorizedAt)
		},
	}
}

// rawTime returns the time that lies the given duration before start. The time has the form
// in which the database stores times, for statements that a test runs without the store.
func (b *fixture) rawTime(ago time.Duration) any {
	at := start.Add(-ago)
	if b.db.Engine == SQLite {
		return at.UnixMicro()
	}
	return at
}
