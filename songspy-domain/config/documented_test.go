package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/songspy/songspy/songspy-domain/config"
)

// tag matches the struct tag of a field of a settings struct. It captures the variable's
// name, and the default if there is one.
var tag = regexp.MustCompile(`env:"(SONGSPY_[A-Z_]+)"(?: +envDefault:"([^"]*)")?`)

// secretTag matches the type and the struct tag of a field that holds a secret. It
// captures the variable's name.
var secretTag = regexp.MustCompile("songspy\\.Secret +`env:\"(SONGSPY_[A-Z_]+)\"")

func TestDocumentation_ListsEveryVariableWithItsDefault(t *testing.T) {
	const root = "../.."
	page, err := os.ReadFile(root + "/docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	variables, secrets := map[string]string{}, map[string]bool{}
	for _, pattern := range []string{"/songspy-domain/config/*.go", "/songspy-api/*.go", "/songspy-batch/*.go"} {
		files, err := filepath.Glob(root + pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files at %s (%v)", pattern, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range tag.FindAllStringSubmatch(string(source), -1) {
				variables[m[1]] = m[2]
			}
			for _, m := range secretTag.FindAllStringSubmatch(string(source), -1) {
				secrets[m[1]] = true
			}
		}
	}
	for name := range config.KnownVariables {
		if _, known := variables[name]; !known {
			t.Errorf("variables.go lists %s, which nothing reads", name)
		}
	}
	for name, value := range variables {
		if secret, known := config.KnownVariables[name]; !known || secret != secrets[name] {
			t.Errorf("variables.go must list %q: %t", name, secrets[name])
		}
		row := "| `" + name + "` | `" + value + "` |"
		if value == "" {
			row = "| `" + name + "` | – |"
		}
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/configuration.md lacks a row that begins %s", row)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(SONGSPY_[A-Z_]+)`").FindAllStringSubmatch(string(page), -1) {
		if _, ok := variables[m[1]]; !ok {
			t.Errorf("docs/configuration.md describes %s, which nothing reads", m[1])
		}
	}
}

// Docker Compose passes a service only the variables that docker-compose.yml and
// the files in deploy/env name. A service would never get a variable that they do
// not name. So they must name each known variable, and also NAME_FILE for each
// secret NAME.
func TestCompose_PassesEveryVariable(t *testing.T) {
	const root = "../.."
	passed := map[string]bool{}
	for _, pattern := range []string{"/deploy/env/*.env", "/docker-compose.yml"} {
		files, err := filepath.Glob(root + pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files at %s (%v)", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^\s*(?:environment: \{)?(SONGSPY_[A-Z_]+)(?:=|: )`).FindAllStringSubmatch(string(text), -1) {
				passed[m[1]] = true
			}
		}
	}
	for name, secret := range config.KnownVariables {
		if !passed[name] {
			t.Errorf("%s is not passed on: add it to deploy/env/both.env, api.env or batch.env", name)
		}
		if secret && !passed[name+"_FILE"] {
			t.Errorf("%s_FILE is not passed on: add it to deploy/env next to %[1]s", name)
		}
	}
}
