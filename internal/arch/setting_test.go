package arch

import (
	"go/ast"
	"reflect"
	"strings"
	"testing"

	"github.com/umbel-go/umbel"
)

// A setting that is loaded, shown in the manual as working, and read by nobody would be a lie.
func TestEverySettingThatWorksIsRead(t *testing.T) {
	read := make(map[string]bool)
	for _, f := range sources(t) {
		if f.test || strings.HasPrefix(f.path, "config") && f.path != "config_check.go" {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && (f.path != "config_check.go" || s.Sel.Name == "Profile") {
				read[s.Sel.Name] = true
			}
			return true
		})
	}
	for i := range reflect.TypeFor[umbel.Config]().NumField() {
		f := reflect.TypeFor[umbel.Config]().Field(i)
		if name := f.Tag.Get("setting"); name != "" && !read[f.Name] {
			t.Errorf("%s works, says the table of settings, but nothing reads Config.%s: make it work or move it to Later", name, f.Name)
		}
	}
}
