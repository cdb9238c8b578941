package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"
)

// service is a settings struct like those in the main packages of the API and the batch.
type service struct {
	config.Service
	Spotify config.Spotify
	Google  config.Google
	Every   time.Duration   `env:"SONGSPY_TEST_EVERY" envDefault:"3m"`
	Origins config.List     `env:"SONGSPY_TEST_ORIGINS"`
	Token   songspy.Secret  `env:"SONGSPY_TEST_TOKEN"`
	Odd     map[string]bool `env:"-"`
}

const sealKey = "k1:BugkMTgeSrzDdWTdwU8ZW4JhyqPUy3Y7UGJmivTQiR8="

// production returns environment variables that are valid in production. The
// arguments are pairs of a name and a value, which replace or add variables.
func production(changes ...string) map[string]string {
	environ := map[string]string{
		"SONGSPY_SEAL_KEYS":         sealKey,
		"SONGSPY_SPOTIFY_CLIENT_ID": "client",
		"SONGSPY_GOOGLE_CLIENT_ID":  "client",
	}
	for i := 0; i < len(changes); i += 2 {
		environ[changes[i]] = changes[i+1]
	}
	return environ
}

func simulated(changes ...string) map[string]string {
	return production(append([]string{
		"SONGSPY_ENV", "development",
		"SONGSPY_SPOTIFY_AUTHORIZE_URL", "http://127.0.0.1:8090/spotify/accounts/authorize",
		"SONGSPY_SPOTIFY_ACCOUNTS_URL", "http://127.0.0.1:8090/spotify/accounts",
		"SONGSPY_SPOTIFY_API_URL", "http://127.0.0.1:8090/spotify/api",
		"SONGSPY_GOOGLE_USERINFO_URL", "http://127.0.0.1:8090/google/oauth2/v1/userinfo",
		"SONGSPY_GOOGLE_TOKENINFO_URL", "http://127.0.0.1:8090/google/tokeninfo",
		"SONGSPY_GOOGLE_ISSUER_URL", "http://127.0.0.1:8090/google",
	}, changes...)...)
}

func TestLoad_TakesDefaultsThenTheEnvironment(t *testing.T) {
	var c service
	if err := config.Load(&c, production("SONGSPY_DATABASE_URL", "postgres://u:p@db/songspy", "SONGSPY_TEST_ORIGINS", "https://a.example, https://b.example,")); err != nil {
		t.Fatal(err)
	}
	if c.Env != config.Production || c.Every != 3*time.Minute || c.LogFormat != "json" {
		t.Errorf("the defaults are missing: %+v", c)
	}
	if c.DatabaseURL.Reveal() != "postgres://u:p@db/songspy" {
		t.Error("the database is not that of the environment")
	}
	if len(c.Origins) != 2 || c.Origins[1] != "https://b.example" {
		t.Errorf("origins = %q, want two without spaces", c.Origins)
	}
	if c.Spotify.Mode() != config.Real || c.Google.Mode() != config.Real {
		t.Error("the default providers are not real")
	}
}

func TestLoad_CountsAnEmptyVariableAsAbsent(t *testing.T) {
	var c service
	err := config.Load(&c, production("SONGSPY_TEST_EVERY", "", "SONGSPY_ENV", "", "SONGSPY_SPOTIFY_API_URL", "", "SONGSPY_DATABASE_MAX_CONNS", ""))
	if err != nil || c.Every != 3*time.Minute || c.Spotify.APIURL != "https://api.spotify.com" {
		t.Errorf("every = %s, error %v; want the defaults", c.Every, err)
	}
}

func TestLoad_ReadsASecretFromItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("abc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var c service
	if err := config.Load(&c, production("SONGSPY_TEST_TOKEN_FILE", path)); err != nil || c.Token.Reveal() != "abc" {
		t.Errorf("token = %q, error %v; want the line of the file", c.Token.Reveal(), err)
	}
	err := config.Load(&c, production("SONGSPY_TEST_TOKEN_FILE", path, "SONGSPY_TEST_TOKEN", "xyz"))
	wantFaults(t, err, "SONGSPY_TEST_TOKEN: is given twice")
	err = config.Load(&c, production("SONGSPY_TEST_TOKEN_FILE", path+".none"))
	wantFaults(t, err, "SONGSPY_TEST_TOKEN: the file named by SONGSPY_TEST_TOKEN_FILE cannot be read")
}

func TestLoad_NamesEveryFaultAtOnce(t *testing.T) {
	err := config.Load(new(service), map[string]string{
		"SONGSPY_ENV":                  "staging",
		"SONGSPY_DATABASE_URL":         "mysql://root:hunter2@db",
		"SONGSPY_DATABASE_MAX_CONNS":   "many",
		"SONGSPY_LOG_LEVEL":            "loud",
		"SONGSPY_TEST_EVERY":           "often",
		"SONGSPY_SPOTIFY_API_URL":      "http://127.0.0.1:8090/spotify/api",
		"SONGSPY_SPOTIFY_REDIRECT_URL": "http://localhost:3000/callback",
		"SONGSPY_SPOTIFY_APPS":         "a,b:hunter2:x",
	})
	wantFaults(t, err,
		"SONGSPY_ENV: ", "SONGSPY_DATABASE_URL: ", "SONGSPY_DATABASE_MAX_CONNS: must be a whole number", "SONGSPY_LOG_LEVEL: ",
		"SONGSPY_TEST_EVERY: is not a duration", "SONGSPY_SEAL_KEYS: is required", "SONGSPY_SPOTIFY_CLIENT_ID: is required",
		"SONGSPY_GOOGLE_CLIENT_ID: is required", "SONGSPY_SPOTIFY_API_URL: in production", "SONGSPY_SPOTIFY_REDIRECT_URL: must be https",
		"SONGSPY_SPOTIFY_APPS: entry 1: ", "SONGSPY_SPOTIFY_APPS: entry 2: ")
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error contains a password or a secret: %v", err)
	}
}

func TestLoad_RefusesASimulatedProviderInProduction(t *testing.T) {
	for name, host := range map[string]string{
		"plain http":                "http://api.spotify.com",
		"another host":              "https://api.spotify.example",
		"host with the same suffix": "https://notspotify.com",
		"credentials":               "https://spotify.com@evil.example",
	} {
		t.Run(name, func(t *testing.T) {
			wantFaults(t, config.Load(new(service), production("SONGSPY_SPOTIFY_API_URL", host)), "SONGSPY_SPOTIFY_API_URL: in production it must be https at spotify.com")
		})
	}
}

func TestLoad_SimulatesAllProvidersOrNone(t *testing.T) {
	var c service
	if err := config.Load(&c, simulated("SONGSPY_SEAL_KEYS", "")); err != nil || c.Spotify.Mode() != config.Simulated {
		t.Errorf("mode %s, error %v; want simulated", c.Spotify.Mode(), err)
	}
	for _, name := range []string{"SONGSPY_SPOTIFY_API_URL", "SONGSPY_GOOGLE_TOKENINFO_URL"} {
		wantFaults(t, config.Load(new(service), simulated(name, "")), "the providers' URLs: some are simulated")
	}
}

func TestLoad_PrintsNoSecret(t *testing.T) {
	var c service
	if err := config.Load(&c, production("SONGSPY_TEST_TOKEN", "abc", "SONGSPY_DATABASE_URL", "postgres://u:hunter2@db/x", "SONGSPY_SPOTIFY_CLIENT_SECRET", "hidden")); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("start", "config", c)
	asJSON, err := json.Marshal(c.Spotify)
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %+v %#v", c, c, c) + log.String() + string(asJSON)
	for _, secret := range []string{"abc", "hunter2", "hidden", sealKey} {
		if strings.Contains(printed, secret) {
			t.Errorf("the output contains the secret %q: %s", secret, printed)
		}
	}
}

func TestEnviron_EnvironmentOverridesFile(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("SONGSPY_TEST_ONE", "environment")
	if err := os.WriteFile(".env", []byte("SONGSPY_TEST_ONE=file\nSONGSPY_TEST_TWO=file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ, err := config.Environ()
	if err != nil || environ["SONGSPY_TEST_ONE"] != "environment" || environ["SONGSPY_TEST_TWO"] != "file" {
		t.Errorf("environ = %q and %q, error %v", environ["SONGSPY_TEST_ONE"], environ["SONGSPY_TEST_TWO"], err)
	}
	if err := os.WriteFile(".env", []byte("SONGSPY_TEST_TWO=\"hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Environ(); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a malformed .env caused the error %v, want one that quotes nothing", err)
	}
}

func TestLoad_TrimsValues(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("\ufeff abc \r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var c service
	err := config.Load(&c, production("SONGSPY_TEST_TOKEN_FILE", " "+path+" ", "SONGSPY_ENV", " development ", "SONGSPY_TEST_EVERY", "\t90s\n",
		"SONGSPY_SPOTIFY_API_URL", "  ", "SONGSPY_DATABASE_URL", " sqlite:x.db\r"))
	if err != nil || c.Token != "abc" || c.Env != config.Development || c.Every != 90*time.Second || c.DatabaseURL != "sqlite:x.db" || c.Spotify.Mode() != config.Real {
		t.Errorf("%+v with the token %q and the database %q, %v", c, c.Token.Reveal(), c.DatabaseURL.Reveal(), err)
	}
}

func TestLoad_SaysWhatToDoAboutAFileThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "missing"): "mount or create the file, or correct the path",
		dir:                           "name a file that contains the value",
	} {
		err := config.Load(new(service), production("SONGSPY_TEST_TOKEN_FILE", path))
		if err == nil || !strings.Contains(err.Error(), "SONGSPY_TEST_TOKEN: the file named by SONGSPY_TEST_TOKEN_FILE cannot be read") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v, want one with %q", path, err, want)
		}
	}
}

func TestLoad_RefusesAnEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantFaults(t, config.Load(new(service), production("SONGSPY_TEST_TOKEN_FILE", path)), "SONGSPY_TEST_TOKEN: the file named by SONGSPY_TEST_TOKEN_FILE is empty")
}

func TestLoad_SuggestsMisspelledVariable(t *testing.T) {
	for name, want := range map[string]string{
		"SONGSPY_SIGNUP":                     "SONGSPY_SIGNUP: nothing reads this variable; did you mean SONGSPY_SIGN_UP?",
		"SONGSPY_SEAL_KEY":                   "SONGSPY_SEAL_KEY: nothing reads this variable; did you mean SONGSPY_SEAL_KEYS?",
		"SONGSPY_SEAL_KEY_FILE":              "SONGSPY_SEAL_KEY_FILE: nothing reads this variable; did you mean SONGSPY_SEAL_KEYS_FILE?",
		"SONGSPY_GOOGLE_CLIENTID":            "SONGSPY_GOOGLE_CLIENTID: nothing reads this variable; did you mean SONGSPY_GOOGLE_CLIENT_ID?",
		"SONGSPY_TRUSTED_PROXY":              "SONGSPY_TRUSTED_PROXY: nothing reads this variable; did you mean SONGSPY_TRUSTED_PROXIES?",
		"SONGSPY_ENV_FILE":                   "SONGSPY_ENV_FILE: only secrets are read from files; set SONGSPY_ENV instead",
		"SONGSPY_NOTICE_WEBHOOK_URL":         "SONGSPY_NOTICE_WEBHOOK_URL: this variable was renamed; set SONGSPY_NOTIFICATION_WEBHOOK_URL instead",
		"SONGSPY_NOTICE_WEBHOOK_SECRET_FILE": "SONGSPY_NOTICE_WEBHOOK_SECRET_FILE: this variable was renamed; set SONGSPY_NOTIFICATION_WEBHOOK_SECRET_FILE instead", "SONGSPY_SIM_PEOPLE": "", // read by the simulator
		"SONGSPY_API_SERVICE_HOST":       "", // set by Kubernetes
		"SONGSPY_API_PORT":               "",
		"SONGSPY_API_PORT_8080_TCP_ADDR": "",
		"SONGSPY_SMTP_URL_FILE":          "",
		"SONGSPY_POLL_INTERVAL":          "", // read by the batch
		"PATH":                           "",
	} {
		err := config.Load(new(service), production(name, "x"))
		if want != "" {
			wantFaults(t, err, want)
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if warnings := config.Warnings(production(name, "x")); len(warnings) > 0 {
			t.Errorf("%s causes a fault and warnings: %q", name, warnings)
		}
	}
	if err := config.Load(new(service), production("SONGSPY_BANANA", "x")); err != nil {
		t.Errorf("an unknown name that resembles no known one is a fault: %v", err)
	}
	if got := config.Warnings(production("SONGSPY_BANANA", "x", "SONGSPY_BANANAS", "")); len(got) != 1 || !strings.HasPrefix(got[0], "SONGSPY_BANANA: nothing reads this variable; the most similar known name is SONGSPY_") {
		t.Errorf("warnings: %q", got)
	}
}

func TestEnviron_ReadsAFileOfAnyEditor(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(content string) {
		if err := os.WriteFile(".env", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("\ufeffSONGSPY_TEST_ONE=\" spaces \"\r\nSONGSPY_TEST_TWO='a b'\r\nOTHER=\" kept \"\r\n")
	environ, err := config.Environ()
	if err != nil || environ["SONGSPY_TEST_ONE"] != "spaces" || environ["SONGSPY_TEST_TWO"] != "a b" || environ["OTHER"] != " kept " {
		t.Errorf("one = %q, two = %q, other = %q, %v", environ["SONGSPY_TEST_ONE"], environ["SONGSPY_TEST_TWO"], environ["OTHER"], err)
	}
	write("\xff\xfeS\x00")
	if _, err := config.Environ(); err == nil || !strings.Contains(err.Error(), "save it as UTF-8") {
		t.Errorf("UTF-16 caused the error %v", err)
	}
}

// wantFaults fails the test unless err is a config.Faults with as many lines as there are
// prefixes, and exactly one line begins with each prefix.
func wantFaults(t *testing.T, err error, prefixes ...string) {
	t.Helper()
	faults, ok := errors.AsType[config.Faults](err)
	if !ok || len(faults) != len(prefixes) {
		t.Errorf("got %v, want %d faults", err, len(prefixes))
	}
	for _, prefix := range prefixes {
		found := 0
		for _, f := range faults {
			if strings.HasPrefix(f, prefix) {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%d lines begin with %q, want 1, in: %v", found, prefix, err)
		}
	}
}
