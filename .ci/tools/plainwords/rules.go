package main

import (
	"bufio"
	"fmt"
	"strings"
	"unicode"

	"github.com/dlclark/regexp2/v2"
)

// ruleSet holds the rules of words.txt.
type ruleSet struct {
	checked []string
	exempt  []string
	prose   []proseRule
	retired map[string]string // the replacement of each retired word part, by the word part in lower case
	allowed []allowance
}

type proseRule struct {
	pattern *regexp2.Regexp
	remedy  string
}

type allowance struct{ prefix, text string }

func parseRules(list string) (*ruleSet, error) {
	rules := &ruleSet{retired: map[string]string{}}
	section, lines := "", bufio.NewScanner(strings.NewReader(list))
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			section = line
			continue
		}
		if err := rules.add(section, line); err != nil {
			return nil, fmt.Errorf("words.txt:%d: %w", number, err)
		}
	}
	return rules, lines.Err()
}

func (r *ruleSet) add(section, line string) error {
	switch section {
	case "[checked]":
		r.checked = append(r.checked, line)
	case "[exempt]":
		prefix, _, _ := strings.Cut(line, "|")
		r.exempt = append(r.exempt, strings.TrimSpace(prefix))
	case "[allow]":
		parts := strings.SplitN(line, "|", 3)
		if len(parts) != 3 {
			return fmt.Errorf("an allowance is `path prefix | text | reason`")
		}
		r.allowed = append(r.allowed, allowance{strings.TrimSpace(parts[0]), strings.ToLower(strings.TrimSpace(parts[1]))})
	case "[prose]", "[retired]":
		found, remedy, ok := strings.Cut(line, " => ")
		if !ok {
			return fmt.Errorf("a rule is `what is refused => what to write`")
		}
		if section == "[retired]" {
			r.retired[strings.ToLower(found)] = remedy
			return nil
		}
		pattern, err := regexp2.Compile("(?:"+found+")", regexp2.IgnoreCase)
		if err != nil {
			return err
		}
		r.prose = append(r.prose, proseRule{pattern, remedy})
	default:
		return fmt.Errorf("a line in no known section")
	}
	return nil
}

func (r *ruleSet) checks(path string) bool  { return hasPrefix(path, r.checked) }
func (r *ruleSet) exempts(path string) bool { return hasPrefix(path, r.exempt) }

func hasPrefix(path string, prefixes []string) bool {
	for _, p := range prefixes {
		if path == p || strings.HasPrefix(path, strings.TrimSuffix(p, "/")+"/") || p == "." {
			return true
		}
	}
	return false
}

// check returns the findings in one sentence or one name. It returns none if an allowance for
// the path accepts the text.
func (r *ruleSet) check(path string, t text) []finding {
	for _, a := range r.allowed {
		if hasPrefix(path, []string{a.prefix}) && strings.Contains(strings.ToLower(t.text), a.text) {
			return nil
		}
	}
	if t.kind == name {
		return r.checkName(path, t)
	}
	var findings []finding
	for _, rule := range r.prose {
		// The patterns are the project's own and no timeout is set, so there is never an error.
		if m, err := rule.pattern.FindStringMatch(t.text); err == nil && m != nil {
			findings = append(findings, finding{path, t.line, shorten(m.String()), rule.remedy, t.text})
		}
	}
	return findings
}

func (r *ruleSet) checkName(path string, t text) []finding {
	var findings []finding
	for _, part := range wordParts(t.text) {
		if remedy, ok := r.retired[part]; ok {
			findings = append(findings, finding{path, t.line, part, remedy, t.text})
		}
	}
	return findings
}

// wordParts splits a name into its words, in lower case: "nextLookAt",
// "songspy_batch_looks_total" and "HTTPLook" each hold "look" or "looks".
func wordParts(s string) []string {
	var parts []string
	runes := []rune(s)
	start := 0
	cut := func(end int) {
		if end > start {
			parts = append(parts, strings.ToLower(string(runes[start:end])))
		}
		start = end
	}
	for i, c := range runes {
		switch {
		case !unicode.IsLetter(c):
			cut(i)
			start = i + 1
		case unicode.IsUpper(c) && i > start &&
			(unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			cut(i)
		}
	}
	cut(len(runes))
	return parts
}

func shorten(s string) string {
	if len(s) > 48 {
		return s[:48] + "…"
	}
	return s
}
