// Command plainwords refuses words of the project that are hard to read, or that the glossary
// has replaced.
//
// It checks two kinds of text separately. Prose is comments, messages, Markdown, SQL comments
// and the descriptions of the HTTP contract: words.txt refuses some turns of phrase there.
// Names are identifiers, metrics, columns and names in the contract: words.txt refuses names
// that contain a word that the glossary has retired, such as nextLookAt. Some words of ordinary
// English, such as "look" and "door", are refused in names. Prose may use them, except where
// they stand for a concept of this project.
//
// It also checks that each doc comment begins with the name that it documents, that each
// function that Markdown mentions together with a file exists in that file, that the glossary
// lists each term once and in order, and that log calls use the constants of package logkey for
// keys that have a constant.
//
//	plainwords [-all] [directory]
//
// It exits with 1 if it finds anything. Without -all it checks only files under the paths in
// the section [checked] of words.txt.
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed words.txt
var wordList string

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("plainwords", flag.ContinueOnError)
	flags.SetOutput(errs)
	all := flags.Bool("all", false, "check every file, also those outside the checked paths")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	top := "."
	if flags.NArg() > 0 {
		top = flags.Arg(0)
	}
	rules, err := parseRules(wordList)
	if err != nil {
		fmt.Fprintln(errs, "plainwords:", err)
		return 2
	}
	findings, sentences, err := checkTree(top, rules, *all)
	if err != nil {
		fmt.Fprintln(errs, "plainwords:", err)
		return 2
	}
	for _, f := range findings {
		fmt.Fprintln(out, f)
	}
	fmt.Fprintf(out, "plainwords: %d findings, %d sentences\n", len(findings), sentences)
	if len(findings) > 0 {
		return 1
	}
	return 0
}

// finding is one sentence or name to rewrite: its path and line, the words that were found in
// it, what to write instead, and the whole text.
type finding struct {
	path   string
	line   int
	found  string
	remedy string
	text   string
}

func (f finding) String() string {
	return fmt.Sprintf("%s:%d: %q: write %s\n\t%s", f.path, f.line, f.found, f.remedy, f.text)
}

// checkTree checks the files under top that git tracks, and those that it would track after
// "git add .". If the argument all is false, it skips the files that are not under a checked
// path.
func checkTree(top string, rules *ruleSet, all bool) (findings []finding, sentences int, err error) {
	list := exec.Command("git", "-C", top, "ls-files", "--cached", "--others", "--exclude-standard")
	names, err := list.Output()
	if err != nil {
		return nil, 0, fmt.Errorf("list the files of %s: %w", top, err)
	}
	constants, err := logKeyConstants(top)
	if err != nil {
		return nil, 0, err
	}
	documented := map[string]bool{} // by folder with Go files: whether it has a package comment
	for _, name := range strings.Fields(string(names)) {
		if rules.exempts(name) || !all && !rules.checks(name) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(top, name))
		if os.IsNotExist(err) {
			continue // deleted, but not yet committed
		}
		if err != nil {
			return nil, 0, err
		}
		if filepath.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go") {
			folder := filepath.Dir(name)
			documented[folder] = documented[folder] || hasPackageComment(content)
			found, err := logKeys(name, content, constants)
			if err != nil {
				return nil, 0, err
			}
			findings = append(findings, found...)
		}
		if filepath.Ext(name) == ".go" {
			found, err := docComments(name, content)
			if err != nil {
				return nil, 0, err
			}
			findings = append(findings, found...)
		}
		if filepath.Ext(name) == ".md" {
			findings = append(findings, missingFunctions(top, name, content)...)
		}
		if name == glossaryFile {
			findings = append(findings, misplacedTerms(name, content)...)
		}
		texts, err := extract(name, content)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", name, err)
		}
		for _, t := range texts {
			if t.kind == prose {
				sentences++
			}
			findings = append(findings, rules.check(name, t)...)
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(documented)) {
		if !documented[folder] {
			findings = append(findings, finding{folder, 0, "no package comment", "one that says what the package is for", ""})
		}
	}
	return findings, sentences, nil
}
