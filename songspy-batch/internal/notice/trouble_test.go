package notice

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/gate"
)

var shut = map[string]gate.State{"app": {API: gate.DoorState{Why: gate.WhyThrottled}}, "other": {}}

func TestADoorThatIsClosedForAnHourIsToldOfOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		jobs := []*Job{h.job(songspy.ChannelWebhook), h.job(songspy.ChannelWebhook)}
		h.minutes(10, jobs...)
		h.doors = shut
		h.minutes(59, jobs...)
		h.wants()
		h.minutes(2, jobs...)
		if len(h.told) == 1 && (h.told[0].App != "app" || !strings.Contains(h.told[0].Text, "api")) {
			t.Errorf("told %+v", h.told[0])
		}
		h.wants("webhook door_closed")
		// It goes on for hours, both processes are away for one of them, and start anew.
		h.minutes(3*60, jobs...)
		<-time.After(time.Hour)
		h.minutes(3*60, h.job(songspy.ChannelWebhook), h.job(songspy.ChannelWebhook))
		h.wants()
	})
}

func TestADoorThatOpensInTimeIsNotToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		j := h.job(songspy.ChannelWebhook)
		for range 5 {
			h.doors = shut
			h.minutes(50, j)
			h.doors = nil
			h.minutes(10, j)
		}
		h.wants()
		h.doors = shut
		h.minutes(62, j)
		h.wants("webhook door_closed")
		h.doors = nil
		h.minutes(10, j)
		h.doors = shut
		h.minutes(62, j)
		h.wants("webhook door_closed")
	})
}

func TestAnOutageIsToldOfAtItsBeginAndItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		jobs := []*Job{h.job(songspy.ChannelWebhook), h.job(songspy.ChannelWebhook)}
		h.outages = map[string]bool{"app": false}
		h.minutes(10, jobs...)
		h.wants()
		h.outages = map[string]bool{"app": true}
		h.minutes(40, jobs...)
		h.wants("webhook outage_began")
		// After a restart nothing is known at first, and then that it goes on.
		h.outages = nil
		jobs = []*Job{h.job(songspy.ChannelWebhook), h.job(songspy.ChannelWebhook)}
		h.minutes(30, jobs...)
		h.outages = map[string]bool{"app": true}
		h.minutes(30, jobs...)
		h.wants()
		h.outages = map[string]bool{"app": false}
		h.minutes(30, jobs...)
		h.wants("webhook outage_over")
		h.outages = map[string]bool{"app": true}
		h.minutes(5, jobs...)
		h.wants("webhook outage_began")
	})
}

func TestAnOutageThatNobodyWasToldOfIsNotToldToBeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		j := h.job(songspy.ChannelWebhook)
		h.fault = func(Letter) error { return unavailable("the webhook answered 500") }
		h.outages = map[string]bool{"app": true}
		h.minutes(5, j)
		h.outages = map[string]bool{"app": false}
		h.minutes(20, j)
		h.fault = func(Letter) error { return nil }
		h.minutes(60, j)
		h.wants()
	})
}
