package manual

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/umbel-go/umbel/internal/setting"
)

// exported are the names of the root package.
func exported(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(root + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					names[d.Name.Name] = true
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						names[s.Name.Name] = true
					case *ast.ValueSpec:
						for _, n := range s.Names {
							names[n.Name] = true
						}
					}
				}
			}
		}
	}
	return names
}

// Names and settings that the manual speaks of exist.
func TestNamesInTheManualExist(t *testing.T) {
	t.Parallel()
	names := exported(t)
	settings := make(map[string]bool)
	for _, s := range setting.Table() {
		settings[s.Name] = true
	}
	used := regexp.MustCompile(`\bumbel\.([A-Z]\w*)`)
	setLike := regexp.MustCompile("`((?:task|worker|broker|result|beat|redis|metrics|event|control|accept|audit)_[a-z_]+)`")
	n := 0
	for _, p := range read(t) {
		if !strings.HasPrefix(p.path, "docs/") && p.path != "README.md" || p.path == "docs/settings.md" || strings.HasPrefix(p.path, "docs/adr/") {
			continue
		}
		text, err := os.ReadFile(root + "/" + p.path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range used.FindAllStringSubmatch(string(text), -1) {
			if n++; !names[m[1]] {
				t.Errorf("%s speaks of umbel.%s, which does not exist", p.path, m[1])
			}
		}
		for _, m := range setLike.FindAllStringSubmatch(string(text), -1) {
			if n++; !settings[m[1]] && !notSettings[m[1]] {
				t.Errorf("%s speaks of %s, which is no setting", p.path, m[1])
			}
		}
	}
	if n < 150 {
		t.Errorf("only %d names were found", n)
	}
}

// notSettings look like settings, and are words of something else: members of results, options of tasks, rows of tables.
var notSettings = map[string]bool{
	"broker_cluster_name": true, "broker_nodes": true, // variables of the Terraform that "umbel render terraform" writes
}
