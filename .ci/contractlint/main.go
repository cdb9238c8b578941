// Command contractlint checks an OpenAPI document by the rules that Spectral calls
// spectral:oas, and by a few more. It prints each error and each warning, and exits with 1 if
// there is one. It does not print hints. The variable off switches off the rules that do not
// fit this project.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/speakeasy-api/openapi/linter"
	"github.com/speakeasy-api/openapi/openapi"
	openapilinter "github.com/speakeasy-api/openapi/openapi/linter"
	"github.com/speakeasy-api/openapi/validation"
)

// off holds the rules that do not fit this contract, and the reason for each.
var off = map[string]string{
	"style-info-contact":             "each instance has an operator of its own",
	"style-oas3-host-trailing-slash": "each instance serves the contract itself; its server is /",
	"style-tags-alphabetical":        "the tags stand in the order in which a client meets them",
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: contractlint openapi.yaml")
		os.Exit(2)
	}
	findings, rules, err := lint(context.Background(), os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "contractlint:", err)
		os.Exit(2)
	}
	for _, finding := range findings {
		fmt.Println(finding)
	}
	fmt.Printf("contractlint: %d rules, %d findings\n", rules, len(findings))
	if len(findings) > 0 {
		os.Exit(1)
	}
}

// lint returns the findings in the document, one line each, and how many rules it applied.
func lint(ctx context.Context, path string) (findings []string, rules int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	doc, invalid, err := openapi.Unmarshal(ctx, f)
	if err != nil {
		return nil, 0, err
	}
	all, err := openapilinter.NewLinter(linter.NewConfig())
	if err != nil {
		return nil, 0, err
	}
	for _, rule := range all.Registry().AllRules() {
		if applies(rule.ID()) {
			rules++
		}
	}
	output, err := all.Lint(ctx, linter.NewDocumentInfo(doc, path), invalid, nil)
	if err != nil {
		return nil, 0, err
	}
	for _, result := range output.Results {
		var finding *validation.Error
		if !errors.As(result, &finding) || applies(finding.Rule) && finding.Severity != validation.SeverityHint {
			findings = append(findings, path+":"+result.Error())
		}
	}
	return findings, rules, nil
}

// applies reports whether a rule is applied. The OWASP rules are not applied, because they
// require a bound in the schema of every parameter, but the service limits the size of the
// whole request instead.
func applies(rule string) bool { return off[rule] == "" && !strings.HasPrefix(rule, "owasp-") }
