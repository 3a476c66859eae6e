package arch

import (
	"go/ast"
	"strings"
	"testing"
)

// The ground does no I/O, starts no goroutine and reads no clock, so that it can be fuzzed, compared and run in virtual
// time without ceremony.
var ground = []string{"protocol", "codec", "internal/routing"}

// outside are packages that reach out of the process, or into its surroundings.
var outside = []string{"net", "os", "syscall", "golang.org/x/sys", "log", "path/filepath", "embed", "runtime/debug", "time/tzdata", "context"}

// harmless are packages beneath those that only compute.
var harmless = []string{"net/url", "net/netip", "net/mail", "net/textproto"}

// clocks are the functions of package time that read it or wait.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

func TestTheGroundReachesNothing(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || !under(f.pkg, ground...) {
			continue
		}
		for _, name := range f.imports {
			if under(name, outside...) && !under(name, harmless...) {
				t.Errorf("%s imports %s: bytes in, values out; who does I/O stands on a higher floor", f.path, name)
			}
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine: the ground has none", fileSet.Position(n.Pos()))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" {
					for _, c := range clocks {
						if n.Sel.Name == c {
							t.Errorf("%s reads the clock by time.%s: take the time as an argument", fileSet.Position(n.Pos()), c)
						}
					}
				}
			}
			return true
		})
	}
}

// Only main ends the process, and only main reads its arguments: everything else returns errors.
func TestOnlyMainExits(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || f.syntax.Name.Name == "main" || under(f.pkg, "cli", "internal/testenv", "umbeltest") {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := call.X.(*ast.Ident); ok && x.Name == "os" && call.Sel.Name == "Exit" {
				t.Errorf("%s calls os.Exit: return an error; only main exits", fileSet.Position(n.Pos()))
			}
			return true
		})
	}
}

// A default logger would write where the user did not ask it to.
func TestNobodyLogsToTheDefaultLogger(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || f.syntax.Name.Name == "main" || under(f.pkg, "cli", "examples") {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if s, ok := call.Fun.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "slog" && strings.Contains("Debug Info Warn Error Log", s.Sel.Name) {
					t.Errorf("%s logs by slog.%s: use the logger that was handed over", fileSet.Position(n.Pos()), s.Sel.Name)
				}
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "fmt" && strings.HasPrefix(s.Sel.Name, "Print") {
					t.Errorf("%s prints by fmt.%s: a library says what it says by errors and its logger", fileSet.Position(n.Pos()), s.Sel.Name)
				}
			}
			return true
		})
	}
}
