package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// logKeyFile defines the constants for the keys of log attributes.
const logKeyFile = "songspy-domain/telemetry/logkey/logkey.go"

// logKeyConstants returns a map from the value of each constant of logKeyFile to its name. It
// returns nil if there is no such file under the folder top.
func logKeyConstants(top string) (map[string]string, error) {
	content, err := os.ReadFile(filepath.Join(top, logKeyFile))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), logKeyFile, content, 0)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for i, value := range spec.Values {
				if key, ok := stringOf(value); ok {
					names[key] = spec.Names[i].Name
				}
			}
		}
		return true
	})
	return names, nil
}

// logKeys finds keys of log attributes that are string literals although package logkey has a
// constant for them. It checks the arguments of functions of slog, such as slog.String, and of
// methods of loggers, such as log.WarnContext.
func logKeys(file string, content []byte, constants map[string]string) ([]finding, error) {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, content, 0)
	if err != nil {
		return nil, err
	}
	var findings []finding
	ast.Inspect(parsed, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		for _, argument := range keysOf(call) {
			key, _ := stringOf(argument)
			if name, ok := constants[key]; ok {
				findings = append(findings, finding{file, set.Position(argument.Pos()).Line, key, "logkey." + name, fmt.Sprintf("the key %q of a log attribute", key)})
			}
		}
		return true
	})
	return findings, nil
}

// keysOf returns the arguments of a call that are keys of log attributes. It returns none if
// the call is not a call of a function of slog or of a method of a logger.
func keysOf(call *ast.CallExpr) (keys []ast.Expr) {
	called, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	if of, ok := called.X.(*ast.Ident); ok && of.Name == "slog" {
		return call.Args[:min(1, len(call.Args))]
	}
	rest := call.Args
	switch name := called.Sel.Name; {
	case name == "With":
	case strings.HasSuffix(name, "Context"):
		rest = rest[min(2, len(rest)):]
	case name == "Debug", name == "Info", name == "Warn", name == "Error":
		rest = rest[min(1, len(rest)):]
	default:
		return nil
	}
	for len(rest) > 0 {
		if _, isAttribute := rest[0].(*ast.CallExpr); isAttribute {
			rest = rest[1:]
			continue
		}
		keys = append(keys, rest[0])
		rest = rest[min(2, len(rest)):]
	}
	return keys
}

// stringOf returns the value of a string literal.
func stringOf(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	value, err := strconv.Unquote(lit.Value)
	return value, err == nil
}
