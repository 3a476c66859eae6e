package arch

import "testing"

// The rules themselves: a rule that forbids nothing is found here.
func TestArrows(t *testing.T) {
	for _, c := range []struct {
		from, to string
		allowed  bool
	}{
		{"protocol", "codec", true},
		{"codec", "protocol", false},
		{"protocol", "broker", false},
		{"broker", "protocol", true},
		{"broker", "broker/amqp", false},
		{"broker", "backend", false},
		{"backend", "broker", true},
		{"backend", "broker/memory", false},
		{"umbel", "broker", true},
		{"umbel", "broker/amqp", false},
		{"umbel", "backend/redis", false},
		{"umbel", "internal/setting", true},
		{"umbel", "worker", false},
		{"umbel", "cli", false},
		{"worker", ".", true},
		{"worker", "beat", false},
		{"worker", "monitor", false},
		{"worker", "broker/amqp", false},
		{"beat", "worker", false},
		{"monitor/web", "monitor", true},
		{"monitor", "beat", false},
		{"cli", "standard", true},
		{"cli", "worker", true},
		{"cli", "broker/amqp", false},
		{"standard", "broker/amqp", true},
		{"standard", ".", false},
		{"event", ".", false},
		{"event", "broker", true},
		{"internal/setting", "codec", true},
		{"internal/watch", ".", false},
		{"internal/watch", "broker/amqp", false},
	} {
		fl := floorOf(c.from)
		if fl == nil {
			t.Errorf("%s stands on no floor", c.from)
			continue
		}
		if got := allows(fl.may, c.to); got != c.allowed {
			t.Errorf("%s importing %s: allowed %v, want %v", c.from, c.to, got, c.allowed)
		}
	}
	for pkg, want := range map[string]bool{"broker": false, "broker/amqp": true, "backend/redis": true, "worker": false} {
		if driver(pkg) != want {
			t.Errorf("driver(%s) is %v", pkg, !want)
		}
	}
}

func TestUnder(t *testing.T) {
	for _, c := range []struct {
		pkg, folder string
		want        bool
	}{
		{"broker", "broker", true}, {"broker/amqp", "broker", true}, {"brokers", "broker", false},
		{"broker", "broker/", false}, {"broker/amqp", "broker/", true}, {"net/url", "net", true}, {"netx", "net", false},
	} {
		if got := under(c.pkg, c.folder); got != c.want {
			t.Errorf("under(%s, %s) is %v", c.pkg, c.folder, got)
		}
	}
}

func TestCamel(t *testing.T) {
	for name, want := range map[string]int{"JobRunner": 2, "newHelper": 2, "Task": 1, "": 1} {
		if got := camel(name); len(got) != want {
			t.Errorf("%s is split into %q", name, got)
		}
	}
}
