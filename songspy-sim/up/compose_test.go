package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// composed holds the parts of the output of `docker compose config` that the tests check.
type composed struct {
	Services map[string]struct {
		Environment map[string]*string
		Scale       *int
		Volumes     []struct{ Source, Target string }
		MemLimit    string `json:"mem_limit"`
		Logging     struct{ Driver string }
		Ports       []struct{ Published string }
	}
	Volumes map[string]struct{ Name string }
}

// compose runs `docker compose config` with the given content of the .env file and the
// given environment variables of the shell. The second result is the text that the command
// writes to stderr. If Compose is not installed, the test is skipped.
func compose(t *testing.T, dotenv string, shell []string) (c composed, output string, err error) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "docker", "compose", "version").CombinedOutput(); err != nil {
		t.Skipf("NOT RUN: docker compose is not installed here: %v %s", err, out)
	}
	lines := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(lines, []byte(dotenv), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "docker", "compose", "--env-file", lines, "--file", "docker-compose.yml", "config", "--format", "json")
	cmd.Dir = "../.."
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "DOCKER_CONFIG=" + os.Getenv("DOCKER_CONFIG")}, shell...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return c, errs.String(), err
	}
	// In its output, Compose escapes each $ as $$.
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(out), "$$", "$")), &c); err != nil {
		t.Fatal(err)
	}
	return c, errs.String(), nil
}

const real = `SONGSPY_SPOTIFY_CLIENT_ID=ours
SONGSPY_GOOGLE_CLIENT_ID=ours
SONGSPY_SPOTIFY_REDIRECT_URL=https://songs.example.org/callback
SONGSPY_SEAL_KEYS=k1:seal
SONGSPY_JWT_KEYS=k1:jwt
`

func TestCompose_HasThePrecedenceOfTheShellAndDotenv(t *testing.T) {
	t.Parallel()
	given := real + "POSTGRES_PASSWORD=pw\nSONGSPY_LOG_LEVEL=info\nSONGSPY_POLL_INTERVAL=1m\nSONGSPY_SPOTIFY_APPS=\"a:b#c:5\\nd:e\"\nSONGSPY_SMTP_URL='smtps://u:p$x@mail'\n"
	c, out, err := compose(t, given, []string{"SONGSPY_LOG_LEVEL=debug", "SONGSPY_SIGN_UP=invite", "SONGSPY_SPOTIFY_SEATS="})
	if err != nil {
		t.Fatal(err, out)
	}
	for name, want := range map[string]string{
		"api SONGSPY_LOG_LEVEL":        "debug",  // from the shell
		"batch SONGSPY_LOG_LEVEL":      "debug",  // from the shell
		"api SONGSPY_SIGN_UP":          "invite", // only in the shell
		"batch SONGSPY_POLL_INTERVAL":  "1m",     // from the .env file
		"batch SONGSPY_SPOTIFY_APPS":   "a:b#c:5\nd:e",
		"batch SONGSPY_SMTP_URL":       "smtps://u:p$x@mail",
		"api SONGSPY_ENV":              "production",
		"api SONGSPY_DATABASE_URL":     "postgres://songspy:pw@postgres:5432/songspy?sslmode=disable",
		"migrate SONGSPY_DATABASE_URL": "postgres://songspy:pw@postgres:5432/songspy?sslmode=disable",
		"api SONGSPY_SPOTIFY_API_URL":  "", // the service treats an empty variable as absent
	} {
		service, variable, _ := strings.Cut(name, " ")
		if got := c.Services[service].Environment[variable]; got == nil || *got != want {
			t.Errorf("%s is %v, want %q", name, value(got), want)
		}
	}
}

func TestCompose_GivesEachServiceOnlyItsOwnVariables(t *testing.T) {
	t.Parallel()
	c, out, err := compose(t, real+"POSTGRES_PASSWORD=pw\nSONGSPY_SMTP_URL=smtps://x\nSONGSPY_GOOGLE_CLIENT_SECRET=s\nSECRET_OF_ANOTHER_PROGRAM=s\n", nil)
	if err != nil {
		t.Fatal(err, out)
	}
	for service, foreign := range map[string][]string{
		"api":       {"SONGSPY_SMTP_URL", "SONGSPY_POLL_INTERVAL", "POSTGRES_PASSWORD", "SECRET_OF_ANOTHER_PROGRAM"},
		"migrate":   {"SONGSPY_SMTP_URL", "POSTGRES_PASSWORD", "SECRET_OF_ANOTHER_PROGRAM"},
		"batch":     {"SONGSPY_JWT_KEYS", "SONGSPY_GOOGLE_CLIENT_SECRET", "SONGSPY_GOOGLE_CLIENT_ID", "POSTGRES_PASSWORD", "SECRET_OF_ANOTHER_PROGRAM"},
		"postgres":  {"SONGSPY_SEAL_KEYS", "SONGSPY_JWT_KEYS"},
		"simulator": {"SONGSPY_SEAL_KEYS"},
	} {
		for _, name := range foreign {
			if got := c.Services[service].Environment[name]; got != nil {
				t.Errorf("%s gets %s", service, name)
			}
		}
	}
	for _, service := range []string{"api", "batch", "migrate", "postgres"} {
		if s := c.Services[service]; s.MemLimit == "" || s.Logging.Driver != "local" {
			t.Errorf("%s: memory %q, logs by %q; want a limit and a driver that rotates", service, s.MemLimit, s.Logging.Driver)
		}
	}
}

func TestCompose_TakesSecretsFromFilesAtTheSamePathAsUp(t *testing.T) {
	t.Parallel()
	given := strings.NewReplacer("SONGSPY_SEAL_KEYS=k1:seal", "SONGSPY_SEAL_KEYS_FILE=/etc/songspy/seal", "SONGSPY_JWT_KEYS=k1:jwt", "SONGSPY_JWT_KEYS_FILE=/etc/songspy/jwt").Replace(real) +
		"SONGSPY_DATABASE_URL_FILE=/etc/songspy/database\nSONGSPY_SECRETS_DIR=/etc/songspy\n"
	c, out, err := compose(t, given, nil)
	if err != nil {
		t.Fatal(err, out)
	}
	for _, service := range []string{"api", "batch", "migrate"} {
		s := c.Services[service]
		for name, want := range map[string]string{
			"SONGSPY_SEAL_KEYS_FILE": "/etc/songspy/seal", "SONGSPY_DATABASE_URL_FILE": "/etc/songspy/database",
			"SONGSPY_SEAL_KEYS": "", "SONGSPY_DATABASE_URL": "",
		} {
			if got := s.Environment[name]; got == nil || *got != want {
				t.Errorf("%s: %s is %s, want %q", service, name, value(got), want)
			}
		}
		mounted := slices.ContainsFunc(s.Volumes, func(v struct{ Source, Target string }) bool {
			return v.Source == "/etc/songspy" && v.Target == "/etc/songspy"
		})
		if !mounted {
			t.Errorf("%s: the folder is not mounted at the same path: %v", service, s.Volumes)
		}
	}
	if s := c.Services["postgres"]; s.Scale == nil || *s.Scale != 0 {
		t.Error("Compose's own Postgres runs although the file names another database")
	}
}

func TestCompose_UsesAnExternalPostgres(t *testing.T) {
	t.Parallel()
	c, out, err := compose(t, real+"SONGSPY_DATABASE_URL=postgres://u:p%40@db.example.org/songs\n", nil)
	if err != nil {
		t.Fatal(err, out)
	}
	if got := c.Services["batch"].Environment["SONGSPY_DATABASE_URL"]; got == nil || *got != "postgres://u:p%40@db.example.org/songs" {
		t.Errorf("the batch uses %s", value(got))
	}
	if s := c.Services["postgres"]; s.Scale == nil || *s.Scale != 0 {
		t.Error("Compose's own Postgres runs although there is another one")
	}
	// Without credentials, the providers are simulated. A simulation must not use the
	// external database, because that may hold real users.
	c, out, err = compose(t, "SONGSPY_DATABASE_URL=postgres://u:p@db.example.org/songs\n", nil)
	if err != nil {
		t.Fatal(err, out)
	}
	if got := c.Services["api"].Environment["SONGSPY_DATABASE_URL"]; got == nil || !strings.Contains(*got, "@postgres:5432/") {
		t.Errorf("the simulation uses %s", value(got))
	}
}

func TestCompose_WithRealCredentialsLeavesNoSimulatorAndTakesItsOwnVolumes(t *testing.T) {
	t.Parallel()
	simulated, out, err := compose(t, "", nil)
	if err != nil {
		t.Fatal(err, out)
	}
	ours, out, err := compose(t, real+"POSTGRES_PASSWORD=pw\n", nil)
	if err != nil {
		t.Fatal(err, out)
	}
	for _, name := range []string{"simulator", "populate"} {
		if s, there := simulated.Services[name]; !there || s.Scale != nil && *s.Scale == 0 {
			t.Errorf("a simulation has no %s", name)
		}
		// With real credentials, the service must be scaled to 0. If it were missing from
		// the configuration, Compose would leave a container of it running.
		if s := ours.Services[name]; s.Scale == nil || *s.Scale != 0 {
			t.Errorf("the %s of an earlier simulation keeps running", name)
		}
	}
	for _, volume := range []string{"state", "database"} {
		if simulated.Volumes[volume].Name == ours.Volumes[volume].Name {
			t.Errorf("simulation and production share the volume %s", ours.Volumes[volume].Name)
		}
	}
}

func TestCompose_NamesAllMissingVariables(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		given string
		want  []string
	}{
		"only Spotify's client ID": {"SONGSPY_SPOTIFY_CLIENT_ID=ours\n", []string{
			"[] POSTGRES_PASSWORD", "[] SONGSPY_SEAL_KEYS", "[] SONGSPY_JWT_KEYS", "[] SONGSPY_GOOGLE_CLIENT_ID", "[x] SONGSPY_SPOTIFY_CLIENT_ID", "[] SONGSPY_SPOTIFY_REDIRECT_URL",
		}},
		"only Google's client ID":     {"SONGSPY_GOOGLE_CLIENT_ID=ours\n", []string{"[x] SONGSPY_GOOGLE_CLIENT_ID", "[] SONGSPY_SPOTIFY_CLIENT_ID", "leave out both"}},
		"all but Spotify's client ID": {strings.Replace(real, "SONGSPY_SPOTIFY_CLIENT_ID=ours\n", "", 1) + "POSTGRES_PASSWORD=pw\n", []string{"[x] POSTGRES_PASSWORD", "[] SONGSPY_SPOTIFY_CLIENT_ID"}},
		"all but the password":        {real, []string{"[] POSTGRES_PASSWORD", "[x] SONGSPY_SEAL_KEYS", "[x] SONGSPY_JWT_KEYS", "[x] SONGSPY_GOOGLE_CLIENT_ID", "[x] SONGSPY_SPOTIFY_CLIENT_ID"}},
		"a file for a key": {"SONGSPY_SPOTIFY_CLIENT_ID=ours\nSONGSPY_SEAL_KEYS_FILE=/etc/seal\nSONGSPY_DATABASE_URL=postgres://u:hunter2@db/songs\n", []string{
			"[x] POSTGRES_PASSWORD, of letters and digits, or SONGSPY_DATABASE_URL", "[x] SONGSPY_SEAL_KEYS", "[] SONGSPY_JWT_KEYS",
		}},
		"the database twice": {real + "SONGSPY_DATABASE_URL=postgres://u:hunter2@db/songs\nSONGSPY_DATABASE_URL_FILE=/etc/database\n", []string{"SONGSPY_DATABASE_URL is given twice"}},
	} {
		_, out, err := compose(t, c.given, nil)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		for _, words := range c.want {
			if !strings.Contains(out, words) {
				t.Errorf("%s: the output lacks %q: %s", name, words, out)
			}
		}
		for _, secret := range []string{"hunter2", "k1:"} {
			if strings.Contains(out, secret) {
				t.Errorf("%s: the output contains %q: %s", name, secret, out)
			}
		}
	}
}

func TestCompose_PublishesPortsOnlyThroughTheForwarder(t *testing.T) {
	t.Parallel()
	c, out, err := compose(t, "", nil)
	if err != nil {
		t.Fatal(err, out)
	}
	for _, service := range []string{"api", "batch"} {
		for _, p := range c.Services[service].Ports {
			t.Errorf("%s: each replica would need the port %s", service, p.Published)
		}
	}
	var published []string
	for _, p := range c.Services["front"].Ports {
		published = append(published, p.Published)
	}
	if strings.Join(published, " ") != "8080 8081 8082" {
		t.Errorf("the forwarder publishes %v, want 8080 8081 8082", published)
	}
}

func value(s *string) string {
	if s == nil {
		return "not given"
	}
	return *s
}
