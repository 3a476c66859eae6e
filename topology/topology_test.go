package topology_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/management"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/topology"

	_ "github.com/umbel-go/umbel/backend/memory"
	_ "github.com/umbel-go/umbel/backend/rpc"
	_ "github.com/umbel-go/umbel/broker/amqp"
)

func TestMain(m *testing.M) {
	if os.Getenv("UMBEL_TEST_MOVE") != "" {
		moveAndDie()
	}
	goleak.VerifyTestMain(m)
}

// patience bounds what a test waits for.
const patience = 2 * time.Minute

// guideQueues are the guide's, corrected.
func guideQueues() umbel.Config {
	quorum := map[string]any{"x-queue-type": "quorum", "x-delivery-limit": 3}
	return umbel.Config{
		TaskDefaultQueue: "default",
		TaskQueues: []umbel.QueueConfig{
			{Name: "default", Arguments: quorum, DeadLetter: "default.dlq"},
			{Name: "high_priority", Exchange: "orders", ExchangeType: "topic", RoutingKey: "high.#", Arguments: quorum, DeadLetter: "high_priority.dlq"},
			{Name: "reports", Arguments: quorum},
			{Name: "maintenance"},
		},
		TaskRoutes: []umbel.RouteRule{{Pattern: "apps.orders.*", Options: map[string]any{"queue": "low_priority"}}},
	}
}

func newApp(t *testing.T, c umbel.Config) *umbel.App {
	t.Helper()
	app := umbel.New("shop", umbel.WithConfig(c))
	app.SetLogger(slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		if err := app.Close(); err != nil {
			t.Error(err)
		}
	})
	return app
}

func newPlan(t *testing.T, c umbel.Config, o topology.Options) *topology.Plan {
	t.Helper()
	p, err := topology.New(newApp(t, c), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func api(t *testing.T, r *testenv.Rabbit) *management.Client {
	t.Helper()
	m, err := management.New(management.Config{URL: "http://" + r.HTTPAddr(), Vhost: r.Vhost()})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// compare looks until the API, which lags behind, tells what is expected.
func compare(t *testing.T, p *topology.Plan, m *management.Client) *topology.Drift {
	t.Helper()
	d, err := p.Compare(within(t), m)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func names(list []topology.Difference) []string {
	out := make([]string, len(list))
	for i, d := range list {
		out[i] = fmt.Sprintf("%s %s %s", d.State, d.Kind, d.Name)
	}
	return out
}

// dropUsers removes the users of a plan when the test ends: they are the whole broker's.
func dropUsers(t *testing.T, r *testenv.Rabbit, p *topology.Plan) {
	t.Cleanup(func() {
		for _, u := range p.Users {
			if _, _, err := r.TryAPI(http.MethodDelete, "/api/users/"+url.PathEscape(u.Name), nil); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestEveryQueueThatSettingsSpeakOfIsPlanned(t *testing.T) {
	t.Parallel()
	p := newPlan(t, guideQueues(), topology.Options{Vhost: "prod", MaxLength: 1000})
	var got []string
	for _, q := range p.Queues {
		if q.For != topology.ForDelays {
			got = append(got, q.Name+": "+q.For+", "+q.Type)
		}
	}
	want := []string{"default: tasks, quorum", "default.dlq: dead letters, quorum", "high_priority: tasks, quorum", "high_priority.dlq: dead letters, quorum",
		"reports: tasks, quorum", "maintenance: tasks, ", "low_priority: tasks, "}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if len(p.Users) != len(topology.Roles) || p.Users[0].Name != "prod-producer" {
		t.Errorf("%+v", p.Users)
	}
	if len(p.Policies) != 1 || p.Policies[0].Pattern != "^(default|high_priority|reports|maintenance|low_priority)$" {
		t.Errorf("%+v", p.Policies)
	}
	for _, u := range p.Users {
		for _, pattern := range []string{u.Configure, u.Write, u.Read} {
			if _, err := regexp.Compile(pattern); err != nil || !strings.HasPrefix(pattern, "^") || !strings.HasSuffix(pattern, "$") {
				t.Errorf("%s: %s: %v", u.Name, pattern, err)
			}
		}
	}
}

// x-max-priority is for classic queues: said before a broker refuses it.
func TestPrioritiesAreToldOfWhereTheyMayBeRefused(t *testing.T) {
	t.Parallel()
	if p := newPlan(t, umbel.Config{TaskQueueMaxPriority: 10}, topology.Options{}); len(p.Notes) != 1 || !strings.Contains(p.Notes[0], "x-max-priority") {
		t.Errorf("%q", p.Notes)
	}
	quorum := umbel.QueueConfig{Name: "q", Arguments: map[string]any{"x-queue-type": "quorum"}}
	p := newPlan(t, umbel.Config{TaskQueueMaxPriority: 10, TaskDefaultQueue: "q", TaskQueues: []umbel.QueueConfig{quorum}}, topology.Options{})
	if i := slices.IndexFunc(p.Queues, func(q topology.Queue) bool { return q.Name == "q" }); len(p.Notes) != 0 || p.Queues[i].Arguments["x-max-priority"] != nil {
		t.Errorf("%q %+v", p.Notes, p.Queues[i])
	}
	r := testenv.RabbitMQ(t)
	quorum.Arguments["x-max-priority"] = 10
	p = newPlan(t, umbel.Config{TaskDefaultQueue: "q", TaskQueues: []umbel.QueueConfig{quorum}}, topology.Options{Vhost: r.Vhost(), Roles: []topology.Role{}, NoDelays: true})
	d := compare(t, p, api(t, r))
	i := slices.IndexFunc(d.Differences, func(d topology.Difference) bool { return d.Name == "q" && d.Kind == "queue" })
	if i < 0 || !strings.Contains(d.Differences[i].Hint, "refuses") {
		t.Fatalf("%+v", d.Differences)
	}
	if _, err := d.Apply(within(t), api(t, r), topology.ApplyOptions{}); err == nil || !strings.Contains(err.Error(), "x-max-priority") {
		t.Errorf("the broker's own word is not told: %v", err)
	}
}

// What a role may touch, by name: the table is the promise, whatever the patterns look like.
func TestPermissionsByName(t *testing.T) {
	t.Parallel()
	p := newPlan(t, guideQueues(), topology.Options{})
	const id = "1c2f4a5e-8d6b-4b43-9a1e-3f3f0c9f6c11"
	resources := []string{"amq.default", "default", "reports", "default.dlq", "dlx", "orders", "celeryev", "celeryev." + id, "celery.pidbox", "reply.celery.pidbox",
		"w@host.celery.pidbox", id + ".reply.celery.pidbox", "default.parking." + id, "celery_delayed_3", "celery_delayed_delivery", "xdefault", "default2", "other"}
	got := make(map[topology.Role]map[string]string)
	for _, u := range p.Users {
		got[u.Role] = make(map[string]string)
		for right, pattern := range map[string]string{"c": u.Configure, "w": u.Write, "r": u.Read} {
			re := regexp.MustCompile(pattern)
			for _, name := range resources {
				if re.MatchString(name) {
					got[u.Role][name] += right
				}
			}
		}
	}
	sender := map[string]string{"amq.default": "w", "default": "w", "reports": "w", "orders": "rw", "celery_delayed_3": "w", "celery_delayed_delivery": "rw"}
	want := map[topology.Role]map[string]string{
		topology.Producer: sender, topology.Beat: sender,
		topology.Worker: {"amq.default": "w", "default": "rw", "reports": "rw", "dlx": "w", "orders": "rw", "celeryev": "w", "celery.pidbox": "cr", "reply.celery.pidbox": "cw",
			"w@host.celery.pidbox": "crw", "default.parking." + id: "cr", "celery_delayed_3": "w", "celery_delayed_delivery": "rw"},
		topology.Monitor: {"celeryev": "r", "celeryev." + id: "crw", "celery.pidbox": "cw", "reply.celery.pidbox": "cr", id + ".reply.celery.pidbox": "crw"},
		topology.Operator: {"celeryev": "r", "celeryev." + id: "crw", "celery.pidbox": "cw", "reply.celery.pidbox": "cr", id + ".reply.celery.pidbox": "crw",
			"amq.default": "w", "default": "rw", "reports": "rw", "default.dlq": "r", "dlx": "w", "orders": "rw", "celery_delayed_3": "rw", "celery_delayed_delivery": "rw"},
	}
	for role, table := range want {
		for _, name := range resources {
			have := strings.Split(got[role][name], "")
			slices.Sort(have)
			if strings.Join(have, "") != table[name] {
				t.Errorf("%s may %q %s, want %q", role, strings.Join(have, ""), name, table[name])
			}
		}
	}
}

func TestApplyMakesWhatIsMissingAndNothingElse(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	m := api(t, r)
	p := newPlan(t, guideQueues(), topology.Options{Vhost: r.Vhost(), MaxLength: 1000})
	dropUsers(t, r, p)
	r.API(http.MethodPut, "/api/queues/"+url.PathEscape(r.Vhost())+"/reports", map[string]any{"durable": true, "arguments": map[string]any{"x-max-priority": 10}})
	r.API(http.MethodPut, "/api/queues/"+url.PathEscape(r.Vhost())+"/theirs", map[string]any{"durable": true})

	d := compare(t, p, m)
	i := slices.IndexFunc(d.Differences, func(d topology.Difference) bool { return d.Name == "reports" })
	if i < 0 || d.Differences[i].State != topology.Differs || !strings.Contains(d.Differences[i].Have, "classic, durable, x-max-priority=10") ||
		!strings.Contains(d.Differences[i].Want, "quorum, durable, x-delivery-limit=3") || !strings.Contains(d.Differences[i].Hint, "406") {
		t.Fatalf("%+v", d.Differences)
	}
	passwords := map[string]string{p.Users[0].Name: "not generated"}
	out, err := d.Apply(within(t), m, topology.ApplyOptions{Passwords: passwords, Generate: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(out.Left); !slices.Equal(got, []string{"differs queue reports"}) {
		t.Errorf("left: %q", got)
	}
	if len(out.Generated) != len(p.Users)-1 || out.Generated[p.Users[0].Name] != "" || len(out.Generated[p.Users[1].Name]) < 24 {
		t.Errorf("%d passwords were made", len(out.Generated))
	}
	if got := names(compare(t, p, m).Differences); !slices.Equal(got, []string{"differs queue reports"}) {
		t.Errorf("then: %q", got)
	}
	if q, ok := r.Queue("reports"); !ok || q.Type != "classic" {
		t.Errorf("%+v", q)
	}
	if _, ok := r.Queue("theirs"); !ok {
		t.Error("a queue of somebody else's is gone")
	}
	// What the settings say is what a program declares: nobody meets a 406.
	b, err := broker.Open(within(t), broker.Config{URLs: []string{r.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	app := newApp(t, guideQueues())
	plans, err := app.RoutedQueues()
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range plans {
		err := b.Declare(within(t), q.Topology)
		var drift *broker.DriftError
		if q.Name == "reports" && !errors.As(err, &drift) || q.Name != "reports" && err != nil {
			t.Errorf("%s: %v", q.Name, err)
		}
	}
}

func TestWhatCanBeChangedInPlaceIsChangedWhenTold(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	m := api(t, r)
	ctx := within(t)
	p := newPlan(t, guideQueues(), topology.Options{Vhost: r.Vhost(), MaxLength: 1000, NoDelays: true})
	dropUsers(t, r, p)
	if _, err := compare(t, p, m).Apply(ctx, m, topology.ApplyOptions{Generate: true}); err != nil {
		t.Fatal(err)
	}
	user := p.Users[1].Name
	if err := m.Put(ctx, map[string]any{"configure": ".*", "write": ".*", "read": ".*"}, "permissions", m.Vhost(), user); err != nil {
		t.Fatal(err)
	}
	p.Policies[0].Definition["max-length"] = 2000
	want := []string{"differs policy umbel", "differs permissions " + user}
	d := compare(t, p, m)
	if got := names(d.Differences); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	out, err := d.Apply(ctx, m, topology.ApplyOptions{})
	if err != nil || !slices.Equal(names(out.Left), want) {
		t.Errorf("%v, left %q", err, names(out.Left))
	}
	if out, err = d.Apply(ctx, m, topology.ApplyOptions{Change: true}); err != nil || len(out.Left) > 0 {
		t.Errorf("%v, left %q", err, names(out.Left))
	}
	if d := compare(t, p, m); !d.Clean() {
		t.Errorf("%q", names(d.Differences))
	}
}

// Amazon MQ has a policy of its own, which ours would put out of force: ours repeats it. Another one is left alone.
func TestOnlyOnePolicyHolds(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	m := api(t, r)
	ctx := within(t)
	p := newPlan(t, guideQueues(), topology.Options{Vhost: r.Vhost(), Roles: []topology.Role{}, MaxLength: 1000})
	put := func(name, pattern string, priority int, definition map[string]any) {
		t.Helper()
		if err := m.Put(ctx, map[string]any{"pattern": pattern, "apply-to": "queues", "priority": priority, "definition": definition}, "policies", m.Vhost(), name); err != nil {
			t.Fatal(err)
		}
	}
	put("AWS-DEFAULT-POLICY-CLUSTER-MULTI-AZ", ".*", 20, map[string]any{"queue-mode": "lazy", "max-length": 8000000, "overflow": "reject-publish"})
	if out, err := compare(t, p, m).Apply(ctx, m, topology.ApplyOptions{}); err != nil || len(out.Left) > 0 {
		t.Fatalf("%v, %q", err, names(out.Left))
	}
	all, err := m.Policies(ctx)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(p management.Policy) bool { return p.Name == "umbel" })
	if i < 0 || all[i].Priority != 21 || all[i].Definition["queue-mode"] != "lazy" || all[i].Definition["max-length"] != 1000.0 {
		t.Errorf("%+v", all)
	}
	testenv.Await(t, "our policy holds", func() bool {
		q, err := m.Queue(ctx, "maintenance")
		return err == nil && q.Policy == "umbel"
	}, nil)
	if err := m.Delete(ctx, "policies", m.Vhost(), "umbel"); err != nil {
		t.Fatal(err)
	}
	put("theirs", "^reports$", 0, map[string]any{"max-length": 5})
	d := compare(t, p, m)
	if got := names(d.Differences); !slices.Equal(got, []string{"differs policy umbel"}) || !strings.Contains(d.Differences[0].Have, "theirs") {
		t.Errorf("%q", got)
	}
	if out, err := d.Apply(ctx, m, topology.ApplyOptions{Change: true}); err != nil || len(out.Left) != 1 {
		t.Errorf("%v, %q", err, names(out.Left))
	}
}

func TestAUserWhoIsNoAdministratorComparesWhatItMaySee(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	p := newPlan(t, guideQueues(), topology.Options{Vhost: r.Vhost(), NoDelays: true})
	if _, err := compare(t, p, api(t, r)).Apply(within(t), api(t, r), topology.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	name := r.Vhost() + "-looks"
	r.User(name, "sekrit", "", "", "")
	r.API(http.MethodPut, "/api/users/"+url.PathEscape(name), map[string]any{"password": "sekrit", "tags": "management"})
	m, err := management.New(management.Config{URL: "http://" + r.HTTPAddr(), Vhost: r.Vhost(), User: name, Password: "sekrit"})
	if err != nil {
		t.Fatal(err)
	}
	d := compare(t, p, m)
	if !d.Clean() || len(d.Notes) == 0 || !strings.Contains(d.Notes[len(d.Notes)-1], "administrator") {
		t.Errorf("%q %q", names(d.Differences), d.Notes)
	}
}

func TestAVirtualHostThatDoesNotExistIsMade(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	vhost := r.Vhost() + "_new"
	t.Cleanup(func() { _, _, _ = r.TryAPI(http.MethodDelete, "/api/vhosts/"+vhost, nil) })
	m, err := management.New(management.Config{URL: "http://" + r.HTTPAddr(), Vhost: vhost})
	if err != nil {
		t.Fatal(err)
	}
	p := newPlan(t, guideQueues(), topology.Options{Vhost: vhost, Roles: []topology.Role{}})
	d := compare(t, p, m)
	if len(d.Differences) == 0 || d.Differences[0].Kind != "vhost" {
		t.Fatalf("%q", names(d.Differences))
	}
	if out, err := d.Apply(within(t), m, topology.ApplyOptions{}); err != nil || len(out.Left) > 0 {
		t.Fatalf("%v %q", err, names(out.Left))
	}
	if d := compare(t, p, m); !d.Clean() {
		t.Errorf("%q", names(d.Differences))
	}
	text, err := json.Marshal(d)
	if err != nil || !strings.Contains(string(text), `"state":"missing"`) {
		t.Errorf("%s %v", text, err)
	}
}
