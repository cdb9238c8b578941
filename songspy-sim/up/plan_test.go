package main

import (
	"strings"
	"testing"
)

func TestPlanFor_SimulatesWithoutCredentials(t *testing.T) {
	p, err := planFor(map[string]string{"PATH": "/bin", "SONGSPY_DATABASE_URL": "sqlite:real.db", "SONGSPY_GOOGLE_CLIENT_ID": ""})
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

func TestPlanFor_LeavesRealProvidersAlone(t *testing.T) {
	p, err := planFor(map[string]string{"SONGSPY_SPOTIFY_CLIENT_ID": "ours", "SONGSPY_GOOGLE_CLIENT_ID": "ours"})
	if err != nil {
		t.Fatal(err)
	}
	if names := programNames(p); names != "songspy-api songspy-batch" || p.populate != nil {
		t.Errorf("programs %q and populate %q, want neither simulator nor invented people", names, p.populate)
	}
	if p.environ["SONGSPY_SPOTIFY_CLIENT_ID"] != "ours" || p.environ["SONGSPY_SPOTIFY_API_URL"] != "" || p.environ["SONGSPY_POLL_INTERVAL"] != "" {
		t.Error("the simulation's settings leaked into the real mode")
	}
	if p.environ["SONGSPY_DATABASE_URL"] != "sqlite:.songspy/real.db" {
		t.Errorf("database %q, want one apart from the simulation's", p.environ["SONGSPY_DATABASE_URL"])
	}
}

func TestPlanFor_RefusesHalfASetOfCredentials(t *testing.T) {
	for _, name := range []string{"SONGSPY_SPOTIFY_CLIENT_ID", "SONGSPY_GOOGLE_CLIENT_ID"} {
		if _, err := planFor(map[string]string{name: "ours"}); err == nil {
			t.Errorf("%s alone was accepted", name)
		}
	}
}

func TestPlanFor_FollowsMovedAddresses(t *testing.T) {
	p, err := planFor(map[string]string{"SONGSPY_API_ADDR": "127.0.0.1:9080", "SONGSPY_SIM_ADDR": "127.0.0.1:9090"})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(p.populate, " "); !strings.Contains(got, "--api http://127.0.0.1:9080 --sim http://127.0.0.1:9090") {
		t.Errorf("populate %q does not follow", got)
	}
	if p.environ["SONGSPY_SPOTIFY_API_URL"] != "http://127.0.0.1:9090/spotify/api" || !strings.Contains(p.welcome(), "http://127.0.0.1:9080/") {
		t.Error("the services or the welcome do not follow")
	}
}

func programNames(p plan) string {
	var names []string
	for _, program := range p.programs {
		names = append(names, program.name)
	}
	return strings.Join(names, " ")
}
