package main

import "strings"

// glossaryFile defines the terms of the project in a table, one term per row.
const glossaryFile = "docs/glossary.md"

// misplacedTerms finds rows of the glossary whose term is also in an earlier row, or whose term
// is out of alphabetical order. It ignores letter case. It checks only tables whose first
// column has the header "term".
func misplacedTerms(file string, content []byte) (findings []finding) {
	inTable, last, seen := false, "", map[string]bool{}
	for i, line := range strings.Split(string(content), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			inTable = false
			continue
		}
		term := strings.ToLower(strings.TrimSpace(cells[1]))
		switch {
		case term == "term":
			inTable = true
		case !inTable || strings.Trim(term, "-: ") == "":
		case seen[term]:
			findings = append(findings, finding{file, i + 1, term, "each term once", line})
		case term < last:
			findings = append(findings, finding{file, i + 1, term, "it before " + last + ": the table is sorted", line})
		default:
			seen[term], last = true, term
		}
	}
	return findings
}
