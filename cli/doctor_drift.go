package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/management"
	"github.com/umbel-go/umbel/topology"
)

// askTime bounds a call of the management API, which a firewall may swallow.
const askTime = 10 * time.Second

// driftChecks asks the management API how the broker differs from the settings, and what is in use. Where it does not tell, drift is
// nil and the check says what cannot be known.
func (p *program) driftChecks(ctx context.Context, c broker.Config, address string, top *ceiling, report func(broker.Check)) (*topology.Drift, error) {
	m, err := managementOf(c, address)
	if err != nil {
		return nil, err
	}
	plan, err := topology.New(p.app, topology.Options{Vhost: m.Vhost(), Roles: []topology.Role{}, NoDelays: true})
	if err != nil {
		return nil, &fault{code: exitConfig, err: err}
	}
	since := time.Now()
	drift, overview, tags, err := askManagement(ctx, m, plan)
	check := broker.Check{Name: "api", Took: time.Since(since)}
	switch {
	case errors.Is(err, errElsewhere):
		check.Found, check.Doubt = "none of this broker's", fmt.Sprintf("what answers at %s has no virtual host %q: it is another broker's", m.Host(), m.Vhost())
	case management.IsDenied(err):
		check.Found, check.Doubt = "closed to "+fmt.Sprintf("%q", m.User()), err.Error()
	case err != nil:
		check.Found, check.Doubt = "none at "+m.Host(), err.Error()
	}
	if check.Doubt != "" {
		check.Hint = "not known without it: the real types of queues (Amazon MQ lets a classic declaration of a quorum queue pass), bindings, connections in use. " +
			"Give the user the tag management or monitoring, or say where the API is, as whom: --broker-api http://user:password@host:15672"
		report(check)
		return nil, nil
	}
	check.Found = fmt.Sprintf("at %s, as %q, tags %s", m.Host(), m.User(), tags)
	report(check)
	report(loadCheck(overview, tags, top))
	return drift, nil
}

// errElsewhere says that an API is another broker's.
var errElsewhere = errors.New("another broker's API")

func askManagement(ctx context.Context, m *management.Client, plan *topology.Plan) (d *topology.Drift, o management.Overview, t management.Tags, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askTime, fmt.Errorf("no answer within %v", askTime))
	defer cancel()
	if t, err = m.Tags(ctx); err != nil {
		return nil, o, nil, err
	}
	if o, err = m.Overview(ctx); err != nil {
		return nil, o, nil, err
	}
	if d, err = plan.Compare(ctx, m); err != nil {
		return nil, o, nil, err
	}
	if d.Of("vhost", plan.Vhost) != nil {
		return nil, o, nil, errElsewhere
	}
	return d, o, t, nil
}

// queueChecks looks at the queues that the settings speak of. A queue that is not there is not made.
func (p *program) queueChecks(ctx context.Context, c broker.Config, drift *topology.Drift, report func(broker.Check)) error {
	plans, err := p.app.RoutedQueues()
	if err != nil {
		return &fault{code: exitConfig, err: err}
	}
	b, err := broker.Open(ctx, c)
	if err != nil {
		return unavailable(err)
	}
	defer b.Close()
	seen := make(map[string]bool)
	for _, q := range plans {
		since := time.Now()
		check := queueCheck(ctx, b, q, drift)
		check.Name, check.Took = "queue", time.Since(since)
		report(check)
		seen[q.Name] = true
	}
	if drift != nil {
		restChecks(drift, seen, report)
	}
	return nil
}

func queueCheck(ctx context.Context, b broker.Broker, q umbel.QueuePlan, drift *topology.Drift) broker.Check {
	stat, err := b.Stat(ctx, q.Name)
	if errors.Is(err, broker.ErrNoQueue) {
		return broker.Check{Found: q.Name + " is not there yet: its first worker or sender makes it"}
	}
	if err != nil {
		return broker.Check{Err: fmt.Errorf("%s: %w", q.Name, err)}
	}
	kind := ""
	if drift != nil {
		if d := drift.Of("queue", q.Name); d != nil && d.State == topology.Differs { // whatever the broker says to a declaration
			check := broker.Check{Err: fmt.Errorf("%s is %s; the settings say %s", q.Name, d.Have, d.Want), Hint: d.Hint}
			if drift.Queues[q.Name].Type == "quorum" && strings.HasPrefix(d.Want, "classic") {
				check.Hint += ". Amazon MQ lets the declaration pass, and the queue stays a quorum queue: with other priorities, and a limit of deliveries"
			}
			return check
		}
		kind = drift.Queues[q.Name].Type
	}
	for _, d := range q.Topology.Queues { // it exists: declaring it changes nothing, and tells whether it agrees
		if d.Name != q.Name {
			continue
		}
		if err := b.Declare(ctx, broker.Topology{Queues: []broker.Queue{d}}); err != nil {
			return broker.Check{Err: err}
		}
	}
	check := broker.Check{Found: fmt.Sprintf("%s agrees with the settings: %d ready, %d consumers", q.Name, stat.Ready, stat.Consumers)}
	if kind != "" {
		check.Found = fmt.Sprintf("%s is %s and agrees with the settings: %d ready, %d consumers", q.Name, kind, stat.Ready, stat.Consumers)
	}
	if stat.Consumers == 0 {
		check.Doubt, check.Hint = "nobody takes from it", "start a worker with -Q "+q.Name
	}
	if drift != nil {
		if live := drift.Queues[q.Name]; len(live.Online) < len(live.Members) {
			check.Doubt = fmt.Sprintf("of its %d nodes %d take part: %s", len(live.Members), len(live.Online), strings.Join(live.Online, ", "))
			check.Hint = "with less than half of them it takes and hands out nothing: see which node is down"
		}
	}
	return check
}

// restChecks tells of what else differs: exchanges, bindings, queues of dead letters. What is missing its first user makes, except
// where a queue is there already and gets nothing.
func restChecks(drift *topology.Drift, seen map[string]bool, report func(broker.Check)) {
	missing := make(map[string][]string)
	for _, d := range drift.Differences {
		switch {
		case d.Kind == "queue" && seen[d.Name]:
		case d.State == topology.Differs:
			report(broker.Check{Name: d.Kind, Err: fmt.Errorf("%s is %s; the settings say %s", d.Name, d.Have, d.Want), Hint: d.Hint})
		case d.Joins():
			report(broker.Check{Name: d.Kind, Found: d.Name + " is missing", Doubt: "its exchange and its queue are there: what is sent that way goes nowhere until a worker or sender declares them anew",
				Hint: "umbel topology apply makes it"})
		default:
			missing[d.Kind] = append(missing[d.Kind], d.Name)
		}
	}
	for _, kind := range []string{"exchange", "queue", "binding"} {
		names := missing[kind]
		if n := len(names); n > 0 {
			what := strings.Join(names, ", ")
			if kind == "binding" {
				what = fmt.Sprintf("%d %s", n, plural(n, kind))
			}
			report(broker.Check{Name: kind, Found: fmt.Sprintf("not there yet: %s: who needs %s makes %s, or umbel topology apply", what, them(n), them(n))})
		}
	}
}

func them(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}
