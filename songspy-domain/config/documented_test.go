package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tag is a variable of a configuration struct, with its default if it has one.
var tag = regexp.MustCompile(`env:"(SONGSPY_[A-Z_]+)"(?: +envDefault:"([^"]*)")?`)

func TestDocumentation_ListsEveryVariableWithItsDefault(t *testing.T) {
	const root = "../.."
	page, err := os.ReadFile(root + "/docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{}
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
		}
	}
	for name, value := range variables {
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
