package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// plan says which programs are started, with which settings. It is made before
// any program starts.
type plan struct {
	simulated bool
	environ   map[string]string
	programs  []program // in the order in which they start
	// populate is the command that signs simulated people up when all programs
	// are ready. It is nil if the real Spotify and Google are used.
	populate []string
	// view is the command that lets people look at what others listen to, once they are
	// signed up. It is nil unless the environment asks for it.
	view  []string
	ports []port

	boardURL, apiAdminURL, batchURL, simURL string // for welcomeText and the health checks
}

// program is one of the supervisor's processes.
type program struct {
	name     string
	args     []string
	readyURL string // the URL that answers 200 once the program is ready
}

// port is an address at which a program listens, and the environment variable
// that changes it.
type port struct{ addr, variable string }

// peopleCount is how many simulated people are signed up: enough for a board that
// looks alive.
const peopleCount = "24"

// newPlan decides whether Spotify and Google are simulated or real. It returns
// an error if there are credentials for only one of them, because mixing real
// and simulated services proves nothing.
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
	// These defaults suit one machine: keys are generated, the database is a
	// file, and logs are easy to read.
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
		if viewers := given["SONGSPY_SIM_VIEWERS"]; viewers != "" {
			p.view = []string{"view", "--api", p.boardURL, "--sim", p.simURL, "--people", viewers}
			// With an interval of 5 s the regular polls are early enough for viewers, and the batch would make no extra polls for them.
			defaults["SONGSPY_POLL_INTERVAL"] = "3m"
		}
	}
	p.environ = mergeEnviron(defaults, given, forced)
	return p, nil
}

// simulatedEnviron returns the environment variables with which the services call
// the simulator at the address sim instead of Spotify and Google. The database is
// a separate one, because simulated people never share a database with real users.
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
		"SONGSPY_GOOGLE_CLIENT_SECRET":  "songspy-sim-google-secret",
		"SONGSPY_GOOGLE_USERINFO_URL":   sim + "/google/oauth2/v1/userinfo",
		"SONGSPY_GOOGLE_TOKENINFO_URL":  sim + "/google/tokeninfo",
		"SONGSPY_GOOGLE_ISSUER_URL":     sim + "/google",
	}
}

// mergeEnviron merges maps of environment variables. If several maps set a
// variable, the last one counts; an empty value counts as not set. A variable
// and the same name with _FILE are one variable: the last map decides which of
// the two is set. If one map has both forms, both stay, and the services reject
// them.
func mergeEnviron(layers ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, layer := range layers {
		for name, value := range layer {
			if value == "" {
				continue
			}
			other := name + "_FILE"
			if plain, isFile := strings.CutSuffix(name, "_FILE"); isFile {
				other = plain
			}
			if layer[other] == "" {
				delete(all, other)
			}
			all[name] = value
		}
	}
	return all
}

// environLines returns the environment in the form of os/exec.
func (p plan) environLines() []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(p.environ)) {
		lines = append(lines, name+"="+p.environ[name])
	}
	return lines
}

// welcomeText says which addresses to open.
func (p plan) welcomeText() string {
	mode, simulator := "the real Spotify and Google", ""
	if p.simulated {
		mode = "a simulated Spotify and Google, " + peopleCount + " people"
		simulator = "  the simulator     " + p.simURL + "/\n"
	}
	return fmt.Sprintf(`
Songspy is running, with %s.

  the board         %s/
  the board, JSON   %[2]s/v1/songspy/tracks/current-playing
  the contract      %[2]s/openapi.yaml
  metrics, API      %s/metrics
  metrics, batch    %s/metrics
%s
Ctrl-C stops everything.

`, mode, p.boardURL, p.apiAdminURL, p.batchURL, simulator)
}
