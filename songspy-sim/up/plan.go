package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// plan says which programs are started, and with which settings. It is complete before the
// first program starts.
type plan struct {
	simulated bool              // Spotify and Google are simulated
	environ   map[string]string // the environment variables of all programs
	programs  []program         // in the order in which they start
	// populate holds the arguments with which songspy-sim signs simulated people up, when
	// all programs are ready. It is nil if the real Spotify and Google are used.
	populate []string
	// view holds the arguments with which songspy-sim lets people look at what others
	// listen to, once the people are signed up. It is nil unless Spotify and Google are
	// simulated and SONGSPY_SIM_VIEWERS is set.
	view  []string
	ports []port // the addresses that must be free

	boardURL, apiAdminURL, batchURL, simURL string // for welcomeText and the health checks
}

// program is a program that the supervisor starts, and stops at the end.
type program struct {
	name     string
	args     []string
	readyURL string // the URL that answers 200 once the program is ready
}

// port is an address at which a program listens, and the environment variable that sets
// the address.
type port struct{ addr, variable string }

// peopleCount is how many simulated people are signed up. They are enough to keep the board
// (live list of listeners) filled.
const peopleCount = "24"

// newPlan makes the plan from the given environment variables. Spotify and Google are real
// if both of their client IDs are given, and simulated if neither is. If only one is given,
// newPlan returns an error, because a mix of real and simulated services proves nothing.
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
	// The defaults suit a developer's machine: the database is an SQLite file, and the
	// logs are easy to read. With SONGSPY_ENV=development the services generate keys.
	defaults := map[string]string{
		"SONGSPY_LOG_FORMAT":   "text",
		"SONGSPY_PUBLIC_URL":   p.boardURL,
		"SONGSPY_DATABASE_URL": "sqlite:.songspy/real.db",
	}
	forced := map[string]string{"SONGSPY_ENV": "development"}
	if p.simulated {
		defaults["SONGSPY_POLL_INTERVAL"] = "5s"
		maps.Copy(forced, simulatedEnviron(p.simURL, p.boardURL))
		p.ports = append(p.ports, port{p.simURL[len("http://"):], "SONGSPY_SIM_ADDR"})
		p.programs = append([]program{{"songspy-sim", []string{"serve"}, p.simURL + "/healthz"}}, p.programs...)
		defaults["SONGSPY_SIM_PUBLIC_URL"] = p.simURL
		p.populate = []string{"populate", "--api", p.boardURL, "--sim", p.simURL, "--people", peopleCount}
		if viewers := given["SONGSPY_SIM_VIEWERS"]; viewers != "" {
			p.view = []string{"view", "--api", p.boardURL, "--sim", p.simURL, "--people", viewers}
			// With an interval of 5 s, the regular polls come early enough for viewers, so
			// the batch would make no additional polls for them.
			defaults["SONGSPY_POLL_INTERVAL"] = "3m"
		}
	}
	p.environ = mergeEnviron(defaults, given, forced)
	return p, nil
}

// simulatedEnviron returns the environment variables with which the services call the
// simulator instead of Spotify and Google. The arguments sim and board are the URLs of the
// simulator and of the API. The variables also name another database, because simulated people must not be in one database
// with real users.
func simulatedEnviron(sim, board string) map[string]string {
	return map[string]string{
		"SONGSPY_DATABASE_URL":          "sqlite:.songspy/simulated.db",
		"SONGSPY_SPOTIFY_CLIENT_ID":     "songspy-sim-spotify",
		"SONGSPY_SPOTIFY_CLIENT_SECRET": "songspy-sim-secret",
		"SONGSPY_SPOTIFY_REDIRECT_URL":  board + "/spotify/callback",
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

// mergeEnviron merges maps of environment variables. If several maps set a variable, the
// last of them counts. A map does not set a variable by an empty value. A variable NAME and
// the variable NAME_FILE are two forms of one setting, so a map that sets one form removes
// the other form of earlier maps. If one map sets both forms, both stay, and the services
// reject them.
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

// environLines returns the environment variables as lines NAME=value, the form of
// exec.Cmd.Env.
func (p plan) environLines() []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(p.environ)) {
		lines = append(lines, name+"="+p.environ[name])
	}
	return lines
}

// welcomeText returns a text for the developer with the addresses to open.
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
