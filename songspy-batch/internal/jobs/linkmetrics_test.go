package jobs

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// fakeLinkCounter returns fixed groups and counts the calls.
type fakeLinkCounter struct {
	groups  []songspy.LinkGroup
	counts  int
	onCount func()
	err     error
}

func (b *fakeLinkCounter) LinkGroups(context.Context) ([]songspy.LinkGroup, error) {
	if b.onCount != nil {
		b.onCount()
	}
	if b.err != nil {
		return nil, b.err
	}
	b.counts++
	return b.groups, nil
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func linkGroup(state songspy.LinkState, endsOn time.Time, n int64) songspy.LinkGroup {
	return songspy.LinkGroup{State: state, ConsentedOn: endsOn.AddDate(0, -songspy.ConsentMonths, 0), Count: n}
}

func TestLinkMetrics_ReportsStatesAndRemainingConsent(t *testing.T) {
	midnight := noon.Truncate(24 * time.Hour)
	b := &fakeLinkCounter{groups: []songspy.LinkGroup{
		linkGroup(songspy.LinkActive, midnight, 1),                       // the consent ended twelve hours ago
		linkGroup(songspy.LinkActive, midnight.AddDate(0, 0, 7), 2),      // 6.5 days left
		linkGroup(songspy.LinkSuspect, midnight.AddDate(0, 0, 8), 4),     // 7.5 days left
		linkGroup(songspy.LinkActive, midnight.AddDate(0, 0, 170), 1000), // far from its end
		linkGroup(songspy.LinkReauthRequired, midnight, 8),               // not polled, so its consent is not counted
	}}
	j := &LinkMetrics{Links: b, Now: func() time.Time { return noon }}
	if n := testutil.CollectAndCount(j); n != 0 {
		t.Errorf("%d metrics before the first count", n)
	}
	if err := j.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := `# HELP songspy_link_consent_left_seconds How long the consents of polled links still last, to within a day. This is the current distribution, so rate() makes no sense.
# TYPE songspy_link_consent_left_seconds histogram
songspy_link_consent_left_seconds_bucket{le="0"} 1
songspy_link_consent_left_seconds_bucket{le="86400"} 1
songspy_link_consent_left_seconds_bucket{le="604800"} 3
songspy_link_consent_left_seconds_bucket{le="1.2096e+06"} 7
songspy_link_consent_left_seconds_bucket{le="2.592e+06"} 7
songspy_link_consent_left_seconds_bucket{le="5.184e+06"} 7
songspy_link_consent_left_seconds_bucket{le="7.776e+06"} 7
songspy_link_consent_left_seconds_bucket{le="1.0368e+07"} 7
songspy_link_consent_left_seconds_bucket{le="1.296e+07"} 7
songspy_link_consent_left_seconds_bucket{le="1.5552e+07"} 1007
songspy_link_consent_left_seconds_bucket{le="+Inf"} 1007
songspy_link_consent_left_seconds_sum 1.4648472e+10
songspy_link_consent_left_seconds_count 1007
# HELP songspy_links Spotify links, by state. Only the leader of the replicas reports them.
# TYPE songspy_links gauge
songspy_links{state="active"} 1003
songspy_links{state="not_registered"} 0
songspy_links{state="reauth_required"} 8
songspy_links{state="suspect"} 4
`
	if err := testutil.CollectAndCompare(j, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestLinkMetrics_CountsRarelyHoweverOftenScraped(t *testing.T) {
	now, leader := noon, true
	b := &fakeLinkCounter{groups: []songspy.LinkGroup{linkGroup(songspy.LinkActive, noon, 1)}}
	b.onCount = func() { now = now.Add(time.Second) }
	j := &LinkMetrics{Links: b, Now: func() time.Time { return now }, IsLeader: func() bool { return leader }}
	run := func(minutes int) {
		t.Helper()
		for range minutes {
			if err := j.Run(t.Context()); err != nil && !errors.Is(err, b.err) {
				t.Fatal(err)
			}
			testutil.CollectAndCount(j)
			now = now.Add(LinkMetricsInterval)
		}
	}
	if run(60); b.counts != 12 {
		t.Errorf("%d counts of a second each in an hour, want 12", b.counts)
	}
	if leader = false; testutil.CollectAndCount(j) != 0 {
		t.Error("a replica that is not the leader reports metrics")
	}
	run(60)
	if leader = true; testutil.CollectAndCount(j) != 0 || b.counts != 12 {
		t.Error("an old count is reported again")
	}
	if run(1); b.counts != 13 {
		t.Error("a new leader does not count at its next run")
	}
	b.err = errors.New("the database is unavailable")
	if run(10); testutil.CollectAndCount(j) == 0 {
		t.Error("one failed count discards the last result")
	}
	if run(60); testutil.CollectAndCount(j) != 0 {
		t.Error("an old count is still reported")
	}
	b.err, b.onCount = nil, func() {}
	b.counts = 0
	if run(70); b.counts < 60 {
		t.Errorf("a small instance is counted %d times in 70 minutes, want every minute", b.counts)
	}
}
