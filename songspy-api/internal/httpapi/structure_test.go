package httpapi_test

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// workspace is the prefix of the import paths of all modules of this repository. root is the
// directory that contains the modules.
const (
	workspace = "github.com/songspy/songspy/"
	root      = "../../.."
)

// structure is an importer that type-checks packages of the workspace from source, without the
// bodies of functions. It returns an empty package for all other import paths, because other
// packages do not hold types of the workspace. The exceptions are the packages in dirs, which
// maps import paths to directories: these packages are read too.
type structure struct {
	fset *token.FileSet
	dirs map[string]string
	read map[string]*types.Package
}

func newStructure(dirs map[string]string) *structure {
	s := &structure{token.NewFileSet(), map[string]string{"iter": filepath.Join(build.Default.GOROOT, "src", "iter")}, map[string]*types.Package{}}
	maps.Copy(s.dirs, dirs)
	return s
}

// files parses the files of a package without its tests. The keys of the result are the names of
// the files.
func (s *structure) files(dir string) (map[string]*ast.File, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	files := map[string]*ast.File{}
	for _, p := range paths {
		if strings.HasSuffix(p, "_test.go") {
			continue
		}
		if files[filepath.Base(p)], err = parser.ParseFile(s.fset, p, nil, parser.ParseComments); err != nil {
			return nil, err
		}
	}
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s has no Go files", dir)
	}
	return files, err
}

// Import returns a package with its types.
func (s *structure) Import(path string) (*types.Package, error) {
	if p := s.read[path]; p != nil {
		return p, nil
	}
	dir, known := s.dirs[path]
	rest, ours := strings.CutPrefix(path, workspace)
	switch {
	case known:
	case ours:
		dir = filepath.Join(root, rest)
	default:
		p := types.NewPackage(path, filepath.Base(path))
		p.MarkComplete()
		s.read[path] = p
		return p, nil
	}
	files, err := s.files(dir)
	if err != nil {
		return nil, err
	}
	conf := types.Config{Importer: s, IgnoreFuncBodies: true, FakeImportC: true, Error: func(error) {}}
	p, _ := conf.Check(path, s.fset, slices.Collect(maps.Values(files)), nil)
	s.read[path] = p
	return p, nil
}

// rawTypes are the types of package songspy that hold the data of a user. A viewer may get such
// a value only as a visibility.Seen. Users get their own values from functions that take a
// visibility.Self.
var rawTypes = []string{"User", "Track", "Play", "PlayWithTrack", "NowPlaying", "BoardEntry", "UserTrack", "HistoryItem", "Follow", "Block", "Sharing", "HiddenItem", "SharingRule"}

// holds returns the name of the first raw type (see rawTypes) that a type contains outside of a
// Seen, or "" if it contains none. Of a struct, only exported and embedded fields count.
func holds(t types.Type, visited map[types.Type]bool) string {
	if visited[t] {
		return ""
	}
	visited[t] = true
	any := func(types ...types.Type) string {
		for _, one := range types {
			if raw := holds(one, visited); raw != "" {
				return raw
			}
		}
		return ""
	}
	switch t := t.(type) {
	case *types.Alias:
		return any(types.Unalias(t))
	case *types.Named:
		path, name := "", t.Obj().Name()
		if t.Obj().Pkg() != nil {
			path = t.Obj().Pkg().Path()
		}
		if path == workspace+"songspy-domain/visibility" {
			return "" // a Seen holds a value that was revealed
		}
		if path == workspace+"songspy-domain" && slices.Contains(rawTypes, name) {
			return name
		}
		for arg := range t.TypeArgs().Types() {
			if raw := any(arg); raw != "" {
				return raw
			}
		}
		if strings.HasPrefix(path, workspace) {
			return any(t.Underlying())
		}
	case *types.Pointer:
		return any(t.Elem())
	case *types.Slice:
		return any(t.Elem())
	case *types.Array:
		return any(t.Elem())
	case *types.Chan:
		return any(t.Elem())
	case *types.Map:
		return any(t.Key(), t.Elem())
	case *types.Struct:
		for f := range t.Fields() {
			if f.Exported() || f.Embedded() {
				if raw := any(f.Type()); raw != "" {
					return raw
				}
			}
		}
	case *types.Signature:
		return any(t.Params(), t.Results())
	case *types.Tuple:
		for v := range t.Variables() {
			if raw := any(v.Type()); raw != "" {
				return raw
			}
		}
	}
	return ""
}

// takesSelf reports whether a function has a parameter of the type Self.
func takesSelf(f *types.Signature) bool {
	for p := range f.Params().Variables() {
		if n, ok := types.Unalias(p.Type()).(*types.Named); ok && n.Obj().Name() == "Self" && n.Obj().Pkg().Path() == workspace+"songspy-domain/visibility" {
			return true
		}
	}
	return false
}

// rawSignatures lists the exported functions, the exported methods and the methods of interfaces
// of a package that pass raw values and take no Self. The argument answers is true for a package
// that answers viewers. Such a package may receive raw values through its interfaces and its
// parameters. So only the results of its exported functions and methods, and the values that
// these pass to callbacks, count. For other packages, only the results and the callbacks of the
// methods of interfaces count.
func rawSignatures(s *structure, path string, answers bool) (found []string, err error) {
	p, err := s.Import(path)
	if err != nil {
		return nil, err
	}
	check := func(name string, f *types.Func, asked bool) {
		sig := f.Signature()
		if takesSelf(sig) {
			return
		}
		raw := holds(sig.Results(), map[types.Type]bool{})
		for v := range sig.Params().Variables() {
			_, callback := v.Type().Underlying().(*types.Signature)
			if raw == "" && (!asked || callback) {
				raw = holds(v.Type(), map[types.Type]bool{})
			}
		}
		if raw != "" {
			found = append(found, fmt.Sprintf("%s passes %s", name, raw))
		}
	}
	for _, name := range p.Scope().Names() {
		switch o := p.Scope().Lookup(name).(type) {
		case *types.Func:
			if o.Exported() {
				check(name, o, answers)
			}
		case *types.TypeName:
			if i, ok := o.Type().Underlying().(*types.Interface); ok {
				if answers {
					continue
				}
				for m := range i.ExplicitMethods() {
					check(name+"."+m.Name(), m, true)
				}
			} else if n, ok := o.Type().(*types.Named); ok && !o.IsAlias() {
				for m := range n.Methods() {
					if o.Exported() && m.Exported() {
						check(name+"."+m.Name(), m, answers)
					}
				}
			}
		}
	}
	return found, nil
}

// builtElsewhere lists the places in a package that build a value of a type with one of the
// names: by a literal, a variable, new, make, a conversion or a named result. It leaves out the
// given file and generated files.
func builtElsewhere(s *structure, dir, file string, names []string) (found []string, err error) {
	files, err := s.files(dir)
	if err != nil {
		return nil, err
	}
	for _, base := range slices.Sorted(maps.Keys(files)) {
		if base == file || ast.IsGenerated(files[base]) {
			continue
		}
		report := func(n ast.Node, name string) {
			found = append(found, fmt.Sprintf("%s:%d builds %s", base, s.fset.Position(n.Pos()).Line, name))
		}
		ast.Inspect(files[base], func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				if name := named(n.Type, names); name != "" {
					report(n, name)
				}
			case *ast.ValueSpec:
				if name := named(n.Type, names); name != "" {
					report(n, name)
				}
			case *ast.CallExpr:
				name := named(n.Fun, names)
				if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "new" || f.Name == "make") {
					name = named(n.Args[0], names)
				}
				if name != "" {
					report(n, name)
				}
			case *ast.FuncDecl:
				if n.Type.Results != nil {
					for _, r := range n.Type.Results.List {
						if name := named(r.Type, names); name != "" && len(r.Names) > 0 {
							report(r, name)
						}
					}
				}
			}
			return true
		})
	}
	return found, nil
}

// named returns the name of the type that a type expression denotes, if it is one of the names;
// else "". It looks inside pointers, slices, arrays and maps.
func named(e ast.Expr, names []string) string {
	switch e := e.(type) {
	case *ast.Ident:
		if slices.Contains(names, e.Name) {
			return e.Name
		}
	case *ast.StarExpr:
		return named(e.X, names)
	case *ast.ParenExpr:
		return named(e.X, names)
	case *ast.ArrayType:
		return named(e.Elt, names)
	case *ast.MapType:
		return named(e.Value, names)
	}
	return ""
}

const leaky = `package leaky

import (
	"context"
	"iter"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

type page struct{ Items []songspy.Track }

type Store interface {
	User(ctx context.Context, id songspy.UserID) (songspy.User, error)
	Plays(id songspy.UserID) iter.Seq2[*songspy.Play, error]
	Page(id songspy.UserID) map[string]page
	Each(fn func(songspy.BoardEntry) error) error
	Own(self visibility.Self) (songspy.User, error)
	Update(self visibility.Self, change func(*songspy.User) error) error
	Found(text string) ([]visibility.Seen[songspy.User], error)
	Add(songspy.Play) error
	Count(id songspy.UserID) (int, error)
}

func Render(b []songspy.BoardEntry) []byte { return nil }
func RenderSeen(b []visibility.Seen[songspy.BoardEntry]) []byte { return nil }
func private() songspy.User { return songspy.User{} }

type Service struct{ users []songspy.User }

func (s *Service) Everybody() []songspy.User { return s.users }
func (s *Service) NowPlaying(by visibility.Viewer) (visibility.Seen[songspy.NowPlaying], bool) { panic("") }
func New() *Service { return nil }
`

const builders = `package leaky

type Person struct{ Name string }

var one = Person{}
var two []Person
var three = new(Person)
var four = make([]*Person, 1)
var five = map[string]Person{}
func six(s struct{ Name string }) any { return Person(s) }
func seven() (p Person) { return }
func eight() Person { return render() }
`

func TestStructure_HandlersGetAndGiveRevealedValuesOnly(t *testing.T) {
	s := newStructure(nil)
	for path, answers := range map[string]bool{
		"songspy-api/internal/httpapi": false, "songspy-api/internal/web": false, "songspy-api/internal/people": true, "songspy-api/internal/board": true, "songspy-api/internal/embeds": false, "songspy-api/internal/webhook": false, "songspy-api/internal/operator": true,
	} {
		found, err := rawSignatures(s, workspace+path, answers)
		if err != nil || len(found) > 0 {
			t.Errorf("%s: %v, error %v", path, found, err)
		}
	}
}

func TestRender_AloneBuildsPeopleAndTracks(t *testing.T) {
	names := []string{
		"BoardEntry", "BoardTrack", "BoardUser", "Person", "PersonTrack", "PersonPlay", "PlayedTrack", "MyPlay", "Profile", "NowPlaying",
		"ListeningEntry", "LiveEntry", "TrackPage", "Follow", "Block", "Artist", "Album", "Embed", "OperatorSeat", "Report",
	}
	if found, err := builtElsewhere(newStructure(nil), ".", "render.go", names); err != nil || len(found) > 0 {
		t.Errorf("%v, error %v", found, err)
	}
}

func TestStructure_FindsWhatPassesRawValues(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"leaky.go": leaky, "builders.go": builders, "render.go": "package leaky\n\nfunc render() Person { return Person{} }\n", "made.gen.go": "// Code generated by a test. DO NOT EDIT.\npackage leaky\n\nvar zero = Person{}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := newStructure(map[string]string{workspace + "leaky": dir})
	for name, c := range map[string]struct {
		answers bool
		want    []string
	}{
		"a package that renders": {false, []string{"Render passes BoardEntry", "Service.Everybody passes User", "Store.Each passes BoardEntry", "Store.Page passes Track", "Store.Plays passes Play", "Store.User passes User"}},
		"a package that answers": {true, []string{"Service.Everybody passes User"}},
	} {
		got, err := rawSignatures(s, workspace+"leaky", c.answers)
		if slices.Sort(got); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: found %q, %v, want %q", name, got, err, c.want)
		}
	}
	var want []string
	for line := 5; line <= 11; line++ {
		want = append(want, fmt.Sprintf("builders.go:%d builds Person", line))
	}
	got, err := builtElsewhere(s, dir, "render.go", []string{"Person"})
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("found %q, %v, want %q", got, err, want)
	}
}

// callersElsewhere lists the files below a directory that call or name the given function of
// package visibility. It leaves out tests, and the package songspy-api/internal/X, where X is
// the argument allowed.
func callersElsewhere(dir, function, allowed string) (found []string, err error) {
	err = filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(filepath.Dir(path), filepath.Join("songspy-api", "internal", allowed)) {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.SelectorExpr); ok && call.Sel.Name == function && isIdent(call.X, "visibility") {
				found = append(found, path)
			}
			return true
		})
		return nil
	})
	return found, err
}

func isIdent(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

func TestVisibility_OnePackageMakesASelfAndOneActsAsOperator(t *testing.T) {
	for function, allowed := range map[string]string{"NewSelf": "auth", "Operator": "operator"} {
		for _, module := range []string{"songspy-domain", "songspy-api", "songspy-batch"} {
			found, err := callersElsewhere(filepath.Join(root, module), function, allowed)
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range found {
				t.Errorf("%s calls visibility.%s, which is for package %s", path, function, allowed)
			}
		}
	}
}

func TestStructure_FindsWhoMakesASelf(t *testing.T) {
	dir := t.TempDir()
	const call = "package p\n\nvar self = visibility.NewSelf(1)\n"
	for name, text := range map[string]string{
		"songspy-api/internal/auth/self.go": call, "songspy-api/internal/people/people.go": call, "songspy-api/internal/people/people_test.go": call,
		"songspy-api/serve.go": "package p\n\nvar make = visibility.NewSelf\n", "songspy-domain/store/store.go": "package p\n",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := callersElsewhere(dir, "NewSelf", "auth")
	want := []string{filepath.Join(dir, "songspy-api/internal/people/people.go"), filepath.Join(dir, "songspy-api/serve.go")}
	if slices.Sort(got); err != nil || !slices.Equal(got, want) {
		t.Errorf("found %q, %v, want %q", got, err, want)
	}
}
