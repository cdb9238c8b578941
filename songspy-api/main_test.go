package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

// runCommand runs the program with the environment and the arguments, and returns its exit code and
// its output.
func runCommand(t *testing.T, environ map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, fault bytes.Buffer
	code = run(t.Context(), args, environ, &out, &fault)
	return code, out.String(), fault.String()
}

func TestRun_PrintsUsage(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"help":                 {[]string{"help"}, 0, "Bring the database's schema up to date."},
		"help flag":            {[]string{"--help"}, 0, "Bring the database's schema up to date."},
		"help of a command":    {[]string{"invite", "--help"}, 0, "Create an invite and print its code."},
		"unknown command":      {[]string{"dance"}, 2, "unexpected argument dance\nRun `songspy-api --help` for the usage.\n"},
		"unexpected argument":  {[]string{"migrate", "now"}, 2, "unexpected argument now\nRun `songspy-api migrate --help` for the usage.\n"},
		"unknown flag":         {[]string{"serve", "--port=1"}, 2, "unknown flag --port"},
		"no route":             {[]string{"forward"}, 2, `expected "<route> ..."`},
		"route without target": {[]string{"forward", "0.0.0.0:8080"}, 2, "write LISTEN=TARGET"},
		"service is not there": {[]string{"health"}, 1, "no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := runCommand(t, map[string]string{"SONGSPY_API_ADDR": "127.0.0.1:1"}, c.args...)
			if code != c.code || !strings.Contains(stdout+stderr, c.want) {
				t.Errorf("code %d, printed %q and %q, want %d and %q", code, stdout, stderr, c.code, c.want)
			}
		})
	}
}

func TestVersion_NamesTheCommit(t *testing.T) {
	version, commit = "1.2.3", "abcdef"
	t.Cleanup(func() { version, commit = "", "" })
	if code, stdout, _ := runCommand(t, nil, "version"); code != 0 || !strings.HasPrefix(stdout, "1.2.3 (commit abcdef, go") {
		t.Errorf("code %d, printed %q", code, stdout)
	}
}

func TestRun_PrintsNewKeysThatItAccepts(t *testing.T) {
	_, first, _ := runCommand(t, nil, "keys")
	_, second, _ := runCommand(t, nil, "keys")
	if first == second || !strings.Contains(first, "SONGSPY_JWT_KEYS=") || !strings.Contains(first, "SONGSPY_SEAL_KEYS=") {
		t.Errorf("the keys are not new, or lack a name: %s", first)
	}
}

func TestRun_ListsEveryConfigurationErrorAtOnce(t *testing.T) {
	const secret = "not-a-key-but-still-a-secret"
	code, _, stderr := runCommand(t, map[string]string{
		"SONGSPY_JWT_KEYS": secret, "SONGSPY_PUBLIC_URL": "songs", "SONGSPY_ALLOWED_ORIGINS": "*, https://fe.test/", "SONGSPY_TRUSTED_PROXIES": "proxy",
		"SONGSPY_TOKEN_LIFE": "1s", "SONGSPY_DEFAULT_AUDIENCE": "friends", "SONGSPY_API_ADDR": "8080",
		"SONGSPY_SIGN_UP": "closed",
	}, "serve")
	if code != 2 || strings.Contains(stderr, secret) {
		t.Errorf("code %d, printed %s", code, stderr)
	}
	for _, name := range []string{
		"SONGSPY_JWT_KEYS", "SONGSPY_SEAL_KEYS", "SONGSPY_PUBLIC_URL", "SONGSPY_ALLOWED_ORIGINS", "SONGSPY_TRUSTED_PROXIES",
		"SONGSPY_TOKEN_LIFE", "SONGSPY_DEFAULT_AUDIENCE", "SONGSPY_API_ADDR", "SONGSPY_GOOGLE_CLIENT_ID", "SONGSPY_SPOTIFY_CLIENT_ID",
		"SONGSPY_SPOTIFY_REDIRECT_URL", "SONGSPY_SIGN_UP",
	} {
		if !strings.Contains(stderr, name+":") {
			t.Errorf("%s is not among the errors:\n%s", name, stderr)
		}
	}
}

func TestRun_AcceptsLifetimesThatAreBelowAnothersDefault(t *testing.T) {
	for name, life := range map[string]string{"SONGSPY_SESSION_LIFE": "12h", "SONGSPY_TOKEN_LIFE": "1000h", "SONGSPY_SESSION_MAX_LIFE": "24h"} {
		if _, _, stderr := runCommand(t, map[string]string{name: life}, "serve"); strings.Contains(stderr, "_LIFE:") {
			t.Errorf("%s=%s is rejected: %s", name, life, stderr)
		}
	}
	_, _, stderr := runCommand(t, map[string]string{"SONGSPY_SESSION_LIFE": "4400h"}, "serve")
	if strings.Contains(stderr, "_LIFE:") || !strings.Contains(stderr, "SONGSPY_SPOTIFY_REDIRECT_URL:") {
		t.Errorf("a session life over the default maximum: %s", stderr)
	}
}

func TestOrigins_HaveTheFormThatBrowsersSend(t *testing.T) {
	for origin, valid := range map[string]bool{
		"https://fe.test": true, "http://127.0.0.1:3000": true, "http://[::1]:3000": true,
		"*": false, "null": false, "https://fe.test/": false, "fe.test": false, "https://me@fe.test": false,
		"https://FE.test": false, "https://fe.test:443": false, "http://fe.test:80": false, // browsers send lower case and no default port
	} {
		if err := checkOrigin("ORIGIN", origin); (err == nil) != valid {
			t.Errorf("%s: %v", origin, err)
		}
	}
}

func TestServe_RejectsAnOutdatedSchema(t *testing.T) {
	environ := environment(t, storetest.New(t, storetest.Postgres).URL, "http://127.0.0.1:1")
	code, _, stderr := runCommand(t, environ, "serve")
	if code != 1 || !strings.Contains(stderr, "songspy-api migrate") {
		t.Errorf("%d %s", code, stderr)
	}
}

func TestServe_NamesAnAddressInUse(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite)
	environ := environment(t, "sqlite:"+filepath.Join(t.TempDir(), "other.db"), "http://127.0.0.1:1")
	environ["SONGSPY_API_ADDR"] = w.publicListener.Addr().String()
	code, _, stderr := runCommand(t, environ, "serve")
	if code != 1 || !strings.Contains(stderr, w.publicListener.Addr().String()) {
		t.Errorf("%d %s", code, stderr)
	}
}

func TestHealth_ChecksReadiness(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite)
	if code, _, stderr := runCommand(t, map[string]string{"SONGSPY_API_ADDR": w.publicListener.Addr().String()}, "health"); code != 0 {
		t.Errorf("%d %s", code, stderr)
	}
}
