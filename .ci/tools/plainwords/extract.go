package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

type kind int

const (
	prose kind = iota
	name
)

// text is one sentence or one name of a file.
type text struct {
	kind kind
	line int
	text string
}

// extract returns the sentences and the names in a Go, Markdown, SQL or YAML file. It returns
// none for generated Go files, Korean Markdown files (.ko.md) and files of other types.
func extract(file string, content []byte) ([]text, error) {
	switch path.Ext(file) {
	case ".go":
		return extractGo(file, content)
	case ".md":
		if strings.HasSuffix(file, ".ko.md") {
			return nil, nil // the rules are for English
		}
		return extractMarkdown(string(content)), nil
	case ".sql":
		return extractSQL(string(content)), nil
	case ".yaml", ".yml":
		return extractYAML(content)
	default:
		return nil, nil
	}
}

func extractGo(file string, content []byte) ([]text, error) {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, content, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	if ast.IsGenerated(parsed) {
		return nil, nil
	}
	line := func(p token.Pos) int { return set.Position(p).Line }
	texts := []text{{name, line(parsed.Name.Pos()), parsed.Name.Name}}
	for _, comment := range parsed.Comments {
		texts = append(texts, sentences(line(comment.Pos()), comment.Text())...)
	}
	declared := func(names ...*ast.Ident) {
		for _, n := range names {
			if n != nil {
				texts = append(texts, text{name, line(n.Pos()), n.Name})
			}
		}
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			declared(n.Name)
		case *ast.TypeSpec:
			declared(n.Name)
		case *ast.ValueSpec:
			declared(n.Names...)
		case *ast.Field:
			declared(n.Names...)
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				for _, left := range n.Lhs {
					if id, ok := left.(*ast.Ident); ok {
						declared(id)
					}
				}
			}
		case *ast.BasicLit:
			texts = append(texts, extractLiteral(line(n.Pos()), n)...)
		}
		return true
	})
	return texts, nil
}

// hasPackageComment reports whether a Go file has a package comment that begins with "Package"
// and its name or, in package main, with "Command". A generated file may have any package
// comment.
func hasPackageComment(content []byte) bool {
	parsed, err := parser.ParseFile(token.NewFileSet(), "", content, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil || parsed.Doc == nil {
		return false
	}
	text := parsed.Doc.Text()
	return strings.HasPrefix(text, "Package "+parsed.Name.Name+" ") || parsed.Name.Name == "main" && strings.HasPrefix(text, "Command ") || ast.IsGenerated(parsed)
}

var snakeName = regexp.MustCompile(`^[a-z]+(_[a-z0-9]+)+$`)

// extractLiteral returns the text to check in a string literal. A string of four words or more
// is prose, unless it is SQL, JSON or HTML. A word with underscores is a name: that of a
// metric, a column or a log key. Other strings are not checked.
func extractLiteral(line int, lit *ast.BasicLit) []text {
	value, isString := stringOf(lit)
	switch {
	case !isString:
		return nil
	case snakeName.MatchString(value):
		return []text{{name, line, value}}
	case strings.HasPrefix(strings.ToUpper(strings.TrimSpace(value)), "SELECT "),
		strings.Contains(value, "{\""), strings.Contains(value, "</"):
		return nil // SQL, JSON and HTML
	case len(strings.Fields(value)) >= 4:
		return sentences(line, value)
	}
	return nil
}

var (
	fence      = regexp.MustCompile("(?ms)^ {0,3}(```|~~~).*?^ {0,3}(```|~~~)[ ]*$")
	indented   = regexp.MustCompile(`(?m)^(    |\t).*$`)
	inlineCode = regexp.MustCompile("`[^`\n]*`")
	mdLink     = regexp.MustCompile(`\]\([^)]*\)`)
)

func extractMarkdown(content string) []text {
	blank := func(s string) string { return strings.Repeat("\n", strings.Count(s, "\n")) }
	content = fence.ReplaceAllStringFunc(content, blank)
	content = indented.ReplaceAllStringFunc(content, blank)
	content = mdLink.ReplaceAllString(content, "]")
	var texts []text
	line := 1
	for _, block := range strings.Split(content, "\n\n") {
		for _, part := range splitRows(block) {
			texts = append(texts, sentences(line+strings.Count(block[:part.at], "\n"), part.text)...)
		}
		line += strings.Count(block, "\n") + 2
	}
	return texts
}

type blockPart struct {
	at   int
	text string
}

var rowStart = regexp.MustCompile(`(?m)^\s*([-*+] |\d+\. |\||#+ |> )`)

// splitRows cuts a block at list items, headings, quotes and the cells of tables, so that no
// sentence continues across such a boundary.
func splitRows(block string) []blockPart {
	var parts []blockPart
	starts := append(rowStart.FindAllStringIndex(block, -1), []int{len(block), len(block)})
	from := 0
	for _, s := range starts {
		if s[0] > from {
			at := from
			for _, cell := range strings.Split(block[from:s[0]], "|") {
				parts = append(parts, blockPart{at, cell})
				at += len(cell) + 1
			}
		}
		from = s[1]
	}
	return parts
}

func extractSQL(content string) []text {
	var texts []text
	for i, row := range strings.Split(content, "\n") {
		code, comment, found := strings.Cut(row, "--")
		if found {
			texts = append(texts, sentences(i+1, comment)...)
		}
		for _, word := range regexp.MustCompile(`[a-z_]+`).FindAllString(code, -1) {
			texts = append(texts, text{name, i + 1, word})
		}
	}
	return texts
}

// extractYAML returns descriptions, summaries and titles as prose, and keys and the values of
// enums as names.
func extractYAML(content []byte) ([]text, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		return nil, fmt.Errorf("parse YAML: %w", err)
	}
	var texts []text
	var walk func(key string, n *yaml.Node)
	walk = func(key string, n *yaml.Node) {
		switch n.Kind {
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				k, v := n.Content[i], n.Content[i+1]
				texts = append(texts, text{name, k.Line, k.Value})
				walk(k.Value, v)
			}
		case yaml.SequenceNode, yaml.DocumentNode:
			for _, child := range n.Content {
				walk(key, child)
			}
		case yaml.ScalarNode:
			switch key {
			case "description", "summary", "title":
				texts = append(texts, sentences(n.Line, n.Value)...)
			case "enum":
				texts = append(texts, text{name, n.Line, n.Value})
			}
		}
	}
	walk("", &document)
	return texts, nil
}

var sentenceEnd = regexp.MustCompile("[.!?:;]\\s+")

// sentences splits prose into sentences, and returns those of three words or more. Each piece
// of inline code counts as one word.
func sentences(line int, content string) []text {
	content = inlineCode.ReplaceAllString(content, "`x`")
	var texts []text
	add := func(at int, s string) {
		s = strings.Join(strings.Fields(strings.Trim(s, " \t\n*_\"")), " ")
		if len(strings.Fields(s)) >= 3 {
			texts = append(texts, text{prose, at, s})
		}
	}
	for _, paragraph := range splitParagraphs(content) {
		from := 0
		for _, end := range sentenceEnd.FindAllStringIndex(paragraph.text, -1) {
			add(line+strings.Count(content[:paragraph.at+from], "\n"), paragraph.text[from:end[1]])
			from = end[1]
		}
		add(line+strings.Count(content[:paragraph.at+from], "\n"), paragraph.text[from:])
	}
	return texts
}

func splitParagraphs(content string) []blockPart {
	var parts []blockPart
	at := 0
	for _, p := range strings.Split(content, "\n\n") {
		parts = append(parts, blockPart{at, p})
		at += len(p) + 2
	}
	return parts
}
