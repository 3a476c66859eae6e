package amqp

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/faultnet"
	"github.com/umbel-go/umbel/internal/testenv"
)

// examineAll returns the steps of an examination, and their names up to the one that failed.
func examineAll(t *testing.T, c broker.Config, each func(broker.Check)) (steps []broker.Check, path string) {
	t.Helper()
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = patience
	}
	err := broker.Examine(t.Context(), c, func(url string, check broker.Check) {
		if strings.Contains(url, "guest:guest") || strings.Contains(url, "sekrit") {
			t.Errorf("the password is shown: %s", url)
		}
		steps = append(steps, check)
		path += check.Name + " "
		if check.Err != nil {
			path += "! "
		}
		if each != nil {
			each(check)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return steps, strings.TrimSpace(path)
}

func TestAnExaminationGoesStepByStep(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	ca := testenv.CA(t)
	name := func(kind string) string { return kind + "-" + r.Vhost() }
	r.User(name("reader"), "sekrit", "", "", ".*")
	r.User(name("declarer"), "sekrit", ".*", "", ".*")
	r.User(name("writer"), "sekrit", ".*", ".*", "")
	trusting := func(c *broker.Config) { c.TLS = ca.ClientTLS() }
	const all = "resolve connect login vhost limits declare publish consume heartbeat"
	for _, row := range []struct {
		about, url string
		change     func(*broker.Config)
		path       string
		says       string // of the last step, or of any when all went well
	}{
		{"all is well", r.URL(), nil, all, "heard"},
		{"TLS", r.TLSURL(), trusting, strings.Replace(all, "login", "tls login", 1), "certificate of"},
		{"TLS that verifies nothing", r.TLSURL() + "?verify=verify_none", nil, strings.Replace(all, "login", "tls login", 1), "anybody may pose"},
		{"no heartbeats", r.URL() + "?heartbeat=0", nil, all, "switched off"},
		{"no URL", "amqp://host:port:1/", nil, "url !", "port"},
		{"unknown host", "amqp://no-such-host.invalid/", nil, "resolve !", "check the host name"},
		{"closed port", "amqp://" + closedPort(t) + "/", nil, "resolve connect !", "nothing listens"},
		{"unknown authority", r.TLSURL(), nil, "resolve connect tls !", "unknown authority"},
		{"wrong password", r.URLFor("guest", "sekrit"), nil, "resolve connect login !", "check user and password"},
		{"unknown vhost", r.URL() + "x", nil, "resolve connect login vhost !", "check the path of the URL"},
		{"may not declare", r.URLFor(name("reader"), "sekrit"), nil, "resolve connect login vhost limits declare ! heartbeat", "permission to configure"},
		{"may not write", r.URLFor(name("declarer"), "sekrit"), nil, "resolve connect login vhost limits declare publish ! heartbeat", "permission to write"},
		{"may not read", r.URLFor(name("writer"), "sekrit"), nil, "resolve connect login vhost limits declare publish consume ! heartbeat", "permission to read"},
	} {
		t.Run(row.about, func(t *testing.T) {
			t.Parallel()
			c := broker.Config{URLs: []string{row.url}}
			if row.change != nil {
				row.change(&c)
			}
			steps, path := examineAll(t, c, nil)
			if path != row.path {
				t.Errorf("went %q, want %q: %+v", path, row.path, steps)
			}
			if said := fmt.Sprintf("%+v", steps); !strings.Contains(said, row.says) {
				t.Errorf("nothing says %q: %s", row.says, said)
			}
		})
	}
}

func TestAnExaminationHearsSilence(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	link := faultnet.To(t, r.Addr())
	steps, path := examineAll(t, broker.Config{URLs: []string{r.URLAt("amqp", link.Addr())}}, func(c broker.Check) {
		if c.Name == "consume" {
			link.Freeze()
		}
	})
	if !strings.HasSuffix(path, "consume heartbeat !") {
		t.Errorf("went %q: %+v", path, steps)
	}
	link.Thaw()
}

func TestAnExaminationLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	examineAll(t, broker.Config{URLs: []string{r.URL()}}, nil)
	if q := r.Queues(); len(q) > 0 {
		t.Errorf("queues are left: %+v", q)
	}
	if err := broker.Examine(context.Background(), broker.Config{URLs: []string{"memory://x"}}, nil); err == nil || !strings.Contains(err.Error(), "only RabbitMQ") {
		t.Errorf("memory: %v", err)
	}
}
