package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"
)

func TestProduction_RejectsInsecureSettings(t *testing.T) {
	keys := config.GenerateKeys("test")
	jwt := keys.JWT.Reveal()
	constant := "weak:" + strings.Repeat("A", 43) + "="
	text := "weak:MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY="
	exposed := filepath.Join(t.TempDir(), "exposed.db")
	private := filepath.Join(t.TempDir(), "private.db")
	for path, mode := range map[string]os.FileMode{exposed: 0o644, private: 0o640} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct{ variable, value, want string }{
		"safe settings":                    {"SONGSPY_LOG_LEVEL", "info", ""},
		"https":                            {"SONGSPY_PUBLIC_URL", "https://songs.example.org", ""},
		"http":                             {"SONGSPY_PUBLIC_URL", "http://songs.example.org", "SONGSPY_PUBLIC_URL: is"},
		"http in a private network":        {"SONGSPY_PUBLIC_URL", "http://10.0.0.1:8080", "SONGSPY_PUBLIC_URL: is"},
		"http at a loopback address":       {"SONGSPY_PUBLIC_URL", "http://127.0.0.1:8080", ""},
		"a constant key":                   {"SONGSPY_JWT_KEYS", constant, `SONGSPY_JWT_KEYS: the key "weak" is not random`},
		"a text as a key":                  {"SONGSPY_SEAL_KEYS", text, `SONGSPY_SEAL_KEYS: the key "weak" is not random`},
		"a weak key that only verifies":    {"SONGSPY_JWT_KEYS", jwt + "," + constant, `SONGSPY_JWT_KEYS: the key "weak" is not random`},
		"one key for two purposes":         {"SONGSPY_SEAL_KEYS", jwt, "is also in SONGSPY_SEAL_KEYS"},
		"a database readable by all":       {"SONGSPY_DATABASE_URL", "sqlite:" + exposed, "SONGSPY_DATABASE_URL: every user of this machine can access " + exposed},
		"a database readable by its group": {"SONGSPY_DATABASE_URL", "sqlite:" + private, ""},
	} {
		t.Run(name, func(t *testing.T) {
			environ := map[string]string{
				"SONGSPY_SEAL_KEYS": keys.Seal.Reveal(), "SONGSPY_JWT_KEYS": jwt, "SONGSPY_STATE_DIR": t.TempDir(),
				"SONGSPY_DATABASE_URL": "sqlite:" + filepath.Join(t.TempDir(), "fresh.db"), "SONGSPY_SPOTIFY_REDIRECT_URL": "https://fe.test/callback",
				"SONGSPY_SPOTIFY_CLIENT_ID": "id", "SONGSPY_GOOGLE_CLIENT_ID": "id",
			}
			environ[c.variable] = c.value
			var s settings
			err := config.Load(&s, environ)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("rejected: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want %q", err, c.want)
			}
			if c.want != "" {
				environ["SONGSPY_ENV"] = config.Development
				if err := config.Load(&settings{}, environ); err != nil && strings.Contains(err.Error(), c.want) {
					t.Errorf("development mode rejects it too: %v", err)
				}
			}
			if _, key, _ := strings.Cut(jwt, ":"); err != nil && strings.Contains(err.Error(), key) {
				t.Error("the error shows the key")
			}
		})
	}
}

func TestProduction_RejectsFilesOfSongspyThatOthersCanAccess(t *testing.T) {
	for _, name := range []string{"keys.env", "songs.db", "songs.db-wal", "songs.db-shm"} {
		for mode, rejected := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o604: true, 0o602: true, 0o644: true} {
			dir := t.TempDir()
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			environ := map[string]string{"SONGSPY_STATE_DIR": dir, "SONGSPY_DATABASE_URL": "sqlite:" + filepath.Join(dir, "songs.db")}
			words := "every user of this machine can access " + path + "; run chmod 600 " + path
			var s settings
			if err := config.Load(&s, environ); err == nil || strings.Contains(err.Error(), words) != rejected {
				t.Errorf("%s with mode %o: error %v, want %q: %t", name, mode, err, words, rejected)
			}
			environ["SONGSPY_ENV"] = config.Development
			if err := config.Load(&s, environ); err != nil && strings.Contains(err.Error(), words) {
				t.Errorf("development mode rejects %s with mode %o: %v", name, mode, err)
			}
			service := config.Service{StateDir: dir, DatabaseURL: songspy.Secret(environ["SONGSPY_DATABASE_URL"])}
			if got := service.ExposureWarnings(nil); strings.Contains(strings.Join(got, "\n"), words) != rejected {
				t.Errorf("%s with mode %o: warnings %v, want %q: %t", name, mode, got, words, rejected)
			}
		}
	}
}

func TestWarnings_NameSuspectSettings(t *testing.T) {
	for proxies, warned := range map[string]bool{"0.0.0.0/0": true, "10.0.0.0/8,::/0": true, "10.0.0.0/8": false, "127.0.0.1": false} {
		s := settings{TrustedProxies: strings.Split(proxies, ",")}
		if got := s.warnings(); (len(got) == 1) != warned || warned && !strings.Contains(got[0], "SONGSPY_TRUSTED_PROXIES") {
			t.Errorf("proxies %s: warnings %v", proxies, got)
		}
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, warned := range map[os.FileMode]bool{0o444: true, 0o440: false, 0o400: false} {
		if err := os.Chmod(secret, mode); err != nil {
			t.Fatal(err)
		}
		service := config.Service{StateDir: t.TempDir(), DatabaseURL: songspy.Secret("postgres://db/songspy")}
		if got := service.ExposureWarnings(map[string]string{"SONGSPY_SEAL_KEYS_FILE": secret, "OTHER_FILE": secret}); (len(got) == 1) != warned || warned && !strings.Contains(got[0], "SONGSPY_SEAL_KEYS_FILE") {
			t.Errorf("mode %o: warnings %v", mode, got)
		}
	}
}
