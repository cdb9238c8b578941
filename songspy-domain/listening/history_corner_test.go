package listening

import (
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestHistoryClaimsNoMoreThanATrackHolds(t *testing.T) {
	// A was paused for a minute within, so that its listened time says nothing of when.
	known := []songspy.KeptPlay{kept(songB, -180, 0, 180, false), kept(songA, 0, 260, 50, true)}
	r := Reconcile(around(known, nil), []songspy.HistoryItem{item(songB, 0), item(songA, 260)}, at(600))
	for _, c := range r.Confirmed {
		if c.Play.TrackURI == songA.URI && c.Play.ListenedMS > songA.DurationMS {
			t.Errorf("%d ms listened of %d", c.Play.ListenedMS, songA.DurationMS)
		}
	}
}

func TestAPlayWhoseStartWasMissedIsNotDoubledByHistory(t *testing.T) {
	// A silence that was not true bounds the start of what began a minute before.
	for _, start := range []float64{70, 130} {
		known := []songspy.KeptPlay{kept(songB, -180, 0, 180, false), kept(songA, start, 200, 200-start, true)}
		for name, items := range map[string][]songspy.HistoryItem{
			"of the starts": {item(songB, -180), item(songA, 0)},
			"alone":         {item(songA, 0)},
		} {
			r := Reconcile(around(known, nil), items, at(600))
			if len(r.Found) != 0 || len(r.Confirmed) != len(items) {
				t.Errorf("%s: found %+v, confirmed %+v", name, r.Found, r.Confirmed)
			}
		}
	}
	loop := []songspy.KeptPlay{kept(songA, 200, 400, 200, true)}
	if r := Reconcile(around(loop, nil), []songspy.HistoryItem{item(songA, 0), item(songA, 200)}, at(600)); len(r.Found) != 1 {
		t.Errorf("a round before was not found: %+v", r)
	}
}

func TestAFoundPlayWhoseEndNobodyKnowsIsProvisional(t *testing.T) {
	known := []songspy.KeptPlay{kept(songA, 0, 200, 200, false)}
	for name, tt := range map[string]struct {
		items []songspy.HistoryItem
		want  bool
	}{
		"told by its start":           {[]songspy.HistoryItem{item(songA, 0), item(songB, 200)}, true},
		"told by its end":             {[]songspy.HistoryItem{item(songA, 200), item(songB, 380)}, false},
		"told nobody knows by which":  {[]songspy.HistoryItem{item(songB, 500)}, true},
		"told by its start, seamless": {[]songspy.HistoryItem{item(songA, 0), item(songB, 200), item(songA, 380)}, false},
	} {
		r := Reconcile(around(known, nil), tt.items, at(900))
		if len(r.Found) == 0 || r.Found[0].Play.TrackURI != songB.URI || r.Found[0].Play.Provisional != tt.want {
			t.Errorf("%s: found %+v, want provisional %t", name, r.Found, tt.want)
		}
	}
}
