package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// plan is what is to run, worked out before anything is started.
type plan struct {
	simulated bool
	environ   map[string]string
	programs  []program // in the order of their start
	// populate signs people up once all programs are ready; nil with real providers.
	populate []string
	ports    []port

	boardURL, apiAdminURL, batchURL, simURL string // where to look
}

// program is one of the house's processes.
type program struct {
	name     string
	args     []string
	readyURL string // the URL that answers 200 once it can be used
}

// port is an address that a program will take and the variable that moves it.
type port struct{ addr, variable string }

// people is how many listeners make a board look alive.
const peopleCount = "24"

// planFor decides between simulated and real providers. Credentials of one
// provider alone are refused: half a simulation proves nothing.
func newPlan(given map[string]string) (plan, error) {
	spotify, google := given["SONGSPY_SPOTIFY_CLIENT_ID"] != "", given["SONGSPY_GOOGLE_CLIENT_ID"] != ""
	if spotify != google {
		return plan{}, fmt.Errorf("SONGSPY_SPOTIFY_CLIENT_ID and SONGSPY_GOOGLE_CLIENT_ID: only one of them is set; set both to use the real providers, or neither to simulate")
	}
	api := cmp.Or(given["SONGSPY_API_ADDR"], "127.0.0.1:8080")
	p := plan{
		simulated:   !spotify,
		boardURL:    "http://" + api,
		apiAdminURL: "http://" + cmp.Or(given["SONGSPY_API_ADMIN_ADDR"], "127.0.0.1:8082"),
		batchURL:    "http://" + cmp.Or(given["SONGSPY_BATCH_ADDR"], "127.0.0.1:8081"),
		simURL:      "http://" + cmp.Or(given["SONGSPY_SIM_ADDR"], "127.0.0.1:8090"),
	}
	p.ports = []port{
		{p.boardURL[len("http://"):], "SONGSPY_API_ADDR"},
		{p.apiAdminURL[len("http://"):], "SONGSPY_API_ADMIN_ADDR"},
		{p.batchURL[len("http://"):], "SONGSPY_BATCH_ADDR"},
	}
	p.programs = []program{
		{"songspy-api", []string{"serve"}, p.boardURL + "/readyz"},
		{"songspy-batch", []string{"serve"}, p.batchURL + "/readyz"},
	}
	// A development is at home on one machine: generated keys, a file for a
	// database, logs for people.
	defaults := map[string]string{
		"SONGSPY_LOG_FORMAT":   "text",
		"SONGSPY_PUBLIC_URL":   p.boardURL,
		"SONGSPY_DATABASE_URL": "sqlite:.songspy/real.db",
	}
	forced := map[string]string{"SONGSPY_ENV": "development"}
	if p.simulated {
		defaults["SONGSPY_POLL_INTERVAL"] = "5s"
		maps.Copy(forced, simulatedEnviron(p.simURL))
		p.ports = append(p.ports, port{p.simURL[len("http://"):], "SONGSPY_SIM_ADDR"})
		p.programs = append([]program{{"songspy-sim", []string{"serve"}, p.simURL + "/healthz"}}, p.programs...)
		defaults["SONGSPY_SIM_PUBLIC_URL"] = p.simURL
		p.populate = []string{"populate", "--api", p.boardURL, "--sim", p.simURL, "--people", peopleCount}
	}
	p.environ = mergeEnviron(defaults, given, forced)
	return p, nil
}

// simulation is the environment in which the simulator is Spotify and Google.
// Its listeners never share a database with real ones.
func simulatedEnviron(sim string) map[string]string {
	return map[string]string{
		"SONGSPY_DATABASE_URL":          "sqlite:.songspy/simulated.db",
		"SONGSPY_SPOTIFY_CLIENT_ID":     "songspy-sim-spotify",
		"SONGSPY_SPOTIFY_CLIENT_SECRET": "songspy-sim-secret",
		"SONGSPY_SPOTIFY_REDIRECT_URL":  "http://127.0.0.1:8080/spotify/callback",
		"SONGSPY_SPOTIFY_AUTHORIZE_URL": sim + "/spotify/accounts/authorize",
		"SONGSPY_SPOTIFY_ACCOUNTS_URL":  sim + "/spotify/accounts",
		"SONGSPY_SPOTIFY_API_URL":       sim + "/spotify/api",
		"SONGSPY_GOOGLE_CLIENT_ID":      "songspy-sim-google",
		"SONGSPY_GOOGLE_USERINFO_URL":   sim + "/google/oauth2/v1/userinfo",
		"SONGSPY_GOOGLE_TOKENINFO_URL":  sim + "/google/tokeninfo",
		"SONGSPY_GOOGLE_ISSUER_URL":     sim + "/google",
	}
}

// merged lays later maps over earlier ones; an empty value counts as absent. A
// variable and the same with _FILE behind it are one: the later layer's form of
// it is the one that is kept. A layer that has both keeps both, which the
// services refuse.
func mergeEnviron(layers ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, layer := range layers {
		for name, value := range layer {
			if value == "" {
				continue
			}
			other := name + "_FILE"
			if of, is := strings.CutSuffix(name, "_FILE"); is {
				other = of
			}
			if layer[other] == "" {
				delete(all, other)
			}
			all[name] = value
		}
	}
	return all
}

// lines are the environment as a process takes it.
func (p plan) environLines() []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(p.environ)) {
		lines = append(lines, name+"="+p.environ[name])
	}
	return lines
}

// welcome says where to look.
func (p plan) welcomeText() string {
	mode, simulator := "the real Spotify and Google", ""
	if p.simulated {
		mode = "a simulated Spotify and Google, " + peopleCount + " listeners"
		simulator = "  the simulator     " + p.simURL + "/\n"
	}
	return fmt.Sprintf(`
Songspy is up, with %s.

  the board         %s/
  the same as JSON  %[2]s/v1/songspy/tracks/current-playing
  the contract      %[2]s/openapi.yaml
  metrics, API      %s/metrics
  metrics, batch    %s/metrics
%s
Ctrl-C ends it all.

`, mode, p.boardURL, p.apiAdminURL, p.batchURL, simulator)
}
