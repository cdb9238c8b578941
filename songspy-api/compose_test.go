package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// composeService is a service as a Compose file declares it. Tests of songspy-sim/up check how
// Compose itself reads the file, if Compose is installed.
type composeService struct {
	Image     string
	Build     *struct{ Args map[string]*string }
	Scale     *int
	MemLimit  string `yaml:"mem_limit"`
	PidsLimit int    `yaml:"pids_limit"`
	Logging   struct {
		Driver  string
		Options map[string]string
	}
}

// composeServices returns all services of docker-compose.yml and of the files in deploy. A key
// of the map is the name of the file, a space and the name of the service.
func composeServices(t *testing.T) map[string]composeService {
	t.Helper()
	included, err := filepath.Glob("../deploy/*.yml")
	if err != nil || len(included) == 0 {
		t.Fatalf("there are no files to include: %v", err)
	}
	services := map[string]composeService{}
	for _, path := range append(included, "../docker-compose.yml") {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var file struct{ Services map[string]composeService }
		if err := yaml.Unmarshal(content, &file); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for name, s := range file.Services {
			services[filepath.Base(path)+" "+name] = s
		}
	}
	for _, name := range []string{"docker-compose.yml api", "docker-compose.yml batch", "docker-compose.yml front", "docker-compose.yml migrate", "postgres.yml postgres", "simulated.yml simulator", "simulated.yml populate"} {
		if services[name].Image == "" {
			t.Errorf("there is no service %s", name)
		}
	}
	return services
}

// numberOrDefault matches a size such as 512m, written directly or as the default of a
// variable: ${NAME:-512m}.
var numberOrDefault = regexp.MustCompile(`^(\$\{\w+:-)?[1-9][0-9]*[mg]\}?$`)

func TestCompose_LimitsMemoryProcessesAndLogsOfEveryService(t *testing.T) {
	for name, s := range composeServices(t) {
		if s.Scale != nil && *s.Scale == 0 {
			continue // it does not run
		}
		if !numberOrDefault.MatchString(s.MemLimit) {
			t.Errorf("%s: mem_limit is %q, want a limit", name, s.MemLimit)
		}
		if s.PidsLimit <= 0 {
			t.Errorf("%s: pids_limit is %d, want a limit", name, s.PidsLimit)
		}
		size, files := s.Logging.Options["max-size"], s.Logging.Options["max-file"]
		if s.Logging.Driver != "local" || !numberOrDefault.MatchString(size) || !regexp.MustCompile(`^[1-9][0-9]*$`).MatchString(files) {
			t.Errorf("%s: the driver %q keeps %q logs of %q, want local, max-file and max-size", name, s.Logging.Driver, files, size)
		}
	}
}

// `make images` passes the version and the commit to Compose. The Compose files must pass them
// on as build arguments, and the Dockerfile must pass them to the program and to the labels.
func TestImages_AreLabelledWithVersionAndCommit(t *testing.T) {
	built := map[string]bool{}
	for name, s := range composeServices(t) {
		if s.Build == nil {
			continue
		}
		built[s.Image] = true
		for variable, want := range map[string]string{"SERVICE": s.Image, "VERSION": "${VERSION:-}", "COMMIT": "${COMMIT:-}"} {
			if got := s.Build.Args[variable]; got == nil || *got != want {
				t.Errorf("%s: the build argument %s is not %s", name, variable, want)
			}
		}
	}
	for _, image := range []string{"songspy-api", "songspy-batch", "songspy-sim"} {
		if !built[image] {
			t.Errorf("no service builds %s", image)
		}
	}
	content, err := os.ReadFile("../deploy/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	stages := strings.Split(strings.ReplaceAll(string(content), "\\\n", " "), "\nFROM ")
	// A build argument is known only in a stage that declares it, so each stage needs its own
	// ARG.
	for stage, instructions := range map[int][]string{
		1: {"-X main.version=${VERSION} -X main.commit=${COMMIT}"},
		2: {`org.opencontainers.image.version="${VERSION}"`, `org.opencontainers.image.revision="${COMMIT}"`},
	} {
		if len(stages) != 3 {
			t.Fatalf("the Dockerfile has %d stages, want 2", len(stages)-1)
		}
		lines := strings.Split(stages[stage], "\n")
		for _, instruction := range instructions {
			at := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, instruction) })
			if at < 0 {
				t.Errorf("stage %d of the Dockerfile lacks %s", stage, instruction)
				continue
			}
			for _, argument := range []string{"ARG VERSION", "ARG COMMIT"} {
				if !slices.Contains(lines[:at], argument) {
					t.Errorf("stage %d of the Dockerfile uses %s without %s", stage, instruction, argument)
				}
			}
		}
	}
}
