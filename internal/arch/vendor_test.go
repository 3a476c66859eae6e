package arch

import (
	"go/build"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Every library of others, and who may import it outside of tests.
var vendors = []struct {
	prefix string
	may    []string
	why    string
}{
	{"github.com/rabbitmq/amqp091-go", []string{"broker/amqp", "test"}, "only the driver speaks AMQP: others speak the contract"},
	{"github.com/redis/rueidis", []string{"backend/redis", "test"}, "only the driver speaks to Redis"},
	{"github.com/jackc/pgx", []string{"backend/database", "monitor/history", "examples", "test"}, "only stores speak to PostgreSQL"},
	{"github.com/pressly/goose", []string{"backend/database", "examples"}, "migrations belong to a store"},
	{"modernc.org/", []string{"internal/sqlitefile", "broker/sqlite", "backend/database", "examples"}, "SQLite files have one owner"},
	{"github.com/tinylib/msgp", []string{"codec"}, "serializers live in codec"},
	{"go.yaml.in/yaml", []string{"codec", "internal/setting", "internal/render", "cli", "doctor"}, "serializers live in codec, files of settings in setting; doctor reads those of others, render writes those of platforms"},
	{"github.com/hashicorp/hcl", []string{"doctor", "internal/render"}, "Terraform is read where it is judged, and written where platforms are"},
	{"github.com/zclconf/go-cty", []string{"doctor", "internal/render"}, "Terraform is read where it is judged, and written where platforms are"},
	{"mvdan.cc/sh", []string{"doctor"}, "command lines are read where they are judged"},
	{"github.com/pelletier/go-toml", []string{"internal/setting", "cli"}, "files of settings are read by setting"},
	{"github.com/klauspost/compress", []string{"codec"}, "compression lives in codec"},
	{"github.com/andybalholm/brotli", []string{"codec"}, "compression lives in codec"},
	{"github.com/ulikunitz/xz", []string{"codec"}, "compression lives in codec"},
	{"github.com/dsnet/compress", []string{"codec"}, "compression lives in codec"},
	{"github.com/google/uuid", []string{""}, "anybody may make an id"},
	{"github.com/spf13/", []string{"cli", "cmd", "examples"}, "only the command line has commands"},
	{"github.com/lmittmann/tint", []string{"cli"}, "a library takes the logger that it is given"},
	{"github.com/mattn/go-isatty", []string{"cli"}, "only the command line has a terminal"},
	{"charm.land/", []string{"cli"}, "only the command line has a terminal"},
	{"github.com/prometheus/", []string{"monitor", "examples"}, "metrics are the monitor's, so that others do not link them"},
	{"go.opentelemetry.io/otel/sdk", []string{"tracing/otlp"}, "the library knows the API; who runs it chooses the SDK"},
	{"go.opentelemetry.io/otel/exporters", []string{"tracing/otlp"}, "the library knows the API; who runs it chooses the exporter"},
	{"go.opentelemetry.io/otel", []string{"tracing"}, "spans are made by middleware: the core does not know them"},
	{"github.com/aws/", []string{"secret/aws", "monitor", "internal", "cli", "standard", "examples", "test"}, "no contract and no core knows a cloud"},
	{"github.com/coreos/go-oidc", []string{"monitor", "cli"}, "login belongs to the page"},
	{"golang.org/x/oauth2", []string{"monitor", "cli"}, "login belongs to the page"},
	{"github.com/wneessen/go-mail", []string{"monitor", "examples", "cli"}, "mail is what a program does, not a library"},
	{"golang.org/x/", []string{""}, "as good as the standard library"},
}

// testOnly are libraries that no program may link.
var testOnly = []string{"go.uber.org/goleak", "pgregory.net/rapid", "github.com/google/go-cmp", "github.com/rogpeppe/go-internal",
	"github.com/chromedp", "github.com/emersion", "github.com/rclone/gofakes3", "github.com/moby"}

func TestLibrariesStayInTheirRoom(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || under(f.pkg, "broker/brokertest", "backend/backendtest", "umbeltest", "internal/testenv", "internal/faultnet") ||
			under(f.pkg, "test/bench") { // a module of its own, with the rivals
			continue
		}
		pkg := f.pkg
		if pkg == "umbel" {
			pkg = "."
		}
	imports:
		for _, name := range f.imports {
			first, _, _ := strings.Cut(name, "/")
			if !strings.Contains(first, ".") { // standard library, or our own
				continue
			}
			for _, p := range testOnly {
				if strings.HasPrefix(name, p) {
					t.Errorf("%s imports %s: it is for tests", f.path, name)
					continue imports
				}
			}
			for _, v := range vendors {
				if strings.HasPrefix(name, v.prefix) {
					if v.may[0] != "" && !under(pkg, v.may...) {
						t.Errorf("%s imports %s: %s", f.path, name, v.why)
					}
					continue imports
				}
			}
			t.Errorf("%s imports %s: a new library is a decision: enter it in internal/arch with who may use it and why", f.path, name)
		}
	}
}

// avoided are packages that have no place in what is built, each with its reason.
var avoided = map[string]string{
	"html/template": "it calls methods by name at run time, so the linker keeps every method of every library: 20 MB more",
	"text/template": "it calls methods by name at run time, so the linker keeps every method of every library: 20 MB more",
	"log":           "the log is a slog.Logger that the caller hands over",
	"C":             "the binary is static and builds without a C compiler",
	"plugin":        "the binary is static",
	"encoding/gob":  "it is no wire format of ours",
	"math/rand":     "math/rand/v2 needs no seed",
}

func TestAvoidedPackagesAreNotImported(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || under(f.pkg, "examples", "test", "internal/setting/gen", "cli/gen") {
			continue
		}
		for _, name := range f.imports {
			if why := avoided[name]; why != "" {
				t.Errorf("%s imports %s: %s", f.path, name, why)
			}
		}
	}
}

// Some libraries import a template package and never call it (cobra does); then the linker drops it. Only the linker can say
// whether something calls methods by names that it cannot know, which makes it keep every method of everything.
func TestTheLinkerMayDropMethods(t *testing.T) {
	if testing.Short() {
		t.Skip("it links the binary")
	}
	if _, err := os.Stat("../../cmd/umbel"); err != nil {
		t.Skip("there is no cmd/umbel yet")
	}
	gotool := build.Default.GOROOT + "/bin/go"
	if _, err := os.Stat(gotool); err != nil {
		gotool = "go"
	}
	link := exec.Command(gotool, "build", "-tags", "grpcnotrace", "-ldflags=-dumpdep", "-o", os.DevNull, "./cmd/umbel")
	link.Dir = "../.."
	link.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := link.CombinedOutput()
	edges := 0
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, " -> ") {
			edges++
		}
		if strings.Contains(line, "<ReflectMethod>") {
			t.Errorf("the linker must keep every method, because of %s", strings.TrimSpace(line))
		}
	}
	switch {
	case err != nil:
		t.Fatalf("link cmd/umbel: %v\n%s", err, out[:min(len(out), 4000)])
	case edges < 1000:
		t.Fatalf("the linker told of %d edges only: has -dumpdep changed?", edges)
	}
}
