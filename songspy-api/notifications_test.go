package main

import (
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-domain/telemetry"
)

func TestAPI_StoresAddressesOnlyIfMailIsConfigured(t *testing.T) {
	onEngine := func(t *testing.T, engine string) {
		w := newTestAPI(t, engine, "SONGSPY_MAIL_FROM", "Songspy <songs@example.org>")
		ann := w.signIn(t, 0)
		address := w.sim.Person(0).Email
		masked := songspy.MaskEmail(songspy.Secret(address))
		answer := `{"address":"` + masked + `","email":true}`
		if a := w.Call("GET", prefix+"/me/notices", nil, ann.bearer()...); string(a.Data) != answer || masked == "" {
			t.Errorf("answered %s, want %s", a.Data, answer)
		}
		if m, err := w.db.Mailbox(t.Context(), ann.UserID); err != nil || m.Address.Reveal() != address {
			t.Errorf("the stored address is %q, error %v", m.Address.Reveal(), err)
		}

		// The operator removes the mail configuration and restarts the API.
		delete(w.env, "SONGSPY_MAIL_FROM")
		var loaded settings
		if err := config.Load(&loaded, w.env); err != nil {
			t.Fatal(err)
		}
		restarted, err := newService(t.Context(), loaded, telemetry.NewLogger(w.log, "debug", "json"))
		if err != nil {
			t.Fatal(err)
		}
		defer restarted.close()
		if m, err := w.db.Mailbox(t.Context(), ann.UserID); err != nil || m.Address != "" {
			t.Errorf("the address is still stored: %q, error %v", m.Address.Reveal(), err)
		}
	}
	for _, engine := range []string{storetest.SQLite, storetest.Postgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			onEngine(t, engine)
		})
	}
}
