package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// lines is a writer that sends each written text to a channel, so that a test can wait for
// a line of the log.
type lines struct{ c chan string }

func (l lines) Write(b []byte) (int, error) {
	l.c <- string(b)
	return len(b), nil
}

func none(string) (string, bool) { return "", false }

func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func TestServe_RunsUntilStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	logged := lines{make(chan string, 16)}
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve", "-people", "5"}, env("SONGSPY_SIM_ADDR", "127.0.0.1:0"), io.Discard, logged)
	}()
	var addr string
	for addr == "" {
		select {
		case line := <-logged.c:
			if _, after, ok := strings.Cut(line, "msg=listening address="); ok {
				addr = strings.TrimSpace(after)
			}
		case code := <-ended:
			t.Fatalf("the exit code is %d", code)
		}
	}
	var out, complaints bytes.Buffer
	if code := run(ctx, []string{"health", "-sim", "http://" + addr}, none, &out, &complaints); code != 0 || out.String() != "ok\n" {
		t.Errorf("health: exit code %d, %s%s", code, &out, &complaints)
	}
	resp, err := http.Get("http://" + addr + "/admin/population") //nolint:noctx // a test
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if !strings.Contains(string(body), `"people":5`) {
		t.Errorf("the flags have no effect: %s", body)
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("the exit code is %d", code)
	}
	if conn, err := net.Dial("tcp", addr); err == nil {
		_ = conn.Close()
		t.Error("it still listens after it has stopped")
	}
}

func TestServe_ListensOnLoopbackUnlessAllowed(t *testing.T) {
	for addr, local := range map[string]bool{
		"127.0.0.1:8090": true, "[::1]:8090": true, "127.8.0.1:0": true, ":8090": false, "0.0.0.0:8090": false, "[::]:8090": false,
		"192.168.1.4:80": false, "localhost:8090": true, "nonsense": false,
	} {
		if err := checkAddress(addr, false); (err == nil) != local {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if err := checkAddress("0.0.0.0:8090", true); err != nil {
		t.Errorf("an allowed address is rejected: %v", err)
	}
}

func TestRun_RejectsUnknownArguments(t *testing.T) {
	for _, c := range []struct {
		args  []string
		env   func(string) (string, bool)
		code  int
		names string
	}{
		{nil, none, 2, "songspy-sim serve"},
		{[]string{"dance"}, none, 2, "dance"},
		{[]string{"serve", "now"}, none, 2, "now"},
		{[]string{"serve", "-loud"}, none, 2, "loud"},
		{[]string{"serve"}, env("SONGSPY_SIM_PEOPLE", "many"), 2, "SONGSPY_SIM_PEOPLE"},
		{[]string{"serve"}, env("SONGSPY_SIM_ADDR", "0.0.0.0:8090"), 1, "SONGSPY_SIM_ALLOW_NETWORK"},
		{[]string{"serve", "-addr", "127.0.0.1:0", "-population", "loud"}, none, 1, "restless"},
		{[]string{"populate", "-api", "nowhere"}, none, 1, "nowhere"},
		{[]string{"view", "-api", "nowhere"}, none, 1, "nowhere"},
		{[]string{"view", "-people", "0"}, none, 1, "at least one viewer"},
		{[]string{"health", "-sim", "http://127.0.0.1:1"}, none, 1, "refused"},
		{[]string{"health"}, env("SONGSPY_SIM_URL", "http://127.0.0.1:1"), 1, "refused"},
	} {
		var complaints bytes.Buffer
		if code := run(t.Context(), c.args, c.env, io.Discard, &complaints); code != c.code || !strings.Contains(complaints.String(), c.names) {
			t.Errorf("%v: exit code %d: %s", c.args, code, &complaints)
		}
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"help"}, none, &out, io.Discard); code != 0 || !strings.Contains(out.String(), "populate") {
		t.Errorf("help: exit code %d: %s", code, &out)
	}
}
