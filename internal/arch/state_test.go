package arch

import (
	"go/ast"
	"go/token"
	"testing"
)

// TestNoInit: nothing runs before main.
func TestNoInit(t *testing.T) {
	tr := readTree(t)
	for _, dir := range tr.sorted() {
		for _, file := range tr.dirs[dir] {
			for _, decl := range file.ast.Decls {
				f, ok := decl.(*ast.FuncDecl)
				if ok && !file.test && f.Recv == nil && f.Name.Name == "init" {
					t.Errorf("%s has an init function: build it where it is used", tr.fset.Position(f.Pos()))
				}
			}
		}
	}
}

// TestNoState: package-level variables are tables and constants, never state. A
// sync.Pool is no state that anybody could see.
func TestNoState(t *testing.T) {
	tr := readTree(t)
	for _, dir := range tr.sorted() {
		vars := map[string]*ast.ValueSpec{}
		for _, file := range tr.dirs[dir] {
			if !file.test {
				collectVars(t, tr, file, vars)
			}
		}
		for _, file := range tr.dirs[dir] {
			if !file.test {
				findWrites(t, tr, file, vars)
			}
		}
	}
}

// collectVars gathers the names of a file's package-level variables.
func collectVars(t *testing.T, tr *tree, file source, vars map[string]*ast.ValueSpec) {
	for _, decl := range file.ast.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.VAR {
			continue
		}
		for _, spec := range gen.Specs {
			value := spec.(*ast.ValueSpec)
			for _, name := range value.Names {
				vars[name.Name] = value
			}
			if guarded(value) {
				t.Errorf("%s: a package-level lock, map or counter is state: give it an owner", tr.fset.Position(value.Pos()))
			}
		}
	}
}

// guarded reports whether a variable is of a type that only makes sense for state.
func guarded(value *ast.ValueSpec) bool {
	typ := value.Type
	if typ == nil && len(value.Values) == 1 {
		if literal, ok := value.Values[0].(*ast.CompositeLit); ok {
			typ = literal.Type
		}
	}
	selector, ok := typ.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	from, ok := selector.X.(*ast.Ident)
	return ok && (from.Name == "atomic" || from.Name == "sync" && selector.Sel.Name != "Pool")
}

// findWrites reports assignments to package-level variables inside functions. The
// parser resolves names within a file: one that it could not resolve, or that leads to the
// package's declaration, is not the function's own.
func findWrites(t *testing.T, tr *tree, file source, vars map[string]*ast.ValueSpec) {
	report := func(target ast.Expr) {
		name := rootOf(target)
		if name == nil || vars[name.Name] == nil || name.Name == "_" {
			return
		}
		if name.Obj == nil || name.Obj.Decl == vars[name.Name] {
			t.Errorf("%s: %s is package-level and changed here: state needs an owner", tr.fset.Position(target.Pos()), name.Name)
		}
	}
	for _, decl := range file.ast.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		ast.Inspect(f.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					for _, target := range n.Lhs {
						report(target)
					}
				}
			case *ast.IncDecStmt:
				report(n.X)
			case *ast.CallExpr:
				if name, ok := n.Fun.(*ast.Ident); ok && (name.Name == "delete" || name.Name == "clear") && len(n.Args) > 0 {
					report(n.Args[0])
				}
			}
			return true
		})
	}
}

// rootOf is the variable that an expression like v.a[i].b begins with.
func rootOf(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}
