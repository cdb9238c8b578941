package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
)

var functionReference = regexp.MustCompile("`([A-Za-z0-9_./-]+\\.go):([A-Za-z0-9_]+)`")

// missingFunctions finds references to functions in Markdown, such as
// `songspy-api/serve.go:serve`, whose file or function does not exist. The paths in the
// references are relative to the folder top. A method is named without its receiver.
func missingFunctions(top, file string, content []byte) (findings []finding) {
	for i, line := range strings.Split(string(content), "\n") {
		for _, m := range functionReference.FindAllStringSubmatch(line, -1) {
			if !declaresFunction(filepath.Join(top, m[1]), m[2]) {
				findings = append(findings, finding{file, i + 1, m[0], "a function that exists in that file", line})
			}
		}
	}
	return findings
}

func declaresFunction(file, function string) bool {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		return false
	}
	for _, d := range parsed.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == function {
			return true
		}
	}
	return false
}
