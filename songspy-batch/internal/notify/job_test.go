package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

const month = 31 * 24 * time.Hour

// channels lists every channel.
var channels = []songspy.NotificationChannel{songspy.ChannelMail, songspy.ChannelOperatorMail, songspy.ChannelWebhook}

func TestUsersAreNotifiedByMailAndTheOperatorByEachChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		h.addUser(month)
		soon, over, refused, unregistered := h.addUser(5*month), h.addUser(7*month), h.addUser(month), h.addUser(month)
		h.setLinkState(refused, songspy.LinkReauthRequired)
		h.setLinkState(unregistered, songspy.LinkNotRegistered)
		h.runMinutes(3, h.newJob(channels...))
		h.expectSent(
			fmt.Sprintf("mail relink_soon %d", soon), fmt.Sprintf("mail relink %d", over), fmt.Sprintf("mail relink %d", refused),
			fmt.Sprintf("webhook needs_user %d", refused), fmt.Sprintf("operator_mail needs_user %d", refused),
			fmt.Sprintf("webhook not_registered %d", unregistered), fmt.Sprintf("operator_mail not_registered %d", unregistered),
		)
	})
}

func TestASeatNotifiesTheOperatorAndThenItsUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		apps := []songspy.AppSeats{{App: "small", Seats: 1}}
		requesting, waiting := h.addUser(month), h.addUser(month)
		for _, id := range []songspy.UserID{requesting, waiting} {
			if _, err := h.db.Unlink(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			if _, err := h.db.AskSeat(t.Context(), id, "seat@example.net", apps); err != nil {
				t.Fatal(err)
			}
		}
		j := h.newJob(channels...)
		h.runMinutes(3, j)
		for _, l := range h.sent {
			if strings.Contains(fmt.Sprint(l.Text, l.Subject), "example.net") {
				t.Errorf("the message contains the address: %q", l.Text)
			}
		}
		h.expectSent(fmt.Sprintf("webhook seat_asked %d", requesting), fmt.Sprintf("operator_mail seat_asked %d", requesting))
		if _, err := h.db.EnterSeat(t.Context(), requesting); err != nil {
			t.Fatal(err)
		}
		h.runMinutes(3, j)
		h.expectSent(fmt.Sprintf("mail seat_entered %d", requesting))
	})
}

func TestAMissingChannelIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		refused := h.addUser(month)
		h.setLinkState(refused, songspy.LinkReauthRequired)
		h.runMinutes(2, h.newJob(songspy.ChannelWebhook))
		h.expectSent(fmt.Sprintf("webhook needs_user %d", refused))
		// E-mail is configured later. The notifications whose cause still
		// exists must be sent by e-mail. They must not be sent to the webhook
		// a second time.
		h.runMinutes(2, h.newJob(channels...))
		h.expectSent(fmt.Sprintf("mail relink %d", refused), fmt.Sprintf("operator_mail needs_user %d", refused))
	})
}

func TestAnIncidentOfManyUsersIsOneMessageAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		j := h.newJob(songspy.ChannelWebhook)
		for n := range 150 {
			id := h.addUser(month)
			if h.setLinkState(id, songspy.LinkReauthRequired); n%30 == 29 {
				h.runMinutes(10, j)
			}
		}
		h.runMinutes(120, j)
		if len(h.sent) != 2 || len(h.sent[0].Notifications) != 30 || len(h.sent[1].Notifications) != 120 {
			t.Fatalf("%d messages, the first about %d users", len(h.sent), len(h.sent[0].Notifications))
		}
		if text := h.sent[1].Text; !strings.Contains(text, "31, 32") || !strings.Contains(text, "(+70)") || !strings.Contains(text, "120") {
			t.Errorf("the message says %q", text)
		}
	})
}

func TestAUserWhoIsRefusedEveryDayIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		unregistered := h.addUser(0)
		j := h.newJob(songspy.ChannelWebhook)
		for range 40 { // every day the batch tries the link again, and Spotify rejects it again
			h.setLinkState(unregistered, songspy.LinkNotRegistered)
			h.runMinutes(30, j)
			<-time.After(24*time.Hour - 33*time.Minute)
			h.setLinkState(unregistered, songspy.LinkActive)
			h.runMinutes(3, j)
			if _, err := h.db.PruneNotifications(t.Context(), time.Now().AddDate(0, 0, -30)); err != nil {
				t.Fatal(err)
			}
		}
		h.expectSent(fmt.Sprintf("webhook not_registered %d", unregistered))
	})
}

func TestAPastStateIsNotReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		j := h.newJob(channels...)
		down := errors.New("no connection")
		h.sendError = func(Message) error { return down }
		relinked, optedOut, erased, unchanged := h.addUser(7*month), h.addUser(7*month), h.addUser(7*month), h.addUser(7*month)
		h.runMinutes(10, j)
		l, err := h.db.Link(t.Context(), relinked)
		if err == nil {
			h.relink(l)
			_, err = h.db.SetMailOff(t.Context(), optedOut, true)
		}
		if err == nil {
			_, err = h.db.EraseUser(t.Context(), erased)
		}
		if err != nil {
			t.Fatal(err)
		}
		down = nil
		h.runMinutes(60, j)
		h.expectSent(fmt.Sprintf("mail relink %d", unchanged))
		if got := countByOutcome(t, j); got["discarded"] != 2 || got["sent"] != 1 {
			t.Errorf("counted %v", got)
		}
	})
}

func TestAChannelThatFailsForAnHourSendsEachNotificationOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		jobs := []*Job{h.newJob(channels...), h.newJob(channels...)}
		attempts, ids := 0, map[string]bool{}
		until := time.Now().Add(time.Hour)
		h.sendError = func(l Message) error {
			if l.Channel != songspy.ChannelWebhook {
				return nil
			}
			attempts++
			ids[l.ID] = true
			if time.Now().Before(until) {
				return unavailable("the webhook answered 500")
			}
			return nil
		}
		refused := h.addUser(month)
		h.setLinkState(refused, songspy.LinkReauthRequired)
		h.runMinutes(20, jobs...)
		if notes := append(jobs[0].Notes(), jobs[1].Notes()...); len(notes) == 0 || !strings.Contains(notes[0], "webhook have failed") || !strings.Contains(notes[0], "answered 500") {
			t.Errorf("the readiness notes are %q", notes)
		}
		h.runMinutes(120, jobs...)
		h.expectSent(fmt.Sprintf("mail relink %d", refused), fmt.Sprintf("operator_mail needs_user %d", refused), fmt.Sprintf("webhook needs_user %d", refused))
		if attempts < 5 || attempts > 8 || len(ids) != 1 {
			t.Errorf("%d attempts with %d IDs", attempts, len(ids))
		}
		<-time.After(failureReportedFor) // the job that did not send the message does not know that the channel works again, so its note must expire
		for _, j := range jobs {
			if notes := j.Notes(); len(notes) > 0 {
				t.Errorf("the readiness notes after recovery are %q", notes)
			}
		}
	})
}

// failingQueue cannot record that a message was sent.
type failingQueue struct{ Queue }

func (failingQueue) CompleteNotifications(context.Context, []int64, bool) error {
	return errors.New("the database is not available")
}

func TestAMessageSentJustBeforeACrashIsSentAgainWithTheSameID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		h.addUser(7 * month)
		crashed := h.newJob(songspy.ChannelMail)
		crashed.Queue = failingQueue{crashed.Queue}
		if err := crashed.Run(t.Context()); err == nil {
			t.Error("the failure is not returned")
		}
		successor := h.newJob(songspy.ChannelMail)
		h.runMinutes(int(claimDuration/Interval)-1, successor)
		if len(h.sent) != 1 {
			t.Fatalf("%d messages before the lease ends", len(h.sent))
		}
		h.runMinutes(60, successor)
		if len(h.sent) != 2 || h.sent[0].ID != h.sent[1].ID || h.sent[0].ID == "" {
			t.Errorf("sent %d times, first with ID %q", len(h.sent), h.sent[0].ID)
		}
	})
}

func TestAnUndeliverableNotificationIsGivenUpAfterThreeDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		j := h.newJob(songspy.ChannelMail)
		tries := 0
		h.sendError = func(Message) error { tries++; return unavailable("the mail server answered 451") }
		h.addUser(7 * month)
		started := time.Now()
		for tries < maxAttempts && time.Since(started) < 10*24*time.Hour {
			h.runMinutes(10, j)
		}
		if took := time.Since(started); took < 2*24*time.Hour || took > 4*24*time.Hour {
			t.Errorf("%d attempts took %v", tries, took)
		}
		h.sendError = func(Message) error { return nil }
		h.runMinutes(7*60, j)
		h.expectSent()
		if got := countByOutcome(t, j); got["given_up"] != 1 || got["failed"] != maxAttempts-1 {
			t.Errorf("counted %v", got)
		}
		if !strings.Contains(h.log.String(), "giving up on a notification") || strings.Contains(h.log.String(), "example.org") {
			t.Errorf("the log says %s", h.log.String())
		}
	})
}

func TestARefusedRecipientAffectsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		j := h.newJob(songspy.ChannelMail)
		gone, full, fine := h.addUser(7*month), h.addUser(7*month), h.addUser(7*month)
		h.sendError = func(l Message) error {
			switch l.UserIDs()[0] {
			case gone:
				return &songspy.Error{Code: songspy.CodeGone}
			case full:
				return &songspy.Error{Code: songspy.CodeUnprocessable}
			}
			return nil
		}
		h.runMinutes(1, j)
		h.expectSent(fmt.Sprintf("mail relink %d", fine))
		if got := countByOutcome(t, j); got["given_up"] != 1 || got["failed"] != 1 {
			t.Errorf("counted %v", got)
		}
		h.runMinutes(10, j)
		if notes := j.Notes(); len(notes) > 0 {
			t.Errorf("a working channel has the readiness notes %q", notes)
		}
	})
}

func TestAddressesThatCannotBeDecryptedAffectNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		other, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + h.dbPath, SealKeys: []store.SealKey{{ID: "lost", Key: bytes.Repeat([]byte("l"), 32)}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = other.Close() })
		// A claim lasts for 5 runs of the job (claimDuration), and there are 6 users whose
		// address cannot be decrypted. If such an address ended a run, each run would claim
		// the message of one of them again, and the last user would never get a message.
		for range 6 {
			id := h.addUser(0)
			if err := other.SaveAddress(t.Context(), id, "lost@example.org"); err != nil {
				t.Fatal(err)
			}
			h.setLinkState(id, songspy.LinkReauthRequired)
		}
		h.setLinkState(h.addUser(0), songspy.LinkReauthRequired)
		h.runMinutes(2, h.newJob(songspy.ChannelMail))
		h.expectSent("mail relink 7")
	})
}

func TestRetryWaitGrows(t *testing.T) {
	var sum, last time.Duration
	for tries := 1; ; tries++ {
		wait, retry := retryWait(tries)
		if !retry {
			break
		}
		if wait < last || wait < time.Minute || wait > 6*time.Hour {
			t.Errorf("the wait after %d attempts is %v, the wait before it %v", tries, wait, last)
		}
		sum, last = sum+wait, wait
	}
	if sum < 60*time.Hour || sum > 80*time.Hour {
		t.Errorf("given up after %v", sum)
	}
}
