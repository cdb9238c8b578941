package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// knownVariables has an entry for each variable that the API or the batch reads. The
// entry's value is true if the variable is a secret, which may also be given as a file
// (NAME_FILE). A test compares the map with the settings structs. The API and the batch
// share one .env, so each accepts the variables of the other.
var knownVariables = map[string]bool{
	"SONGSPY_ADMIN_HOSTS":                 false,
	"SONGSPY_ALLOWED_ORIGINS":             false,
	"SONGSPY_ALLOWLIST":                   true,
	"SONGSPY_API_ADDR":                    false,
	"SONGSPY_API_ADMIN_ADDR":              false,
	"SONGSPY_ATTENTION":                   false,
	"SONGSPY_BATCH_ADDR":                  false,
	"SONGSPY_DATABASE_MAX_CONNS":          false,
	"SONGSPY_DATABASE_SIMPLE_PROTOCOL":    false,
	"SONGSPY_DATABASE_URL":                true,
	"SONGSPY_DEFAULT_AUDIENCE":            false,
	"SONGSPY_ENV":                         false,
	"SONGSPY_GOOGLE_CLIENT_ID":            false,
	"SONGSPY_GOOGLE_CLIENT_SECRET":        true,
	"SONGSPY_GOOGLE_ISSUER_URL":           false,
	"SONGSPY_GOOGLE_TOKENINFO_URL":        false,
	"SONGSPY_GOOGLE_USERINFO_URL":         false,
	"SONGSPY_JWT_KEYS":                    true,
	"SONGSPY_LINKINGS_PER_MINUTE":         false,
	"SONGSPY_LOG_FORMAT":                  false,
	"SONGSPY_LOG_LEVEL":                   false,
	"SONGSPY_MAIL_FROM":                   false,
	"SONGSPY_NOTIFICATION_WEBHOOK_SECRET": true,
	"SONGSPY_NOTIFICATION_WEBHOOK_URL":    true,
	"SONGSPY_OPERATOR_EMAIL":              true,
	"SONGSPY_OPERATORS":                   true,
	"SONGSPY_POLL_CONCURRENCY":            false,
	"SONGSPY_POLL_INTERVAL":               false,
	"SONGSPY_PUBLIC_URL":                  false,
	"SONGSPY_REFRESH_CONCURRENCY":         false,
	"SONGSPY_REFRESH_INTERVAL":            false,
	"SONGSPY_RELINK_URL":                  false,
	"SONGSPY_SEAL_KEYS":                   true,
	"SONGSPY_SESSION_LIFE":                false,
	"SONGSPY_SESSION_MAX_LIFE":            false,
	"SONGSPY_SIGN_INS_PER_MINUTE":         false,
	"SONGSPY_SIGN_UP":                     false,
	"SONGSPY_SMTP_URL":                    true,
	"SONGSPY_SPOTIFY_ACCOUNTS_URL":        false,
	"SONGSPY_SPOTIFY_API_URL":             false,
	"SONGSPY_SPOTIFY_APPS":                true,
	"SONGSPY_SPOTIFY_AUTHORIZE_URL":       false,
	"SONGSPY_SPOTIFY_CLIENT_ID":           false,
	"SONGSPY_SPOTIFY_CLIENT_SECRET":       true,
	"SONGSPY_SPOTIFY_DAILY_CALLS":         false,
	"SONGSPY_SPOTIFY_USER_APPS":           false,
	"SONGSPY_SPOTIFY_REDIRECT_URL":        false,
	"SONGSPY_SPOTIFY_SEATS":               false,
	"SONGSPY_SPREAD":                      false,
	"SONGSPY_STATE_DIR":                   false,
	"SONGSPY_STREAMS_PER_ACCOUNT":         false,
	"SONGSPY_STREAMS_PER_ADDRESS":         false,
	"SONGSPY_TOKEN_LIFE":                  false,
	"SONGSPY_TRUSTED_PROXIES":             false,
	"SONGSPY_WRITES_PER_MINUTE":           false,
}

// renamedVariables maps former names of variables to the present names. Load
// rejects a former name, because otherwise its value would be ignored silently.
var renamedVariables = map[string]string{
	"SONGSPY_NOTICE_WEBHOOK_SECRET": "SONGSPY_NOTIFICATION_WEBHOOK_SECRET",
	"SONGSPY_NOTICE_WEBHOOK_URL":    "SONGSPY_NOTIFICATION_WEBHOOK_URL",
	"SONGSPY_SPOTIFY_OWN_APPS":      "SONGSPY_SPOTIFY_USER_APPS",
}

// foreignVariables matches variables that begin with SONGSPY_ and that Load neither reads
// nor rejects: those of the simulator, of tests and of Compose, and those that Kubernetes
// sets for a service whose name begins with songspy.
var foreignVariables = regexp.MustCompile(`^SONGSPY_(SIM_.*|TEST_.*|SECRETS_DIR|(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_.*)?))$`)

// typoDistanceMax is the largest Levenshtein distance from a known name at which
// an unknown name counts as a misspelling of it.
const typoDistanceMax = 3

// unknownVariables finds variables of Songspy that nothing reads. A former name, a name
// close to a known one, or NAME_FILE for a variable NAME that is not a secret is a fault,
// because the operator expects its value to take effect. Any other name causes a warning
// only, because another release may read it.
func unknownVariables(fields []field, environ map[string]string) (faults Faults, warnings []string) {
	secrets := maps.Clone(knownVariables)
	for _, f := range fields {
		secrets[f.key] = f.secret
	}
	for _, name := range slices.Sorted(maps.Keys(environ)) {
		_, known := secrets[name]
		if known || !strings.HasPrefix(name, prefix) || environ[name] == "" || foreignVariables.MatchString(name) {
			continue
		}
		of, file := strings.CutSuffix(name, "_FILE")
		newName, renamed := renamedVariables[of]
		secret, known := secrets[of]
		switch meant, distance := nearestVariable(name, secrets); {
		case renamed:
			faults = append(faults, fmt.Sprintf("%s: this variable was renamed; set %s instead", name, newName+name[len(of):]))
		case file && known && secret:
		case file && known:
			faults = append(faults, fmt.Sprintf("%s: only secrets are read from files; set %s instead", name, of))
		case distance <= typoDistanceMax:
			faults = append(faults, fmt.Sprintf("%s: nothing reads this variable; did you mean %s?", name, meant))
		default:
			warnings = append(warnings, fmt.Sprintf("%s: nothing reads this variable; the most similar known name is %s", name, meant))
		}
	}
	return faults, warnings
}

// Warnings returns a warning for each variable of Songspy in environ that nothing
// reads, except for those that Load rejects (see unknownVariables).
func Warnings(environ map[string]string) []string {
	_, warnings := unknownVariables(nil, environ)
	return warnings
}

// nearestVariable returns the known name with the smallest Levenshtein distance to name,
// and that distance. The keys of the map secrets are the known names. If the value of a
// key is true, the variable is a secret, and the key followed by _FILE is a known name, too.
func nearestVariable(name string, secrets map[string]bool) (meant string, distance int) {
	distance = len(name) + 1
	for _, candidate := range slices.Sorted(maps.Keys(secrets)) {
		names := []string{candidate}
		if secrets[candidate] {
			names = append(names, candidate+"_FILE")
		}
		for _, c := range names {
			if d := levenshtein(name, c); d < distance {
				meant, distance = c, d
			}
		}
	}
	return meant, distance
}

// levenshtein returns the Levenshtein distance of two names.
func levenshtein(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
