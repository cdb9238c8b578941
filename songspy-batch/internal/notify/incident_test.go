package notify

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
)

var openBreakers = map[string]breaker.Breakers{"app": {API: breaker.Breaker{Cause: breaker.CauseRateLimited}}, "other": {}}

func TestABreakerThatIsOpenForAnHourIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		jobs := []*Job{h.newJob(songspy.ChannelWebhook), h.newJob(songspy.ChannelWebhook)}
		h.runMinutes(10, jobs...)
		h.breakers = openBreakers
		h.runMinutes(59, jobs...)
		h.expectSent()
		h.runMinutes(2, jobs...)
		if len(h.sent) == 1 && (h.sent[0].App != "app" || !strings.Contains(h.sent[0].Text, "api")) {
			t.Errorf("sent %+v", h.sent[0])
		}
		h.expectSent("webhook app_blocked")
		// The breaker stays open for hours. Both processes stop for one hour and restart. The
		// breaker must not be reported again.
		h.runMinutes(3*60, jobs...)
		<-time.After(time.Hour)
		h.runMinutes(3*60, h.newJob(songspy.ChannelWebhook), h.newJob(songspy.ChannelWebhook))
		h.expectSent()
	})
}

func TestABreakerThatResetsInTimeIsNotReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		j := h.newJob(songspy.ChannelWebhook)
		for range 5 {
			h.breakers = openBreakers
			h.runMinutes(50, j)
			h.breakers = nil
			h.runMinutes(10, j)
		}
		h.expectSent()
		h.breakers = openBreakers
		h.runMinutes(62, j)
		h.expectSent("webhook app_blocked")
		h.breakers = nil
		h.runMinutes(10, j)
		h.breakers = openBreakers
		h.runMinutes(62, j)
		h.expectSent("webhook app_blocked")
	})
}

func TestAnOutageIsReportedAtItsBeginningAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		jobs := []*Job{h.newJob(songspy.ChannelWebhook), h.newJob(songspy.ChannelWebhook)}
		h.outages = map[string]bool{"app": false}
		h.runMinutes(10, jobs...)
		h.expectSent()
		h.outages = map[string]bool{"app": true}
		h.runMinutes(40, jobs...)
		h.expectSent("webhook outage_began")
		// Both processes restart. At first they do not know whether there is an outage; then it
		// turns out that the outage continues. It must not be reported again.
		h.outages = nil
		jobs = []*Job{h.newJob(songspy.ChannelWebhook), h.newJob(songspy.ChannelWebhook)}
		h.runMinutes(30, jobs...)
		h.outages = map[string]bool{"app": true}
		h.runMinutes(30, jobs...)
		h.expectSent()
		h.outages = map[string]bool{"app": false}
		h.runMinutes(30, jobs...)
		h.expectSent("webhook outage_ended")
		h.outages = map[string]bool{"app": true}
		h.runMinutes(5, jobs...)
		h.expectSent("webhook outage_began")
	})
}

func TestTheEndOfAnUnreportedOutageIsNotReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		j := h.newJob(songspy.ChannelWebhook)
		h.sendError = func(Message) error { return unavailable("the webhook answered 500") }
		h.outages = map[string]bool{"app": true}
		h.runMinutes(5, j)
		h.outages = map[string]bool{"app": false}
		h.runMinutes(20, j)
		h.sendError = func(Message) error { return nil }
		h.runMinutes(60, j)
		h.expectSent()
	})
}
