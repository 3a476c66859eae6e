package arch

import (
	"strings"
	"testing"
)

// A floor says which own packages a package may import; all other arrows are forbidden.
type floor struct {
	name string
	pkgs []string // a folder and what lies beneath it; "x/" only what lies beneath
	may  []string
	why  string
}

// The root package is ".". Order matters: the first floor that a package belongs to is its floor.
var floors = []floor{
	{"codec", []string{"codec"}, nil,
		"the ground: bytes in, values out, usable and fuzzed alone"},
	{"protocol", []string{"protocol"}, []string{"codec"},
		"the ground: the wire format knows serializers and nothing else"},
	{"the broker contract", []string{"broker"}, []string{"protocol", "codec"},
		"a contract that imported a driver or the core could not be implemented by others"},
	{"the backend contract", []string{"backend"}, []string{"broker", "protocol", "codec"},
		"a contract knows no driver; rpc:// brings results home over the broker contract, hence that one arrow"},
	{"the secret contract", []string{"secret"}, nil,
		"settings of every floor may name a secret: what reads them knows none of these floors, nor any store but files"},
	{"the arch tests", []string{"internal/arch"}, nil, "they read source files"},
	{"a command of the house", []string{"internal/setting/gen"}, []string{"internal/setting"}, "it writes one page"},
	{"internal", []string{"internal"}, []string{"internal", "broker", "backend", "secret", "protocol", "codec"},
		"mechanisms are beneath those who use them: they know contracts at most, never drivers, the root or what runs"},
	{"event and control", []string{"event", "control"}, []string{"broker", "backend", "protocol", "codec", "internal"},
		"messages between workers need contracts, not the app"},
	{"the root", []string{"."}, []string{"event", "control", "broker", "backend", "secret", "protocol", "codec", "internal"},
		"a program that only sends must not link drivers, pools, schedulers or pages"},
	{"test support for users", []string{"umbeltest"}, []string{".", "worker", "beat", "event", "control", "broker", "broker/memory",
		"backend", "backend/memory", "protocol", "codec", "internal"}, "it runs apps on the drivers for tests, and on no other"},
	{"once", []string{"once"}, nil, "it is for a task's own database, and of use without an app"},
	{"scaling", []string{"scaling"}, []string{".", "control"},
		"it asks and reckons: who starts and stops workers stands above it, and many may"},
	{"doctor", []string{"doctor"}, []string{"internal", "secret"},
		"it reads files and judges them: it runs nothing, connects to nothing and needs no app"},
	{"migration", []string{"migration"}, []string{"doctor", "internal"},
		"it writes from what doctor has read: it runs nothing and connects to nothing"},
	{"topology", []string{"topology"}, []string{".", "broker", "protocol", "codec", "internal"},
		"it plans from an app's settings and works over the broker contract and the management API: no driver, nothing that runs"},
	{"worker", []string{"worker"}, []string{".", "event", "control", "broker", "backend", "protocol", "codec", "internal", "worker"},
		"things that run never import each other, and open drivers by URL"},
	{"beat", []string{"beat"}, []string{".", "event", "control", "broker", "backend", "protocol", "codec", "internal", "beat"},
		"things that run never import each other, and open drivers by URL"},
	{"monitor", []string{"monitor"}, []string{".", "event", "control", "broker", "backend", "secret", "protocol", "codec", "internal", "scaling", "monitor"},
		"things that run never import each other, and open drivers by URL"},
	{"tracing", []string{"tracing"}, []string{".", "tracing"},
		"it is middleware like a user's own: an app without it links no tracing"},
	{"standard", []string{"standard"}, []string{"broker/", "backend/", "secret/", "monitor/", "tracing/"},
		"it is the one list of drivers, and has no code"},
	{"cli", []string{"cli"}, []string{".", "worker", "beat", "monitor", "doctor", "migration", "topology", "scaling", "event", "control", "broker", "backend", "secret", "protocol", "codec",
		"internal", "standard", "tracing", "cli"}, "commands reach drivers through standard only"},
}

// drivers are the packages beneath a contract that a floor reaches only when its list says so.
func driver(pkg string) bool { return under(pkg, "broker/", "backend/", "secret/") }

func floorOf(pkg string) *floor {
	if pkg == "umbel" {
		pkg = "."
	}
	for i := range floors {
		for _, p := range floors[i].pkgs {
			if p == pkg || p != "." && strings.HasPrefix(pkg, p+"/") && !driver(pkg) {
				return &floors[i]
			}
		}
	}
	return nil
}

// allows reports whether a list of own packages holds one.
func allows(may []string, pkg string) bool {
	for _, m := range may {
		beneath := strings.TrimSuffix(m, "/")
		switch {
		case m == pkg:
			return true
		case driver(pkg) && !strings.HasSuffix(m, "/"): // a contract's name does not stand for its drivers
		case m != "." && strings.HasPrefix(pkg, beneath+"/"):
			return true
		}
	}
	return false
}

func TestImportsPointDown(t *testing.T) {
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		for _, name := range f.imports {
			pkg, own := strings.CutPrefix(name, "umbel/")
			if !own {
				continue
			}
			switch fl := floorOf(f.pkg); {
			case driver(f.pkg):
				checkDriver(t, f, pkg)
			case fl == nil && !under(f.pkg, "cmd", "examples", "test"):
				t.Errorf("%s: package %s stands on no floor: say in internal/arch which it is", f.path, f.pkg)
			case fl != nil && !allows(fl.may, pkg):
				t.Errorf("%s imports %s: %s may not: %s", f.path, pkg, fl.name, fl.why)
			}
		}
	}
}

// checkDriver holds a driver to its contract, the ground and mechanisms. Suites of drivers count as drivers.
func checkDriver(t *testing.T, f file, pkg string) {
	contract, _, _ := strings.Cut(f.pkg, "/")
	may := []string{contract, "protocol", "codec", "internal", f.pkg}
	if contract == "backend" {
		may = append(may, "broker")
	}
	if pkg == "internal/setting" || !allows(may, pkg) && !(strings.HasPrefix(pkg, f.pkg+"/")) {
		t.Errorf("%s imports %s: a driver imports its contract, the ground, mechanisms and its vendor's library, so that it can "+
			"be left out of a program", f.path, pkg)
	}
}

// Tests may look sideways (a backend's test on the memory broker), but a floor's tests must not need the floors above it.
func TestTestsOfTheGroundNeedNothingAbove(t *testing.T) {
	for _, f := range sources(t) {
		if !f.test || !under(f.pkg, "protocol", "codec", "internal/routing", "internal/setting") {
			continue
		}
		for _, name := range f.imports {
			if pkg, own := strings.CutPrefix(name, "umbel/"); own && !under(pkg, "protocol", "codec", "internal") {
				t.Errorf("%s imports %s: what stands on the ground is tested on the ground", f.path, pkg)
			}
		}
	}
}

func TestServersForTestsAreOnlyUsedByTests(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || under(f.pkg, "internal/testenv", "internal/faultnet", "test", "broker/brokertest", "backend/backendtest") {
			continue
		}
		for _, name := range f.imports {
			if under(name, "umbel/internal/testenv", "umbel/internal/faultnet", "umbel/broker/brokertest", "umbel/backend/backendtest", "testing") &&
				f.pkg != "umbeltest" {
				t.Errorf("%s imports %s: test support is linked into no program", f.path, name)
			}
		}
	}
}
