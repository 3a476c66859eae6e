package arch

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// empty are words that say nothing about what is inside.
var empty = []string{"util", "utils", "common", "helper", "helpers", "base", "misc", "stuff", "types", "manager", "processor",
	"job", "jobs"}

func TestNamesSayWhatIsInside(t *testing.T) {
	for _, f := range sources(t) {
		words := strings.Split(f.pkg, "/")
		stem := strings.TrimSuffix(strings.TrimSuffix(path.Base(f.path), ".go"), "_test")
		for _, w := range append(words, strings.Split(stem, "_")...) {
			if slices.Contains(empty, w) {
				t.Errorf("%s: %q names nothing: call it after the noun it holds", f.path, w)
			}
		}
		if f.test {
			continue
		}
		for _, d := range f.syntax.Decls {
			for _, id := range declared(d) {
				for _, w := range camel(id.Name) {
					if w != "base" && w != "types" && slices.Contains(empty, w) {
						t.Errorf("%s: %s: %q says nothing: use Celery's word, or the noun it is", fileSet.Position(id.Pos()), id.Name, w)
					}
				}
			}
		}
	}
}

// declared are the names that a declaration makes.
func declared(d ast.Decl) []*ast.Ident {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return []*ast.Ident{d.Name}
	case *ast.GenDecl:
		var ids []*ast.Ident
		for _, s := range d.Specs {
			if s, ok := s.(*ast.TypeSpec); ok {
				ids = append(ids, s.Name)
			}
		}
		return ids
	}
	return nil
}

// camel splits a name into its words, in lower case.
func camel(name string) []string {
	var words []string
	start := 0
	for i, r := range name {
		if i > start && unicode.IsUpper(r) {
			words = append(words, strings.ToLower(name[start:i]))
			start = i
		}
	}
	return append(words, strings.ToLower(name[start:]))
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, pkg := range packages(t) {
		doc, code := "", false
		for _, f := range sources(t) {
			if f.pkg != pkg || f.test {
				continue
			}
			code = true
			if f.syntax.Doc != nil {
				doc = f.syntax.Doc.Text()
			}
		}
		if !code {
			continue
		}
		first, _, _ := strings.Cut(doc, ". ")
		switch {
		case doc == "":
			t.Errorf("package %s has no doc comment: one sentence that says what it is", pkg)
		case !strings.HasPrefix(doc, "Package ") && !strings.HasPrefix(doc, "Command "):
			t.Errorf("package %s: its doc comment begins %q, not with Package or Command", pkg, first)
		}
	}
}

func TestEveryExportedNameIsDocumented(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || f.syntax.Name.Name == "main" || under(f.pkg, "internal/testenv", "internal/faultnet") {
			continue
		}
		for _, d := range f.syntax.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) && !obvious[d.Name.Name] {
					t.Errorf("%s: %s has no doc comment", fileSet.Position(d.Pos()), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if s, ok := s.(*ast.TypeSpec); ok && s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
						t.Errorf("%s: %s has no doc comment", fileSet.Position(s.Pos()), s.Name.Name)
					}
				}
			}
		}
	}
}

// obvious are methods whose contract is the interface they meet.
var obvious = map[string]bool{"Error": true, "Unwrap": true, "Is": true, "As": true, "String": true, "Len": true, "Less": true, "Swap": true,
	"Push": true, "Pop": true, "MarshalJSON": true, "UnmarshalJSON": true, "MarshalText": true, "UnmarshalText": true, "Read": true,
	"Write": true, "Close": true, "Format": true, "GoString": true, "LogValue": true, "Enabled": true, "Handle": true, "WithAttrs": true,
	"WithGroup": true, "ServeHTTP": true, "RoundTrip": true, "Scan": true, "Value": true,
	// of the two contracts
	"Publish": true, "PublishBatch": true, "Consume": true, "Declare": true, "Delete": true, "Stat": true, "Purge": true, "Traits": true,
	"Done": true, "Err": true, "SetPrefetch": true, "Stop": true, "Flush": true, "Ack": true, "Reject": true, "Store": true, "Get": true,
	"GetMany": true, "Watch": true, "Forget": true, "Cleanup": true, "ReplyTo": true}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	x := d.Recv.List[0].Type
	for {
		switch t := x.(type) {
		case *ast.StarExpr:
			x = t.X
		case *ast.IndexExpr:
			x = t.X
		case *ast.IndexListExpr:
			x = t.X
		case *ast.Ident:
			return t.IsExported()
		default:
			return false
		}
	}
}
