package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

// settle is longer than the service needs to notice a webhook and to send to it.
const settle = 10 * time.Second

// pass lets the virtual time of the synctest bubble pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// types returns the types and titles of messages, such as "playing(one) stopped()".
func types(messages []message) string {
	var b strings.Builder
	for _, m := range messages {
		var data struct{ Title string }
		_ = json.Unmarshal([]byte(m.Data), &data)
		fmt.Fprintf(&b, "%s(%s) ", strings.TrimPrefix(m.Type, "listening."), data.Title)
	}
	return strings.TrimSpace(b.String())
}

func TestRun_SendsEachChangeOnceWithASignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		pass(settle)
		if got := w.receiver.take(); len(got) > 0 {
			t.Fatalf("before anything played: %s", types(got))
		}
		var all []message
		for _, title := range []string{"one", "two", ""} {
			w.board.play(title)
			pass(time.Minute)
			all = append(all, w.receiver.take()...)
		}
		if got := types(all); got != "playing(one) playing(two) stopped()" {
			t.Errorf("the messages are %s", got)
		}
		verifier, err := standardwebhooks.NewWebhookRaw(w.key)
		if err != nil {
			t.Fatal(err)
		}
		ids := map[string]bool{}
		for _, m := range all {
			if err := verifier.VerifyIgnoringTimestamp(m.Body, m.Header); err != nil {
				t.Errorf("the signature of %s: %v", m.Type, err)
			}
			if got, want := m.Header.Get("Webhook-Timestamp"), fmt.Sprint(m.At.Unix()); got != want {
				t.Errorf("the timestamp is %s, want %s", got, want)
			}
			ids[m.ID] = true
		}
		if len(ids) != len(all) {
			t.Errorf("the ids are %v", ids)
		}
	})
}

func TestDetails_HidingSendsWhatAnEndSends(t *testing.T) {
	forever := songspy.HiddenForever
	messages := map[string]message{}
	for name, end := range map[string]func(*world){
		"ended":          func(w *world) { w.board.play("") },
		"hidden":         func(w *world) { w.board.share(func(s *songspy.Sharing) { s.HiddenUntil = &forever }) },
		"followers only": func(w *world) { w.board.share(func(s *songspy.Sharing) { s.Now = songspy.AudienceFollowers }) },
		"nobody":         func(w *world) { w.board.share(func(s *songspy.Sharing) { s.Now = songspy.AudienceNobody }) },
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.board.play("one")
			pass(settle)
			w.receiver.take()
			end(w)
			pass(settle)
			got := w.receiver.take()
			if len(got) != 1 {
				t.Fatalf("%s: %d messages", name, len(got))
			}
			messages[name] = got[0]
		})
	}
	for name, m := range messages {
		want := messages["ended"]
		if !bytes.Equal(m.Body, want.Body) || m.ID != want.ID || m.Type != "listening.stopped" {
			t.Errorf("%s sends %s %s, an end sends %s %s", name, m.ID, m.Body, want.ID, want.Body)
		}
	}
}

func TestDetails_WhatBeganWhileHiddenIsNeverSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		forever := songspy.HiddenForever
		w.board.share(func(s *songspy.Sharing) { s.HiddenUntil = &forever })
		w.board.play("secret")
		pass(settle)
		w.board.share(func(s *songspy.Sharing) { s.HiddenUntil = nil })
		pass(settle)
		w.board.play("open")
		pass(settle)
		if got := types(w.receiver.take()); got != "playing(open)" {
			t.Errorf("the messages are %s", got)
		}
	})
}

func TestRun_RepeatsAMessageWithItsIDUntilItArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.receiver.answer(500)
		w.board.play("one")
		pass(2 * time.Hour)
		failed := w.receiver.take()
		if w.stored().Failure != songspy.WebhookRejected || w.stored().FailingSince == nil {
			t.Errorf("the user sees %+v", w.stored())
		}
		for i, m := range failed {
			if m.ID != failed[0].ID {
				t.Errorf("attempt %d has the id %s, the first has %s", i, m.ID, failed[0].ID)
			}
			if i > 1 && m.At.Sub(failed[i-1].At) < failed[i-1].At.Sub(failed[i-2].At) && m.At.Sub(failed[i-1].At) < time.Hour {
				t.Errorf("attempt %d comes sooner than the one before", i)
			}
		}
		if n := len(failed); n < 8 || n > 14 {
			t.Errorf("%d attempts in two hours, want about 11", n)
		}
		w.receiver.answer(204)
		pass(2 * time.Hour)
		if got := w.receiver.take(); len(got) != 1 || got[0].ID != failed[0].ID {
			t.Errorf("after the receiver recovered: %s", types(got))
		}
		if s := w.stored(); s.FailingSince != nil || s.Failure != "" || s.Attempts != 0 || s.DeliveredAt == nil {
			t.Errorf("after the delivery the user sees %+v", s)
		}
	})
}

func TestRun_AnAttemptSaysThePresentAndNeverWhatIsHiddenBySince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.receiver.answer(500)
		w.board.play("one")
		pass(settle)
		first := w.receiver.take()
		forever := songspy.HiddenForever
		w.board.share(func(s *songspy.Sharing) { s.HiddenUntil = &forever })
		pass(2 * time.Second)
		w.receiver.take()
		w.receiver.answer(200)
		pass(2 * time.Hour)
		got := w.receiver.take()
		if types(got) != "stopped()" || got[0].ID == first[0].ID {
			t.Errorf("after hiding: %s with the id %s", types(got), got[0].ID)
		}
	})
}

func TestRun_SwitchesOffWhatFailsForDaysAndWhatIsGone(t *testing.T) {
	for name, c := range map[string]struct {
		status    int
		off, stay time.Duration
	}{"fails": {500, 75 * time.Hour, 70 * time.Hour}, "gone": {410, time.Minute, 0}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.receiver.answer(c.status)
			w.board.play("one")
			if c.stay > 0 {
				pass(c.stay)
				if w.stored().OffAt != nil {
					t.Errorf("%s: off after %s", name, c.stay)
				}
			}
			pass(c.off - c.stay)
			if w.stored().OffAt == nil {
				t.Errorf("%s: on after %s", name, c.off)
			}
			w.receiver.take()
			w.receiver.answer(200)
			w.board.play("two")
			pass(24 * time.Hour)
			if got := w.receiver.take(); len(got) > 0 {
				t.Errorf("%s: off, it sends %s", name, types(got))
			}
			w.set(t, "https://one.example/hook")
			pass(settle)
			if got := types(w.receiver.take()); got != "playing(two)" {
				t.Errorf("%s: set again, it sends %s", name, got)
			}
		})
	}
}

func TestRun_SendsNothingToADeletedOrReplacedAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.board.play("one")
		pass(settle)
		w.receiver.take()
		w.set(t, "https://two.example/hook")
		w.board.play("two")
		pass(settle)
		for _, m := range w.receiver.take() {
			if m.URL != "https://two.example/hook" {
				t.Errorf("%s gets %s", m.URL, m.Type)
			}
		}
		if err := w.Delete(t.Context(), visibility.NewSelf(user)); err != nil {
			t.Fatal(err)
		}
		w.board.play("three")
		pass(settle)
		if got := w.receiver.take(); len(got) > 0 {
			t.Errorf("after the deletion: %s", types(got))
		}
	})
}

func TestRun_OneReplicaSendsAndAnotherTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{store: &fakeStore{hooks: map[songspy.UserID]songspy.Webhook{}}, board: newBoard(), receiver: &receiver{status: 200}}
		ctx, stop := context.WithCancel(t.Context())
		first := newService(w.store, w.board, w.receiver)
		w.Service = first
		ended := make(chan struct{})
		go func() { defer close(ended); first.Run(ctx) }()
		pass(2 * time.Second)
		w.run(t)
		w.run(t)
		w.set(t, "https://one.example/hook")
		for _, title := range []string{"one", "two", ""} {
			w.board.play(title)
			pass(settle)
		}
		stop()
		<-ended
		w.board.play("three")
		pass(settle)
		if got := types(w.receiver.take()); got != "playing(one) playing(two) stopped() playing(three)" {
			t.Errorf("three replicas send %s", got)
		}
	})
}

func TestRun_AReplicaThatEndsWithoutRecordingItsMessageLeavesItsID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{store: &fakeStore{hooks: map[songspy.UserID]songspy.Webhook{}}, board: newBoard(), receiver: &receiver{status: 200, delay: 5 * time.Second}}
		ctx, stop := context.WithCancel(t.Context())
		first := newService(w.store, w.board, w.receiver)
		w.Service = first
		ended := make(chan struct{})
		go func() { defer close(ended); first.Run(ctx) }()
		w.set(t, "https://one.example/hook")
		w.board.play("one")
		pass(3 * time.Second) // the message is on its way
		stop()
		<-ended
		sent := w.receiver.take()
		w.run(t)
		pass(time.Minute)
		again := w.receiver.take()
		if len(sent) != 1 || len(again) != 1 || sent[0].ID != again[0].ID {
			t.Errorf("sent %v, and again %v; want one message each with the same id", sent, again)
		}
	})
}

// The user plays, stops, hides and shows at random, and the receiver answers 200 or 500. Messages
// with the same id must have the same content, no message may say what a hidden user plays, and
// the last message must say what the holder of the share link sees in the end.
func TestRun_TheReceiverKnowsWhatIsVisibleInTheEnd(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t)
			w.run(t)
			forever := songspy.HiddenForever
			var secret atomic.Bool // whether the user is hidden
			steps := []func(){
				func() { w.board.play(fmt.Sprint("song ", r.IntN(3))) },
				func() { w.board.play("") },
				func() {
					w.board.share(func(s *songspy.Sharing) { s.HiddenUntil = &forever })
					secret.Store(true)
				},
				func() {
					w.board.share(func(s *songspy.Sharing) { s.HiddenUntil = nil })
					secret.Store(false)
				},
				func() { w.receiver.answer(500) },
				func() { w.receiver.answer(200) },
			}
			var all []message
			for range 30 {
				was := secret.Load()
				steps[r.IntN(len(steps))]()
				pass(time.Duration(1+r.IntN(90)) * time.Second)
				got := w.receiver.take()
				if was && secret.Load() && strings.Contains(types(got), "playing") {
					t.Fatalf("seed %d: hidden, it sends %s", seed, types(got))
				}
				all = append(all, got...)
			}
			w.receiver.answer(200)
			pass(3 * time.Hour)
			all = append(all, w.receiver.take()...)
			content, last := map[string]string{}, "stopped()"
			for _, m := range all {
				if said, known := content[m.ID]; known && said != m.Type+m.Data {
					t.Fatalf("seed %d: the id %s stands for %s and %s", seed, m.ID, said, m.Type+m.Data)
				}
				content[m.ID], last = m.Type+m.Data, types([]message{m})
			}
			want := "stopped()"
			if seen, ok, _ := w.board.NowPlaying(visibility.LinkHolder(visibility.Anonymous(), user), user); ok {
				want = "playing(" + seen.Value().Track.Title + ")"
			}
			if last != want {
				t.Errorf("seed %d: the receiver knows %s, want %s", seed, last, want)
			}
		})
	}
}

// Noninterference: in two worlds that differ only in what viewers with the share link may not see,
// the receiver must get the same messages at the same times.
func TestRun_MessagesDoNotDependOnWhatIsHidden(t *testing.T) {
	var hiddenPlays, songs int
	for seed := range uint64(20) {
		transcript := func(secret uint64) (text string) {
			synctest.Test(t, func(t *testing.T) {
				r, hidden := rand.New(rand.NewPCG(seed, 0)), rand.New(rand.NewPCG(seed, secret))
				w := newWorld(t)
				w.board.share(func(s *songspy.Sharing) { s.HideEpisodes = true })
				inSecret := false
				for range 40 {
					switch r.IntN(5) {
					case 0, 1:
						w.board.play(fmt.Sprint("song ", r.IntN(3)))
						inSecret = false
					case 2: // until the next song, the user plays nothing or hidden episodes
						w.board.play("")
						inSecret = true
					case 3:
						w.receiver.answer([]int{200, 200, 500}[r.IntN(3)])
					case 4:
						minutes := time.Duration(1+r.IntN(5)) * time.Minute
						w.board.share(func(s *songspy.Sharing) { s.HiddenUntil = new(time.Now().Add(minutes)) })
					}
					for range 3 {
						if inSecret && hidden.IntN(3) > 0 {
							w.board.playEpisode(fmt.Sprint("secret ", hidden.IntN(5)))
							hiddenPlays++
						}
						pass(time.Duration(1+r.IntN(60)) * time.Second)
					}
				}
				for _, m := range w.receiver.take() {
					text += fmt.Sprintln(m.At, m.URL, m.ID, string(m.Body))
				}
			})
			return text
		}
		one, two := transcript(1), transcript(2)
		if one != two {
			t.Errorf("seed %d: the messages differ:\n%s\n%s", seed, one, two)
		}
		songs += strings.Count(one, "song ")
	}
	if hiddenPlays < 100 || songs < 100 {
		t.Errorf("%d hidden plays and %d messages with songs show too little", hiddenPlays, songs)
	}
}

func TestRun_WithoutTheBoardItSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.board.play("one")
		pass(settle)
		w.receiver.take()
		w.board.mu.Lock()
		w.board.err = &songspy.Error{Code: songspy.CodeUnavailable}
		w.board.mu.Unlock()
		pass(time.Hour)
		if got := w.receiver.take(); len(got) > 0 {
			t.Errorf("without the board: %s", types(got))
		}
	})
}

func TestSet_TakesPublicHTTPSAddressesOnly(t *testing.T) {
	s := newService(&fakeStore{hooks: map[songspy.UserID]songspy.Webhook{}}, newBoard(), nil)
	for address, want := range map[string]bool{
		"https://hook.example/path?token=1": true, "https://hook.example:8443/": true, "https://1.1.1.1/": true,
		"http://hook.example/": false, "ftp://hook.example/": false, "https:///path": false, "hook.example": false, "https://user:word@hook.example/": false,
		"https://hook.example/#part": false, "https://127.0.0.1/": false, "https://10.1.2.3/": false, "https://192.168.1.1/": false, "https://[::1]/": false,
		"https://169.254.169.254/latest": false, "https://[fd00:ec2::254]/": false, "https://[::ffff:127.0.0.1]/": false, "https://100.100.100.200/": false,
		"https://168.63.129.16/": false, "https://0.0.0.0/": false, "https://[64:ff9b::7f00:1]/": false,
	} {
		_, _, err := s.Set(t.Context(), visibility.NewSelf(user), songspy.Secret(address))
		if (err == nil) != want || err != nil && songspy.ReasonOf(err) != "WEBHOOK_URL_INVALID" {
			t.Errorf("%s: error %v, want it taken: %t", address, err, want)
		}
	}
}

func TestPost_ConnectsToNoPrivateAddress(t *testing.T) {
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.StartTLS()
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HTTPS_PROXY", server.URL) // a proxy would connect without the check
	store := &fakeStore{hooks: map[songspy.UserID]songspy.Webhook{}}
	s := newService(store, newBoard(), nil)
	// The check concerns the IP address to which the host name resolves, so it rejects localhost too.
	for _, host := range []string{"localhost", "127.0.0.1", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]"} {
		if _, err := store.SaveWebhook(t.Context(), user, songspy.Secret("https://"+host+":"+port+"/"), "key of a webhook"); err != nil {
			t.Fatal(err)
		}
		status, failure, err := s.Test(t.Context(), visibility.NewSelf(user))
		if status != 0 || failure != songspy.WebhookForbidden || err != nil {
			t.Errorf("%s: status %d, failure %q, error %v; want it forbidden", host, status, failure, err)
		}
	}
	if connections.Load() != 0 {
		t.Errorf("%d connections, want none", connections.Load())
	}
}

func TestTest_SaysWhyAMessageDidNotArriveAndFollowsNoRedirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			status  int
			err     error
			failure songspy.WebhookFailure
		}{
			{200, nil, ""},
			{302, nil, songspy.WebhookRejected},
			{404, nil, songspy.WebhookRejected},
			{410, nil, songspy.WebhookGone},
			{0, &net.DNSError{Err: "no such host", Name: "hook.example"}, songspy.WebhookUnknownHost},
			{0, context.DeadlineExceeded, songspy.WebhookTimeout},
			{0, net.ErrClosed, songspy.WebhookUnreachable},
		} {
			w := newWorld(t)
			w.receiver.status, w.receiver.err = c.status, c.err
			status, failure, err := w.Test(t.Context(), visibility.NewSelf(user))
			if status != c.status || failure != c.failure || err != nil {
				t.Errorf("an answer %d or error %v: status %d, failure %q, error %v; want %q", c.status, c.err, status, failure, err, c.failure)
			}
			if got := w.receiver.take(); len(got) != 1 || got[0].Type != "listening.test" {
				t.Errorf("the test sends %s", types(got))
			}
			if s := w.stored(); s.Attempts != 0 || s.OffAt != nil {
				t.Errorf("the test counts: %+v", s)
			}
		}
	})
}
