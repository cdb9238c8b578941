package telemetry_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/songspy/songspy/songspy-domain/telemetry"
)

func TestAdminHandler_RejectsUnknownHosts(t *testing.T) {
	admin := telemetry.AdminHandler(telemetry.NewRegistry(), nil, nil, "metrics.example.org")
	for host, want := range map[string]int{
		"127.0.0.1:8082":           200,
		"[::1]:8082":               200,
		"[fe80::1%25eth0]":         200,
		"10.1.2.3":                 200,
		"localhost:8082":           200,
		"songspy.localhost":        200,
		"api:8082":                 200, // a container's name
		"metrics.example.org":      200,
		"METRICS.example.org.:443": 200,
		"":                         200, // HTTP/1.0 by hand

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
				t.Errorf("%q: the refusal names no remedy: %s", host, w.Body)
			}
		}
	}
}
