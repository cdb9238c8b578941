package main

import (
	"os"
	"strings"
	"testing"
)

func TestNewPlan_SimulatesWithoutCredentials(t *testing.T) {
	p, err := newPlan(map[string]string{"PATH": "/bin", "SONGSPY_DATABASE_URL": "sqlite:real.db", "SONGSPY_GOOGLE_CLIENT_ID": ""})
	if err != nil {
		t.Fatal(err)
	}
	if names := programNames(p); names != "songspy-sim songspy-api songspy-batch" || p.populate == nil {
		t.Errorf("programs %q and populate %q, want the simulator first and people signed up", names, p.populate)
	}
	for name, want := range map[string]string{
		"PATH": "/bin", "SONGSPY_ENV": "development", "SONGSPY_POLL_INTERVAL": "5s", "SONGSPY_DATABASE_URL": "sqlite:.songspy/simulated.db",
		"SONGSPY_SPOTIFY_API_URL": "http://127.0.0.1:8090/spotify/api", "SONGSPY_GOOGLE_CLIENT_ID": "songspy-sim-google",
	} {
		if p.environ[name] != want {
			t.Errorf("%s = %q, want %q", name, p.environ[name], want)
		}
	}
}

func TestNewPlan_SimulatedSpotifyRedirectsToTheAddressOfTheAPI(t *testing.T) {
	p, err := newPlan(map[string]string{"SONGSPY_API_ADDR": "127.0.0.1:9000"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.environ["SONGSPY_SPOTIFY_REDIRECT_URL"], "http://127.0.0.1:9000/spotify/callback"; got != want {
		t.Errorf("the redirect URL is %s, want %s", got, want)
	}
}

func TestNewPlan_UsesRealProviders(t *testing.T) {
	p, err := newPlan(map[string]string{"SONGSPY_SPOTIFY_CLIENT_ID": "ours", "SONGSPY_GOOGLE_CLIENT_ID": "ours"})
	if err != nil {
		t.Fatal(err)
	}
	if names := programNames(p); names != "songspy-api songspy-batch" || p.populate != nil {
		t.Errorf("programs %q and populate %q, want neither the simulator nor simulated people", names, p.populate)
	}
	if p.environ["SONGSPY_SPOTIFY_CLIENT_ID"] != "ours" || p.environ["SONGSPY_SPOTIFY_API_URL"] != "" || p.environ["SONGSPY_POLL_INTERVAL"] != "" {
		t.Error("the real mode has settings of the simulation")
	}
	if p.environ["SONGSPY_DATABASE_URL"] != "sqlite:.songspy/real.db" {
		t.Errorf("database %q, want another one than the simulation's", p.environ["SONGSPY_DATABASE_URL"])
	}
}

func TestNewPlan_ReadsASecretFromItsFile(t *testing.T) {
	given := map[string]string{
		"SONGSPY_SPOTIFY_CLIENT_ID": "ours", "SONGSPY_GOOGLE_CLIENT_ID": "ours",
		"SONGSPY_DATABASE_URL_FILE": "/secrets/database", "SONGSPY_SPOTIFY_CLIENT_SECRET_FILE": "/secrets/spotify",
	}
	p, err := newPlan(given)
	if err != nil {
		t.Fatal(err)
	}
	if p.environ["SONGSPY_DATABASE_URL_FILE"] != "/secrets/database" || p.environ["SONGSPY_DATABASE_URL"] != "" {
		t.Errorf("the default database is set in addition to the file: %q", p.environ["SONGSPY_DATABASE_URL"])
	}
	delete(given, "SONGSPY_SPOTIFY_CLIENT_ID")
	delete(given, "SONGSPY_GOOGLE_CLIENT_ID")
	if p, err = newPlan(given); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"SONGSPY_DATABASE_URL", "SONGSPY_SPOTIFY_CLIENT_SECRET"} {
		if p.environ[name] == "" || p.environ[name+"_FILE"] != "" {
			t.Errorf("%s is %q and its file %q, want only the simulation's", name, p.environ[name], p.environ[name+"_FILE"])
		}
	}
	both := mergeEnviron(map[string]string{"A": "1", "A_FILE": "2"})
	if both["A"] != "1" || both["A_FILE"] != "2" {
		t.Errorf("a variable that is set twice became %q; the services would not reject it", both)
	}
}

func TestEnviron_ReadsTheFileAsTheServicesDo(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("SONGSPY_TEST_TWO", " shell ")
	if err := os.WriteFile(".env", []byte("\ufeffSONGSPY_TEST_ONE=\" file \"\r\nSONGSPY_TEST_TWO=file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := environ(); err != nil || got["SONGSPY_TEST_ONE"] != "file" || got["SONGSPY_TEST_TWO"] != "shell" {
		t.Errorf("one = %q, two = %q, %v", got["SONGSPY_TEST_ONE"], got["SONGSPY_TEST_TWO"], err)
	}
}

func TestNewPlan_RejectsIncompleteCredentials(t *testing.T) {
	for _, name := range []string{"SONGSPY_SPOTIFY_CLIENT_ID", "SONGSPY_GOOGLE_CLIENT_ID"} {
		if _, err := newPlan(map[string]string{name: "ours"}); err == nil {
			t.Errorf("%s alone was accepted", name)
		}
	}
}

func TestNewPlan_UsesConfiguredAddresses(t *testing.T) {
	p, err := newPlan(map[string]string{"SONGSPY_API_ADDR": "127.0.0.1:9080", "SONGSPY_SIM_ADDR": "127.0.0.1:9090"})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(p.populate, " "); !strings.Contains(got, "--api http://127.0.0.1:9080 --sim http://127.0.0.1:9090") {
		t.Errorf("populate %q does not use the port", got)
	}
	if p.environ["SONGSPY_SPOTIFY_API_URL"] != "http://127.0.0.1:9090/spotify/api" || !strings.Contains(p.welcomeText(), "http://127.0.0.1:9080/") {
		t.Error("the services or the welcome text do not use the port")
	}
}

func TestNewPlan_LetsPeopleViewIfAskedTo(t *testing.T) {
	for viewers, want := range map[string]struct{ command, interval string }{
		"":  {"", "5s"},
		"6": {"view --api http://127.0.0.1:8080 --sim http://127.0.0.1:8090 --people 6", "3m"},
	} {
		p, err := newPlan(map[string]string{"SONGSPY_SIM_VIEWERS": viewers})
		if err != nil || strings.Join(p.view, " ") != want.command || p.environ["SONGSPY_POLL_INTERVAL"] != want.interval {
			t.Errorf("with %q viewers the command is %q and polls are %s apart, error %v, want %v", viewers, p.view, p.environ["SONGSPY_POLL_INTERVAL"], err, want)
		}
	}
}

func programNames(p plan) string {
	var names []string
	for _, program := range p.programs {
		names = append(names, program.name)
	}
	return strings.Join(names, " ")
}
