package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// docComments finds doc comments of a Go file that do not begin with the name that they
// document. An article may come before the name. It checks the declarations of the file,
// exported or not, and the methods of interfaces. For two kinds of comments it is enough that
// they do not begin with another name: the comment of a test must not begin with the name of
// another test, and the comment of a struct's field must not begin with the name of another
// field, since it may introduce several fields.
func docComments(file string, content []byte) ([]finding, error) {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, content, parser.ParseComments)
	if err != nil || ast.IsGenerated(parsed) {
		return nil, err
	}
	var findings []finding
	check := func(doc *ast.CommentGroup, wrong func(word string) bool, names ...*ast.Ident) {
		words := strings.Fields(doc.Text())
		if len(words) > 1 && slices.Contains([]string{"A", "An", "The"}, words[0]) {
			words = words[1:]
		}
		if len(words) == 0 {
			return
		}
		word := strings.TrimSuffix(strings.Trim(words[0], ",:;.'"), "'s")
		if !slices.ContainsFunc(names, func(n *ast.Ident) bool { return n.Name == word }) && wrong(word) {
			findings = append(findings, finding{file, set.Position(doc.Pos()).Line, word, "a comment that begins with " + names[0].Name, strings.TrimSpace(doc.Text())})
		}
	}
	always := func(string) bool { return true }
	for _, declaration := range parsed.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			wrong := always
			if strings.HasSuffix(file, "_test.go") && testName.MatchString(d.Name.Name) {
				wrong = testName.MatchString
			}
			check(d.Doc, wrong, d.Name)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				doc := func(of *ast.CommentGroup) *ast.CommentGroup {
					if of == nil && !d.Lparen.IsValid() {
						return d.Doc
					}
					return of
				}
				switch s := s.(type) {
				case *ast.TypeSpec:
					check(doc(s.Doc), always, s.Name)
				case *ast.ValueSpec:
					check(doc(s.Doc), always, s.Names...)
				}
			}
		}
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		var fields *ast.FieldList
		var wrong func(string) bool
		switch n := n.(type) {
		case *ast.InterfaceType:
			fields, wrong = n.Methods, always
		case *ast.StructType:
			siblings := map[string]bool{}
			for _, f := range n.Fields.List {
				for _, name := range f.Names {
					siblings[name.Name] = true
				}
			}
			fields, wrong = n.Fields, func(word string) bool { return siblings[word] }
		default:
			return true
		}
		for _, f := range fields.List {
			if len(f.Names) > 0 {
				check(f.Doc, wrong, f.Names...)
			}
		}
		return true
	})
	return findings, nil
}

var testName = regexp.MustCompile(`^(Test|Benchmark|Fuzz|Example)([^a-z]|$)`)
