package arch

import (
	"go/ast"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFloors: imports only go down.
func TestFloors(t *testing.T) {
	tr := readTree(t)
	for _, dir := range tr.sorted() {
		from, ok := floor(dir)
		if !ok {
			t.Errorf("%s is on no floor: add it to law_test.go", dir)
			continue
		}
		for _, file := range tr.dirs[dir] {
			own, _ := file.imports()
			for _, target := range own {
				to, ok := floor(target)
				switch {
				case !ok:
					t.Errorf("%s imports %s, which is on no floor", file.name, target)
				case isTestOnly(target):
					if !file.test && !isTestOnly(dir) {
						t.Errorf("%s imports %s, which is for tests", file.name, target)
					}
				case to > from && !(file.test && under(target, dir)):
					t.Errorf("%s on floor %d imports %s on floor %d: imports only go down", file.name, from, target, to)
				case to == from && !under(dir, target) && !slices.Contains(neighbours[dir], target) && !file.test:
					t.Errorf("%s imports %s on its own floor %d", file.name, target, from)
				}
			}
		}
	}
}

// TestOutside: every module has its place, and its reason in doc/deps.md.
func TestOutside(t *testing.T) {
	tr := readTree(t)
	deps, err := os.ReadFile(filepath.Join("..", "..", "doc", "deps.md"))
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, dir := range tr.sorted() {
		for _, file := range tr.dirs[dir] {
			_, names := file.imports()
			for _, name := range names {
				module, allowed := outsideLaw(name, dir, file.test)
				used[module] = true
				if !allowed {
					t.Errorf("%s imports %s: law_test.go does not allow that there", file.name, name)
				}
			}
		}
	}
	for module := range used {
		if !strings.Contains(string(deps), "`"+module+"`") {
			t.Errorf("doc/deps.md does not say why `%s` is used", module)
		}
	}
	for module := range outside {
		if !used[module] {
			t.Logf("%s is allowed, but not used yet", module)
		}
	}
}

// outsideLaw finds the module of an import and whether a file may use it.
func outsideLaw(name, dir string, test bool) (module string, allowed bool) {
	for _, module := range outsideOfTests {
		if under(name, module) && test {
			return module, true
		}
	}
	for module, packages := range outside {
		if under(name, module) {
			return module, slices.ContainsFunc(packages, func(p string) bool { return under(dir, p) })
		}
	}
	return name, false
}

// TestDocumented: every package says what it is.
func TestDocumented(t *testing.T) {
	tr := readTree(t)
	for _, dir := range tr.sorted() {
		documented := slices.ContainsFunc(tr.dirs[dir], func(s source) bool {
			return s.ast.Doc != nil && (!strings.HasSuffix(s.name, "_test.go") || len(tr.dirs[dir]) == 1)
		})
		onlyTests := !slices.ContainsFunc(tr.dirs[dir], func(s source) bool { return !strings.HasSuffix(s.name, "_test.go") })
		if !documented && !onlyTests {
			t.Errorf("%s has no package comment", dir)
		}
	}
}

// TestSizes: files and functions stay readable. Run with -v it tells the longest.
func TestSizes(t *testing.T) {
	tr := readTree(t)
	fileSizes, functionSizes := map[string]int{}, map[string]int{}
	for _, dir := range tr.sorted() {
		for _, file := range tr.dirs[dir] {
			if file.test {
				continue
			}
			fileSizes[file.name] = file.lines
			for _, decl := range file.ast.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok {
					lines := tr.fset.Position(f.End()).Line - tr.fset.Position(f.Pos()).Line + 1
					functionSizes[file.name+" "+f.Name.Name] = lines
				}
			}
		}
	}
	judgeSizes(t, "files", fileSizes, usualFile, longestFile, 90)
	judgeSizes(t, "functions", functionSizes, usualFunction, longestFunction, 95)
}

func judgeSizes(t *testing.T, what string, sizes map[string]int, usual, longest, percent int) {
	names := slices.SortedFunc(maps.Keys(sizes), func(a, b string) int { return sizes[b] - sizes[a] })
	within := 0
	for i, name := range names {
		if sizes[name] <= usual {
			within++
		}
		if sizes[name] > longest {
			t.Errorf("%s: %d lines, more than %d", name, sizes[name], longest)
		} else if i < 10 {
			t.Logf("%4d lines: %s", sizes[name], name)
		}
	}
	t.Logf("%d of %d %s have at most %d lines", within, len(names), what, usual)
	if within*100 < len(names)*percent {
		t.Errorf("only %d of %d %s have at most %d lines, want %d %%", within, len(names), what, usual, percent)
	}
}
