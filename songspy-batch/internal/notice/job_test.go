package notice

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

// channels are all that there are.
var channels = []songspy.NoticeChannel{songspy.ChannelMail, songspy.ChannelOperatorMail, songspy.ChannelWebhook}

func TestPeopleAreToldByMailAndTheOperatorByTheirChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.listener(month)
		soon, over, refused, unknown := h.listener(5*month), h.listener(7*month), h.listener(month), h.listener(month)
		h.state(refused, songspy.LinkReauthRequired)
		h.state(unknown, songspy.LinkNotRegistered)
		h.minutes(3, h.job(channels...))
		h.wants(
			fmt.Sprintf("mail relink_soon %d", soon), fmt.Sprintf("mail relink %d", over), fmt.Sprintf("mail relink %d", refused),
			fmt.Sprintf("webhook needs_person %d", refused), fmt.Sprintf("operator_mail needs_person %d", refused),
			fmt.Sprintf("webhook not_registered %d", unknown), fmt.Sprintf("operator_mail not_registered %d", unknown),
		)
	})
}

func TestASeatIsToldToTheOperatorAndThenToItsPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		apps := []songspy.AppSeats{{App: "small", Seats: 1}}
		asks, waits := h.listener(month), h.listener(month)
		for _, id := range []songspy.UserID{asks, waits} {
			if _, err := h.db.Unlink(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			if _, err := h.db.AskSeat(t.Context(), id, "seat@example.net", apps); err != nil {
				t.Fatal(err)
			}
		}
		j := h.job(channels...)
		h.minutes(3, j)
		for _, l := range h.told {
			if strings.Contains(fmt.Sprint(l.Text, l.Subject), "example.net") {
				t.Errorf("the message tells the address: %q", l.Text)
			}
		}
		h.wants(fmt.Sprintf("webhook seat_asked %d", asks), fmt.Sprintf("operator_mail seat_asked %d", asks))
		if _, err := h.db.EnterSeat(t.Context(), asks); err != nil {
			t.Fatal(err)
		}
		h.minutes(3, j)
		h.wants(fmt.Sprintf("mail seat_entered %d", asks))
	})
}

func TestAChannelThatThereIsNotIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		refused := h.listener(month)
		h.state(refused, songspy.LinkReauthRequired)
		h.minutes(2, h.job(songspy.ChannelWebhook))
		h.wants(fmt.Sprintf("webhook needs_person %d", refused))
		// Mail comes later, and tells what still holds.
		h.minutes(2, h.job(channels...))
		h.wants(fmt.Sprintf("mail relink %d", refused), fmt.Sprintf("operator_mail needs_person %d", refused))
	})
}

func TestAnIncidentOfManyPeopleIsOneMessageAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		j := h.job(songspy.ChannelWebhook)
		for n := range 150 {
			id := h.listener(month)
			if h.state(id, songspy.LinkReauthRequired); n%30 == 29 {
				h.minutes(10, j)
			}
		}
		h.minutes(120, j)
		if len(h.told) != 2 || len(h.told[0].Notices) != 30 || len(h.told[1].Notices) != 120 {
			t.Fatalf("%d messages, the first of %d", len(h.told), len(h.told[0].Notices))
		}
		if text := h.told[1].Text; !strings.Contains(text, "31, 32") || !strings.Contains(text, "(+70)") || !strings.Contains(text, "120") {
			t.Errorf("the message says %q", text)
		}
	})
}

func TestWhoIsRefusedEveryDayIsToldOfOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		unknown := h.listener(0)
		j := h.job(songspy.ChannelWebhook)
		for range 40 { // asked again every day, and refused again
			h.state(unknown, songspy.LinkNotRegistered)
			h.minutes(30, j)
			<-time.After(24*time.Hour - 33*time.Minute)
			h.state(unknown, songspy.LinkActive)
			h.minutes(3, j)
			if _, err := h.db.PruneNotices(t.Context(), time.Now().AddDate(0, 0, -30)); err != nil {
				t.Fatal(err)
			}
		}
		h.wants(fmt.Sprintf("webhook not_registered %d", unknown))
	})
}

func TestAStateThatHasPassedIsNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		j := h.job(channels...)
		down := errors.New("no connection")
		h.fault = func(Letter) error { return down }
		relinked, silent, erased, stays := h.listener(7*month), h.listener(7*month), h.listener(7*month), h.listener(7*month)
		h.minutes(10, j)
		l, err := h.db.Link(t.Context(), relinked)
		if err == nil {
			h.relink(l)
			_, err = h.db.SwitchMail(t.Context(), silent, true)
		}
		if err == nil {
			_, err = h.db.EraseUser(t.Context(), erased)
		}
		if err != nil {
			t.Fatal(err)
		}
		down = nil
		h.minutes(60, j)
		h.wants(fmt.Sprintf("mail relink %d", stays))
		if got := counted(t, j); got["passed"] != 2 || got["sent"] != 1 {
			t.Errorf("counted %v", got)
		}
	})
}

func TestAChannelThatFailsForAnHourTellsEachThingOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		jobs := []*Job{h.job(channels...), h.job(channels...)}
		tries, names := 0, map[string]bool{}
		until := time.Now().Add(time.Hour)
		h.fault = func(l Letter) error {
			if l.Channel != songspy.ChannelWebhook {
				return nil
			}
			tries++
			names[l.ID] = true
			if time.Now().Before(until) {
				return unavailable("the webhook answered 500")
			}
			return nil
		}
		refused := h.listener(month)
		h.state(refused, songspy.LinkReauthRequired)
		h.minutes(20, jobs...)
		if notes := append(jobs[0].Notes(), jobs[1].Notes()...); len(notes) == 0 || !strings.Contains(notes[0], "webhook have failed") || !strings.Contains(notes[0], "answered 500") {
			t.Errorf("meanwhile readiness says %q", notes)
		}
		h.minutes(120, jobs...)
		h.wants(fmt.Sprintf("mail relink %d", refused), fmt.Sprintf("operator_mail needs_person %d", refused), fmt.Sprintf("webhook needs_person %d", refused))
		if tries < 5 || tries > 8 || len(names) != 1 {
			t.Errorf("%d tries under %d names", tries, len(names))
		}
		<-time.After(failsFor) // one of them does not know that the other got through
		for _, j := range jobs {
			if notes := j.Notes(); len(notes) > 0 {
				t.Errorf("afterwards readiness says %q", notes)
			}
		}
	})
}

// deaf is a database that takes no word of what was sent.
type deaf struct{ Claims }

func (deaf) NoticesDone(context.Context, []int64, bool) error {
	return errors.New("the database is away")
}

func TestWhatWasSentJustBeforeACrashIsSentAgainUnderTheSameName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.listener(7 * month)
		dies := h.job(songspy.ChannelMail)
		dies.Claims = deaf{dies.Claims}
		if err := dies.Run(t.Context()); err == nil {
			t.Error("nobody hears that it could not be noted")
		}
		heir := h.job(songspy.ChannelMail)
		h.minutes(int(leaseFor/Every)-1, heir)
		if len(h.told) != 1 {
			t.Fatalf("%d letters before the lease is over", len(h.told))
		}
		h.minutes(60, heir)
		if len(h.told) != 2 || h.told[0].ID != h.told[1].ID || h.told[0].ID == "" {
			t.Errorf("told %d times, first as %q", len(h.told), h.told[0].ID)
		}
	})
}

func TestWhatIsNeverTakenIsGivenUpAfterThreeDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		j := h.job(songspy.ChannelMail)
		tries := 0
		h.fault = func(Letter) error { tries++; return unavailable("the mail server answered 451") }
		h.listener(7 * month)
		begun := time.Now()
		for tries < mostTries && time.Since(begun) < 10*24*time.Hour {
			h.minutes(10, j)
		}
		if took := time.Since(begun); took < 2*24*time.Hour || took > 4*24*time.Hour {
			t.Errorf("%d tries took %v", tries, took)
		}
		h.fault = func(Letter) error { return nil }
		h.minutes(7*60, j)
		h.wants()
		if got := counted(t, j); got["given_up"] != 1 || got["failed"] != mostTries-1 {
			t.Errorf("counted %v", got)
		}
		if !strings.Contains(h.log.String(), "given up telling") || strings.Contains(h.log.String(), "example.org") {
			t.Errorf("the log says %s", h.log.String())
		}
	})
}

func TestAReceiverWhoIsRefusedStopsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		j := h.job(songspy.ChannelMail)
		gone, full, fine := h.listener(7*month), h.listener(7*month), h.listener(7*month)
		h.fault = func(l Letter) error {
			switch l.Users()[0] {
			case gone:
				return &songspy.Error{Code: songspy.CodeGone}
			case full:
				return &songspy.Error{Code: songspy.CodeUnprocessable}
			}
			return nil
		}
		h.minutes(1, j)
		h.wants(fmt.Sprintf("mail relink %d", fine))
		if got := counted(t, j); got["given_up"] != 1 || got["failed"] != 1 {
			t.Errorf("counted %v", got)
		}
		h.minutes(10, j)
		if notes := j.Notes(); len(notes) > 0 {
			t.Errorf("readiness says %q of a channel that works", notes)
		}
	})
}

func TestAddressesThatDoNotOpenStopNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		other, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + h.path, SealKeys: []store.SealKey{{ID: "lost", Key: bytes.Repeat([]byte("l"), 32)}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = other.Close() })
		for range 6 { // more than there are runs in a lease
			id := h.listener(0)
			if err := other.KeepAddress(t.Context(), id, "lost@example.org"); err != nil {
				t.Fatal(err)
			}
			h.state(id, songspy.LinkReauthRequired)
		}
		h.state(h.listener(0), songspy.LinkReauthRequired)
		h.minutes(2, h.job(songspy.ChannelMail))
		h.wants("mail relink 7")
	})
}

func TestTheWaitsBetweenTriesGrow(t *testing.T) {
	var sum, last time.Duration
	for tries := 1; ; tries++ {
		wait, hope := nextTry(tries)
		if !hope {
			break
		}
		if wait < last || wait < time.Minute || wait > 6*time.Hour {
			t.Errorf("after %d tries %v, after those before %v", tries, wait, last)
		}
		sum, last = sum+wait, wait
	}
	if sum < 60*time.Hour || sum > 80*time.Hour {
		t.Errorf("given up after %v", sum)
	}
}
