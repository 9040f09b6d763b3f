package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "posthorn"

// source is one Go file.
type source struct {
	name  string // relative to the module
	test  bool   // it is compiled for tests only
	lines int
	ast   *ast.File
}

// tree is all Go files by the folder that they are in.
type tree struct {
	fset *token.FileSet
	dirs map[string][]source
}

func readTree(t *testing.T) *tree {
	t.Helper()
	root := filepath.Join("..", "..")
	tr := &tree{fset: token.NewFileSet(), dirs: map[string][]source{}}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case d.IsDir() && rel != "." && (rel == "tools" || strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(rel, ".go"):
			return nil
		}
		file, err := parser.ParseFile(tr.fset, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		dir := path.Dir(rel)
		tr.dirs[dir] = append(tr.dirs[dir], source{
			name: rel, test: strings.HasSuffix(rel, "_test.go") || isTestOnly(dir),
			lines: tr.fset.File(file.Pos()).LineCount(), ast: file,
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(tr.dirs) < 10 {
		t.Fatalf("only %d folders with Go files found: this test looks in the wrong place", len(tr.dirs))
	}
	return tr
}

// sorted gives the folders in order, so that failures read the same every time.
func (tr *tree) sorted() []string { return slices.Sorted(maps.Keys(tr.dirs)) }

// imports are the paths that a file imports: within the module relative to it.
func (s source) imports() (own, outside []string) {
	for _, spec := range s.ast.Imports {
		name := strings.Trim(spec.Path.Value, `"`)
		first, _, _ := strings.Cut(name, "/")
		switch {
		case first == module:
			own = append(own, strings.TrimPrefix(name, module+"/"))
		case strings.Contains(first, "."):
			outside = append(outside, name)
		}
	}
	return own, outside
}

// floor is the floor of a package, or of the nearest of its parents that has one.
func floor(dir string) (n int, ok bool) {
	for ; dir != "."; dir = path.Dir(dir) {
		if n, ok := floors[dir]; ok {
			return n, true
		}
	}
	return 0, false
}

// under reports whether dir is parent or lies below it.
func under(dir, parent string) bool { return dir == parent || strings.HasPrefix(dir, parent+"/") }
