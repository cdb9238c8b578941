package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/songspy/songspy/songspy-domain/quota"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-sim/sim"
)

func TestStatusPrintsATableOrJSON(t *testing.T) {
	long(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newSimWorld(t, sim.Options{People: 12, Population: "regular", Epoch: time.Now()})
		stop, _ := w.start()
		<-time.After(5 * time.Hour)
		stop()
		st, err := w.db.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		polls := int64(0)
		for _, n := range st.Polls {
			polls += n
		}
		if calls := st.Quotas[sim.SpotifyClientID].Calls[quota.EndpointPlaying]; polls != calls || st.Polls["interval"] == 0 || st.Polls["track_end"] == 0 {
			t.Errorf("the status has the polls %v and %d calls", st.Polls, calls)
		}
		var table bytes.Buffer
		if err := writeStatus(statusReport{Status: st}, false, &table); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"active                    12 ", " live", "last heartbeat", "calls in 24 hours", "schema version"} {
			if !strings.Contains(table.String(), want) {
				t.Errorf("the table does not contain %q:\n%s", want, table.String())
			}
		}
		var out bytes.Buffer
		var back store.Status
		if err := writeStatus(statusReport{Status: st}, true, &out); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out.Bytes(), &back); err != nil || back.Links["active"] != 12 || back.Quotas[sim.SpotifyClientID].Calls.Sum() == 0 {
			t.Errorf("%v: %s", err, out.String())
		}
	})
}

func TestCommandsReportWrongArguments(t *testing.T) {
	t.Parallel()
	environ := map[string]string{
		"SONGSPY_ENV": "development", "SONGSPY_DATABASE_URL": "sqlite:" + t.TempDir() + "/none.db", "SONGSPY_STATE_DIR": t.TempDir(),
		"SONGSPY_SPOTIFY_CLIENT_ID":     "client",
		"SONGSPY_SPOTIFY_AUTHORIZE_URL": "http://127.0.0.1:1/authorize",
		"SONGSPY_SPOTIFY_ACCOUNTS_URL":  "http://127.0.0.1:1",
		"SONGSPY_SPOTIFY_API_URL":       "http://127.0.0.1:1",
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"status", "please"}, 2, "unexpected argument please"},
		{[]string{"status", "--yaml"}, 2, "unknown flag --yaml"},
		{[]string{"backfill", "--user=-3"}, 2, "must not be negative"},
		{[]string{"backfill", "--since", "yesterday"}, 2, "--since"},
		{[]string{"status"}, 1, "songspy-batch:"}, // there is no schema
		{[]string{"reseal"}, 1, "songspy-batch:"},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), tt.args, environ, &out, &out); code != tt.code || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%v: exit %d, want %d and %q:\n%s", tt.args, code, tt.code, tt.want, out.String())
		}
	}
}
