package telemetry_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry"
)

func TestReadyz_ShowsMessagesWithoutInternals(t *testing.T) {
	behind := &songspy.Error{Code: songspy.CodeUnavailable, Message: "The schema is behind: run songspy-api migrate.", Err: errors.New("hunter2")}
	for name, c := range map[string]struct {
		err    error
		notes  func() []string
		status int
		body   string
	}{
		"no error":                   {nil, nil, 200, "ready\n"},
		"an error with a message":    {behind, nil, 503, behind.Message + "\n"},
		"an error without a message": {errors.New("hunter2"), nil, 503, "not ready\n"},
		"joined errors":              {errors.Join(behind, errors.New("hunter2")), nil, 503, behind.Message + "\nnot ready\n"},
		"notes":                      {nil, func() []string { return []string{"A breaker is open."} }, 200, "ready\nA breaker is open.\n"},
	} {
		t.Run(name, func(t *testing.T) {
			answer := httptest.NewRecorder()
			telemetry.Readyz(func(context.Context) error { return c.err }, c.notes).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/readyz", http.NoBody))
			if answer.Code != c.status || answer.Body.String() != c.body {
				t.Errorf("answer = %d %q, want %d %q", answer.Code, answer.Body, c.status, c.body)
			}
		})
	}
}

func TestCheckHealth_ReturnsTheReason(t *testing.T) {
	ready := error(&songspy.Error{Code: songspy.CodeUnavailable, Message: "The database does not respond."})
	server := httptest.NewServer(telemetry.AdminHandler(telemetry.NewRegistry(), func(context.Context) error { return ready }, nil))
	defer server.Close()
	if err := telemetry.CheckHealth(t.Context(), server.URL+"/healthz"); err != nil {
		t.Errorf("/healthz of a running service: %v", err)
	}
	if err := telemetry.CheckHealth(t.Context(), server.URL+"/readyz"); err == nil || !strings.Contains(err.Error(), "The database does not respond.") {
		t.Errorf("error = %v, want the reason", err)
	}
	ready = nil
	if err := telemetry.CheckHealth(t.Context(), server.URL+"/readyz"); err != nil {
		t.Errorf("/readyz of a ready service: %v", err)
	}
	server.Close()
	if err := telemetry.CheckHealth(t.Context(), server.URL+"/readyz"); err == nil || strings.Contains(err.Error(), server.URL) {
		t.Errorf("error = %v, want one without the URL", err)
	}
}

func TestAdminHandler_ShowsMetricsAndProfiles(t *testing.T) {
	server := httptest.NewServer(telemetry.AdminHandler(telemetry.NewRegistry(), func(context.Context) error { return nil }, nil))
	defer server.Close()
	for path, want := range map[string]string{"/metrics": "go_goroutines", "/debug/pprof/": "heap", "/debug/pprof/cmdline": "telemetry"} {
		resp, err := server.Client().Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s = %d without %q (%v)", path, resp.StatusCode, want, err)
		}
	}
}

func TestCheckReady_UsesLoopback(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "0.0.0.0", ""} {
		if err := telemetry.CheckReady(t.Context(), "SONGSPY_API_ADDR", net.JoinHostPort(host, port)); err != nil {
			t.Errorf("host %q: %v", host, err)
		}
	}
	if err := telemetry.CheckReady(t.Context(), "SONGSPY_API_ADDR", "8080"); err == nil || !strings.Contains(err.Error(), "SONGSPY_API_ADDR") {
		t.Errorf("the error for an address without a port is %v, want the name of the variable", err)
	}
}

func TestAdminHandler_RejectsUnknownHosts(t *testing.T) {
	admin := telemetry.AdminHandler(telemetry.NewRegistry(), nil, nil, "metrics.example.org")
	for host, want := range map[string]int{
		"127.0.0.1:8082":           200,
		"[::1]:8082":               200,
		"[fe80::1%25eth0]":         200,
		"10.1.2.3":                 200,
		"localhost:8082":           200,
		"songspy.localhost":        200,
		"api:8082":                 200, // a name without a dot, such as a container's
		"metrics.example.org":      200,
		"METRICS.example.org.:443": 200,
		"":                         200, // an HTTP/1.0 request without a Host header, such as one typed manually

		"evil.example":                    421,
		"evil.example:8082":               421,
		"127.0.0.1.evil.example":          421,
		"localhost.evil.example":          421,
		"metrics.example.org.evil.test":   421,
		"xmetrics.example.org":            421,
		"127.0.0.1.nip.io:8082":           421,
		"0x7f.1:8082":                     421,
		"evil.example\x00.localhost.org":  421,
		"metrics.example.org:80:evil.org": 421,
	} {
		for _, path := range []string{"/metrics", "/debug/pprof/cmdline", "/healthz"} {
			r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
			r.Host = host
			w := httptest.NewRecorder()
			admin.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%q at %s: %d, want %d", host, path, w.Code, want)
			}
			if w.Code == 421 && !strings.Contains(w.Body.String(), "SONGSPY_ADMIN_HOSTS") {
				t.Errorf("%q: the answer does not say what to do: %s", host, w.Body)
			}
		}
	}
}
