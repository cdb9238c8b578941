package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/songspy/songspy/songspy-batch/internal/notify"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// inbox receives all mails and webhook calls, across restarts of the batch.
type inbox struct {
	t           *testing.T
	key         []byte
	webhookDown bool
	// received holds, by message id, a text for each message that has arrived since the
	// last call of expect. The texts of earlier messages are empty.
	received map[string]string
	// webhookCalls counts the calls of the webhook, failed ones too.
	webhookCalls int
}

func newInbox(t *testing.T) *inbox {
	return &inbox{t: t, key: []byte("0123456789abcdef0123456789abcdef"), received: map[string]string{}}
}

// receive records a message. It fails the test if the message came before.
func (i *inbox) receive(id, what string) {
	if former, twice := i.received[id]; twice {
		i.t.Errorf("%s arrived twice, before as %s", what, former)
	}
	i.received[id] = what
}

// expect fails the test unless exactly the given messages, in any order, have arrived since the
// last call of expect.
func (i *inbox) expect(when string, want ...string) {
	i.t.Helper()
	var got []string
	for id, what := range i.received {
		if what != "" {
			got = append(got, what)
		}
		i.received[id] = ""
	}
	slices.Sort(got)
	slices.Sort(want)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		i.t.Errorf("%s: %q arrived, want %q", when, got, want)
	}
}

// Send implements notify.Sender for mail.
func (i *inbox) Send(_ context.Context, m notify.Message) error {
	i.receive(m.ID, fmt.Sprintf("%s to %s", m.Kind, m.To.Reveal()))
	if !strings.Contains(m.Text, "https://songs.example.org/link") {
		i.t.Errorf("a mail does not contain the link page: %s", m.Text)
	}
	return nil
}

// RoundTrip receives a call of the webhook and verifies its signature.
func (i *inbox) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if i.webhookCalls++; i.webhookDown {
		return nil, errors.New("connection refused")
	}
	verifier, err := standardwebhooks.NewWebhookRaw(i.key)
	if err == nil {
		err = verifier.Verify(body, r.Header)
	}
	var message struct {
		Kind    string
		UserIDs []int64
	}
	if err := errors.Join(err, json.Unmarshal(body, &message)); err != nil {
		i.t.Error(err)
	}
	i.receive(r.Header.Get("webhook-id"), fmt.Sprint(message.Kind, message.UserIDs))
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: r}, nil
}

// senders returns senders that deliver to the inbox.
func (i *inbox) senders() map[songspy.NotificationChannel]notify.Sender {
	hook, err := notify.NewWebhook("https://hooks.example.org/hunter2", i.key, i)
	if err != nil {
		i.t.Fatal(err)
	}
	return map[songspy.NotificationChannel]notify.Sender{songspy.ChannelMail: i, songspy.ChannelWebhook: hook}
}

// saveAddress stores a mail address for the person and returns it.
func (w *simWorld) saveAddress(person int) string {
	w.t.Helper()
	address := fmt.Sprintf("person%d@example.org", person)
	if err := w.db.SaveAddress(w.t.Context(), userOf(person), songspy.Secret(address)); err != nil {
		w.t.Fatal(err)
	}
	return address
}

// This test covers the last month of a consent and the time after it. The batch is started,
// stopped and killed several times. Even so, each notification must arrive exactly once.
func TestTheEndOfAConsentIsNotifiedOnceBeforeAndOnceAfter(t *testing.T) {
	long(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newSimWorld(t, sim.Options{People: 3})
		w.changeInterval = 30 * time.Second
		in := newInbox(t)
		w.inbox = in
		linked := time.Now()
		forgetful, careful := w.saveAddress(0), w.saveAddress(1) // person 2 has no address
		// runTwice runs two batches one after the other, each for the given time. It stops the
		// first and kills the second.
		runTwice := func(d time.Duration) {
			stop, _ := w.start()
			<-time.After(d)
			stop()
			_, kill := w.start()
			<-time.After(d)
			kill()
		}
		runTwice(20 * time.Minute)
		in.expect("at first")

		<-time.After(time.Until(linked.AddDate(0, 5, 0).Add(-time.Hour)))
		runTwice(75 * time.Minute)
		in.expect("a month before the end", "relink_soon to "+forgetful, "relink_soon to "+careful)
		<-time.After(24 * time.Hour)
		w.link(1)
		runTwice(20 * time.Minute)
		in.expect("a day later")

		<-time.After(time.Until(linked.AddDate(0, 6, 0).Add(-time.Hour)))
		w.link(2)
		in.webhookDown = true
		runTwice(75 * time.Minute)
		// The consent has expired, as computed from its date, and Spotify rejects the refresh token
		// only later. Both require that the user links again (songspy.TaskRelink), so the user
		// must be notified only once.
		in.expect("at the end", "relink to "+forgetful)
		if tries := in.webhookCalls; tries < 2 {
			t.Errorf("the webhook was called %d times", tries)
		}
		in.webhookDown = false
		runTwice(2 * time.Hour)
		in.expect("after the webhook works again", fmt.Sprintf("needs_user[%d]", userOf(0)))
		if l, err := w.db.Link(context.WithoutCancel(t.Context()), userOf(0)); err != nil || l.State != songspy.LinkReauthRequired {
			t.Errorf("the link is %s, %v", l.State, err)
		}

		w.link(0)
		runTwice(20 * time.Minute)
		in.expect("after linking again")
		<-time.After(time.Until(linked.AddDate(0, 10, 2)))
		runTwice(20 * time.Minute)
		in.expect("in the next consent's last month", "relink_soon to "+careful)
	})
}

// This test covers the path from Spotify's 429 response to the call of the webhook.
func TestALongOpenBreakerIsReportedToTheOperatorOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newSimWorld(t, sim.Options{People: 2})
		w.changeInterval = 30 * time.Second
		in := newInbox(t)
		w.inbox = in
		retryAfter := 2 * 3600
		w.sim.Fault(sim.Fault{Endpoint: "currently-playing", Person: sim.Everyone, Kind: sim.RateLimited, RetryAfter: &retryAfter, Times: 1})
		stop, _ := w.start()
		<-time.After(59 * time.Minute)
		in.expect("within the first hour")
		<-time.After(5 * time.Minute)
		in.expect("after an hour", "app_blocked[]")
		stop()
		stop, _ = w.start()
		<-time.After(2 * time.Hour)
		in.expect("until the breaker was closed")
		stop()
	})
}

func TestWithoutAChannelNothingIsNotified(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newSimWorld(t, sim.Options{People: 1})
		w.changeInterval = 30 * time.Second
		w.saveAddress(0)
		<-time.After(time.Until(time.Now().AddDate(0, 5, 1)))
		stop, _ := w.start()
		<-time.After(time.Hour)
		stop()
		if n := w.countRows("notifications", 0); n > 0 {
			t.Errorf("%d notifications are stored", n)
		}
	})
}

func TestSettingsDecideTheNotificationChannels(t *testing.T) {
	t.Parallel()
	hook := config.Notifications{WebhookURL: "https://hooks.example.org/hunter2"}
	mail := config.Notifications{SMTPURL: "smtps://u:p@mail.example.org", Mail: config.Mail{From: "songs@example.org"}}
	both := mail
	both.WebhookURL, both.OperatorEmail = hook.WebhookURL, "operator@example.org"
	for name, tt := range map[string]struct {
		given config.Notifications
		want  []songspy.NotificationChannel
	}{
		"nothing":   {config.Notifications{}, nil},
		"a webhook": {hook, []songspy.NotificationChannel{songspy.ChannelWebhook}},
		"mail":      {mail, []songspy.NotificationChannel{songspy.ChannelMail}},
		"all":       {both, []songspy.NotificationChannel{songspy.ChannelMail, songspy.ChannelOperatorMail, songspy.ChannelWebhook}},
	} {
		senders, err := newSenders(settings{Notifications: tt.given})
		if err != nil {
			t.Fatal(err)
		}
		for _, channel := range tt.want {
			if senders[channel] == nil {
				t.Errorf("%s: channel %s has no sender", name, channel)
			}
		}
		if len(senders) != len(tt.want) {
			t.Errorf("%s: %d senders, want %v", name, len(senders), tt.want)
		}
	}
}
