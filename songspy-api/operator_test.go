package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-sim/sim"

	"github.com/songspy/songspy/songspy-api/internal/contracttest"
)

// emailOf returns the Google address of a person of the simulator that newTestAPI
// starts.
func emailOf(t *testing.T, person int) string {
	t.Helper()
	s, err := sim.New(sim.Options{Seed: 1, People: 4})
	if err != nil {
		t.Fatal(err)
	}
	return s.Person(person).Email
}

// checkOperator calls every route of operators. Ann is an operator, Bob is not.
func (w *testAPI) checkOperator(t *testing.T, ann, bob signedIn) {
	t.Helper()
	call := func(method, path string, body any) contracttest.Response {
		t.Helper()
		a := w.Call(method, prefix+"/operator"+path, body, ann.bearer()...)
		w.wantStatus(t, a, 200, "")
		return a
	}
	seat := func(address string) {
		t.Helper()
		w.secrets = append(w.secrets, address)
		w.wantStatus(t, w.Call("POST", prefix+"/spotify-auth/seat", map[string]string{"email": address}, bob.bearer()...), 200, "")
	}
	call("GET", "/status", nil)
	seat("bob.one@example.org")
	type seats struct {
		Apps                                   []struct{ Linked, Reserved, Free int }
		ToRegister, Rejected, Entered, Waiting []struct {
			Person struct{ Handle string }
			Email  *string
		}
	}
	var listed seats
	call("GET", "/seats", nil).DecodeData(t, &listed)
	if len(listed.ToRegister) != 1 || listed.ToRegister[0].Person.Handle != bob.handle() || listed.ToRegister[0].Email == nil ||
		*listed.ToRegister[0].Email != "bob.one@example.org" || len(listed.Apps) != 1 || listed.Apps[0].Linked != 1 || listed.Apps[0].Reserved != 1 || listed.Apps[0].Free != 3 {
		t.Errorf("the seats are %+v", listed)
	}
	if a := call("POST", "/seats/"+bob.handle()+"/entered", nil); string(a.Data) != `{"retried":false}` {
		t.Errorf("registering Bob answers %s", a.Data)
	}
	listed = seats{}
	if call("GET", "/seats", nil).DecodeData(t, &listed); len(listed.ToRegister) != 0 || len(listed.Entered) != 1 || listed.Entered[0].Email != nil {
		t.Errorf("after Bob was registered the seats are %+v", listed)
	}
	call("DELETE", "/seats/"+bob.handle(), nil)
	w.wantStatus(t, w.Call("DELETE", prefix+"/operator/seats/"+bob.handle(), nil, ann.bearer()...), 404, "SPOTIFY_SEAT_NOT_ASKED")
	w.wantStatus(t, w.Call("POST", prefix+"/operator/seats/00000000001/entered", nil, ann.bearer()...), 404, "NOT_FOUND")

	w.share(t, bob, map[string]any{"findable": true})
	for _, reason := range []string{"name", "harassment", "other"} {
		w.wantStatus(t, w.Call("POST", prefix+"/people/"+bob.handle()+"/report", map[string]string{"reason": reason, "text": "a " + reason}, ann.bearer()...), 200, "")
	}
	var ids []int64
	for cursor := ""; ; {
		var page struct {
			Items []struct {
				ID           int64
				Reason, Text string
				Person       struct{ Handle string }
			}
			NextCursor *string
		}
		call("GET", "/reports?limit=2"+cursor, nil).DecodeData(t, &page)
		for _, r := range page.Items {
			if r.Person.Handle == bob.handle() && r.Text == "a "+r.Reason {
				ids = append(ids, r.ID)
			} else if r.Person.Handle == ann.handle() { // a report that checkPeople has made
				call("POST", fmt.Sprint("/reports/", r.ID), map[string]string{"action": "dismiss"})
			}
		}
		if page.NextCursor == nil {
			break
		}
		cursor = "&cursor=" + *page.NextCursor
	}
	if len(ids) != 3 {
		t.Fatalf("the reports about Bob are %v", ids)
	}
	handle := func(id int64, body map[string]string) contracttest.Response {
		return w.Call("POST", fmt.Sprint(prefix, "/operator/reports/", id), body, ann.bearer()...)
	}
	w.wantStatus(t, handle(ids[0], map[string]string{"action": "rename", "nickName": strings.Repeat("x", 31)}), 400, "NICKNAME_INVALID")
	w.wantStatus(t, handle(ids[0], map[string]string{"action": "rename", "nickName": " Bob ", "detail": "a name"}), 200, "")
	w.wantStatus(t, handle(ids[0], map[string]string{"action": "dismiss"}), 404, "NOT_FOUND")
	w.wantStatus(t, handle(ids[1], map[string]string{"action": "hide", "detail": "harassment"}), 200, "")
	if a := call("GET", "/reports", nil); !bytes.Contains(a.Data, []byte(`"hidden":true`)) || !bytes.Contains(a.Data, []byte(`"Bob"`)) {
		t.Errorf("the report about a hidden user is %s", a.Data)
	}
	if a := call("GET", "/people?limit=1", nil); !bytes.Contains(a.Data, []byte(`{"items":[{"detail":"harassment","person":{"handle":"`+bob.handle()+`","nickName":"Bob"`)) ||
		!bytes.Contains(a.Data, []byte(`"since":"`)) || !bytes.Contains(a.Data, []byte(`"nextCursor":null`)) {
		t.Errorf("the hidden users are %s", a.Data)
	}
	w.wantStatus(t, handle(ids[2], map[string]string{"action": "dismiss"}), 200, "")
	if a := call("GET", "/reports", nil); string(a.Data) != `{"items":[],"nextCursor":null}` {
		t.Errorf("after all were handled the reports are %s", a.Data)
	}
	w.wantStatus(t, w.Call("GET", prefix+"/people/"+bob.handle(), nil, ann.bearer()...), 404, "NOT_FOUND")
	audit := string(w.Call("GET", prefix+"/me/audit?limit=2", nil, bob.bearer()...).Data)
	for _, want := range []string{`"kind":"renamed"`, `"detail":"a name"`, `"kind":"hidden"`, `"detail":"harassment"`, `"actor":"operator"`} {
		if !strings.Contains(audit, want) {
			t.Errorf("Bob's audit log lacks %s: %s", want, audit)
		}
	}
	moderate := func(handle string, body map[string]string) contracttest.Response {
		return w.Call("POST", prefix+"/operator/people/"+handle, body, ann.bearer()...)
	}
	w.wantStatus(t, moderate("00000000001", map[string]string{"action": "show"}), 404, "NOT_FOUND")
	w.wantStatus(t, moderate(bob.handle(), map[string]string{"action": "dismiss"}), 400, "INVALID_REQUEST")
	w.wantStatus(t, moderate(bob.handle(), map[string]string{"action": "rename", "nickName": strings.Repeat("x", 31)}), 400, "NICKNAME_INVALID")
	w.wantStatus(t, moderate(bob.handle(), map[string]string{"action": "show", "detail": "a mistake"}), 200, "")
	w.wantStatus(t, moderate(bob.handle(), map[string]string{"action": "rename", "nickName": "Robert"}), 200, "")
	if a := call("GET", "/people", nil); string(a.Data) != `{"items":[],"nextCursor":null}` {
		t.Errorf("after Bob was shown the hidden users are %s", a.Data)
	}
	if a := w.Call("GET", prefix+"/people/"+bob.handle(), nil, ann.bearer()...); !bytes.Contains(a.Data, []byte(`"Robert"`)) {
		t.Errorf("after Bob was shown and renamed the profile is %s", a.Body)
	}
	if a := w.Call("GET", prefix+"/me/audit?limit=2", nil, bob.bearer()...); !bytes.Contains(a.Data, []byte(`"kind":"shown"`)) || !bytes.Contains(a.Data, []byte(`"detail":"a mistake"`)) {
		t.Errorf("Bob's audit log is %s", a.Data)
	}
	w.wantStatus(t, moderate(bob.handle(), map[string]string{"action": "hide"}), 200, "")
	w.wantStatus(t, w.Call("GET", prefix+"/people/"+bob.handle(), nil, ann.bearer()...), 404, "NOT_FOUND")
}

func TestOperators_OnlyUseTheirRoutes(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite, "SONGSPY_OPERATORS", strings.ToUpper(emailOf(t, 0)))
	ann, bob := w.signIn(t, 0), w.signIn(t, 1)
	w.secrets = append(w.secrets, w.env["SONGSPY_OPERATORS"])
	doc, err := openapi3.NewLoader().LoadFromData(contract)
	if err != nil {
		t.Fatal(err)
	}
	var routes int
	for path, item := range doc.Paths.Map() {
		if !strings.Contains(path, "/operator/") {
			continue
		}
		for method := range item.Operations() {
			routes++
			path := strings.NewReplacer("{handle}", bob.handle(), "{id}", "1").Replace(path)
			w.wantStatus(t, w.Call(method, path, nil), 401, "UNAUTHORIZED")
			w.wantStatus(t, w.Call(method, path, "not JSON", bob.bearer()...), 403, "FORBIDDEN")
			if a := w.Call(method, path, nil, ann.bearer()...); a.Status == 401 || a.Status == 403 {
				t.Errorf("%s %s refuses an operator: %s", method, path, a.Body)
			}
		}
	}
	if routes < 7 {
		t.Errorf("the contract has %d routes of operators", routes)
	}
	browser := w.newBrowser(t, 0)
	browser.signIn("/")
	w.wantStatus(t, browser.call("GET", prefix+"/operator/status", nil), 200, "")
	for name, user := range map[string]struct {
		header []string
		want   bool
	}{"Ann": {ann.bearer(), true}, "Bob": {bob.bearer(), false}} {
		var me struct{ Operator *bool }
		w.Call("GET", prefix+"/me", nil, user.header...).DecodeData(t, &me)
		if me.Operator == nil || *me.Operator != user.want {
			t.Errorf("%s is an operator: %v", name, me.Operator)
		}
	}
}

func TestOperators_SeeTheStateOfTheServiceWithoutUsers(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite, "SONGSPY_OPERATORS", emailOf(t, 0), "SONGSPY_SPOTIFY_DAILY_CALLS", "1000")
	ann := w.signIn(t, 0)
	w.play(t, ann, "A secret title")
	cancel := w.sim.Fault(sim.Fault{Endpoint: "token", Person: sim.Everyone, Kind: sim.RateLimited, RetryAfter: new(40)})
	defer cancel()
	w.wantStatus(t, w.Call("POST", prefix+"/spotify-auth", map[string]any{"code": w.spotifyCode(0, "")}, ann.bearer()...), 503, "SPOTIFY_UNAVAILABLE")
	if err := w.db.CountPolls(t.Context(), map[string]int64{"track_end": 2, "interval": 7}); err != nil {
		t.Fatal(err)
	}
	type breaker struct {
		State, Cause string
		OpenUntil    *string
	}
	var status struct {
		Ready  bool
		Checks []struct {
			Name string
			OK   bool
		}
		Notes []string
		Batch struct {
			State string
			Polls []struct {
				Name  string
				Count int
			}
		}
		Links []struct {
			Name  string
			Count int
		}
		Playing int
		Apps    []struct {
			App          string
			Tokens, Data breaker
			Planned      *int64
			Left         *int64
		}
	}
	var body string
	w.eventually(t, "the breaker in the database", func() bool {
		a := w.Call("GET", prefix+"/operator/status", nil, ann.bearer()...)
		body = string(a.Body)
		a.DecodeData(t, &status)
		return len(status.Apps) == 1 && status.Apps[0].Tokens.State == "open"
	})
	app := status.Apps[0]
	if !status.Ready || len(status.Checks) != 2 || status.Batch.State != "never_started" || status.Playing != 1 || app.App != sim.SpotifyClientID ||
		app.Tokens.Cause != "rate limited" || app.Tokens.OpenUntil == nil || app.Data.State != "closed" || app.Planned == nil || *app.Planned != 975 || *app.Left > 975 ||
		!slices.ContainsFunc(status.Notes, func(n string) bool { return strings.Contains(n, "are blocked (rate limited)") }) {
		t.Errorf("the status is %s", body)
	}
	if got := fmt.Sprint(status.Batch.Polls); got != "[{interval 7} {track_end 2}]" {
		t.Errorf("the polls by reason are %s", got)
	}
	for _, private := range []string{"A secret title", ann.handle(), fmt.Sprint(ann.ID), "spotify:track"} {
		if strings.Contains(body, private) {
			t.Errorf("the status names %s", private)
		}
	}
}

func TestOperators_MustBeAddresses(t *testing.T) {
	for _, text := range []string{"everyone", "@example.org"} {
		var s settings
		env := environment(t, "sqlite:"+t.TempDir()+"/songspy.db", "http://127.0.0.1:1")
		env["SONGSPY_OPERATORS"] = text
		if err := config.Load(&s, env); err == nil || !strings.Contains(err.Error(), "SONGSPY_OPERATORS: ") || strings.Contains(err.Error(), "example.org") {
			t.Errorf("%q: error %v", text, err)
		}
	}
}
