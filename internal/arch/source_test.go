package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/umbel-go/umbel"

// A file is one parsed source file of the module.
type file struct {
	path    string // from the module's root, with slashes
	pkg     string // its folder; "." is the root
	test    bool   // a _test.go file
	syntax  *ast.File
	imports []string // as written; own packages as "umbel/…", the root as "umbel"
}

var fileSet = token.NewFileSet()

// tree is the whole module, parsed once.
var tree = sync.OnceValues(func() ([]file, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return nil, err
	}
	var files []file
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || nested(path)) {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		syntax, err := parser.ParseFile(fileSet, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		f := file{path: rel, pkg: "umbel", test: strings.HasSuffix(rel, "_test.go"), syntax: syntax}
		if i := strings.LastIndexByte(rel, '/'); i >= 0 {
			f.pkg = rel[:i]
		}
		for _, i := range syntax.Imports {
			name := strings.Trim(i.Path.Value, `"`)
			if name == module {
				name = "umbel/."
			} else if own, ok := strings.CutPrefix(name, module+"/"); ok {
				name = "umbel/" + own
			}
			f.imports = append(f.imports, name)
		}
		files = append(files, f)
		return nil
	})
	return files, err
})

// nested reports whether a folder is a module of its own.
func nested(path string) bool {
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	return err == nil && filepath.Base(path) == "tools"
}

func sources(t *testing.T) []file {
	t.Helper()
	files, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// packages are the folders that hold Go files, sorted.
func packages(t *testing.T) []string {
	var all []string
	for _, f := range sources(t) {
		all = append(all, f.pkg)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// under reports whether a package is one of the folders or lies beneath one. "broker/" is only what lies beneath.
func under(pkg string, folders ...string) bool {
	for _, f := range folders {
		if beneath, ok := strings.CutSuffix(f, "/"); ok {
			if strings.HasPrefix(pkg, beneath+"/") {
				return true
			}
		} else if pkg == f || strings.HasPrefix(pkg, f+"/") {
			return true
		}
	}
	return false
}
