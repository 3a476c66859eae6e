package render

// Kubernetes: settings in a ConfigMap, of each kind of process a Deployment and a PodDisruptionBudget, of each kind of worker
// what scales it, and the monitor's Service.

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Kubernetes is what Kubernetes wants to know beside the plan.
type Kubernetes struct {
	Namespace string // "" leaves it to kubectl

	// Scaler of workers whose Max is larger than Min: ScaleHPA or ScaleKEDA.
	Scaler string

	// Prometheus is the URL that KEDA asks. Required for KEDA.
	Prometheus string
}

// What may scale workers.
const (
	ScaleHPA  = "hpa"
	ScaleKEDA = "keda"
)

// BacklogMetric is the external metric of the HorizontalPodAutoscaler: what one queue has to do, running tasks included.
const BacklogMetric = "umbel_queue_backlog"

var secretKey = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?#[-._a-zA-Z0-9]+$`)

// Kubernetes renders the plan as one file of objects.
func (p Plan) Kubernetes(o Kubernetes) ([]File, error) {
	if err := errors.Join(p.check(), p.checkKubernetes(o)); err != nil {
		return nil, err
	}
	k := cluster{plan: &p, options: o}
	own := []Variable{{"UMBEL_METRICS_ADDRESS", "0.0.0.0:" + strconv.Itoa(metricsPort)}, {"UMBEL_METRICS_PUBLIC", "true"}}
	all := p.processes(own...)
	shared := sharedBy(all)
	sum := sha256.New()
	var data object
	for _, v := range shared {
		data = append(data, field{v.Name, escapeKubernetes(v.Value)})
		fmt.Fprintf(sum, "%q=%q\n", v.Name, v.Value)
	}
	k.settings = fmt.Sprintf("%x", sum.Sum(nil))[:16]
	k.add("v1", "ConfigMap", p.Name+"-settings", "", field{"data", data})
	for _, q := range all {
		q.variables = slices.DeleteFunc(slices.Clone(q.variables), func(v Variable) bool { return slices.Contains(shared, v) })
		k.process(q)
	}
	var docs []string
	for _, d := range k.objects {
		text, err := encodeYAML(d)
		if err != nil {
			return nil, err
		}
		docs = append(docs, text)
	}
	return []File{{p.Name + ".yaml", strings.Join(docs, "---\n")}}, nil
}

func (p *Plan) checkKubernetes(o Kubernetes) error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	if p.Image == "" {
		bad("an image is missing: --image registry.example/shop@sha256:…")
	}
	for _, s := range p.Secrets {
		if !secretKey.MatchString(s.From) {
			bad("secret %s: %q: want the name of a Secret and a key in it, such as shop#broker_url", s.Name, s.From)
		}
	}
	scaled := slices.ContainsFunc(p.Workers, func(w Worker) bool { return w.Max > w.Min })
	switch {
	case o.Scaler != ScaleHPA && o.Scaler != ScaleKEDA:
		bad("scaler %q: want hpa or keda", o.Scaler)
	case scaled && o.Scaler == ScaleKEDA && o.Prometheus == "":
		bad("KEDA asks Prometheus: --prometheus http://prometheus.monitoring.svc:9090")
	case o.Scaler == ScaleHPA:
		for _, w := range p.Workers {
			if w.Max > w.Min && (w.Min < 1 || len(w.Queues) > 1) {
				bad("worker %q: a HorizontalPodAutoscaler keeps one at least, and looks at one queue: use keda", w.Name)
			}
		}
	}
	return errors.Join(append(errs, p.needed(p.Name+"#KEY"))...)
}

// sharedBy are the variables that all processes have.
func sharedBy(all []process) []Variable {
	out := slices.Clone(all[0].variables)
	for _, q := range all[1:] {
		out = slices.DeleteFunc(out, func(v Variable) bool { return !slices.Contains(q.variables, v) })
	}
	return out
}

// escapeKubernetes keeps $(NAME) from being taken for a variable in arguments and variables.
func escapeKubernetes(s string) string { return strings.ReplaceAll(s, "$(", "$$(") }

// A cluster gathers objects.
type cluster struct {
	plan     *Plan
	options  Kubernetes
	settings string // a sum of the ConfigMap: pods begin anew when it changes
	objects  []object
}

func (k *cluster) labels(process string) object {
	l := object{{"app.kubernetes.io/name", k.plan.Name}}
	if process != "" {
		l = append(l, field{"app.kubernetes.io/component", process})
	}
	return l
}

func (k *cluster) add(version, kind, name, process string, rest ...field) {
	meta := object{{"name", name}}
	if k.options.Namespace != "" {
		meta = append(meta, field{"namespace", k.options.Namespace})
	}
	meta = append(meta, field{"labels", k.labels(process)})
	k.objects = append(k.objects, append(object{{"apiVersion", version}, {"kind", kind}, {"metadata", meta}}, rest...))
}

func (k *cluster) process(q process) {
	name := k.plan.Name + "-" + q.name
	selector := object{{"matchLabels", k.labels(q.name)}}
	spec := object{}
	if q.max == q.min { // else whoever scales it says how many
		spec = append(spec, field{"replicas", q.min})
	}
	strategy := object{{"type", "RollingUpdate"}, {"rollingUpdate", object{{"maxUnavailable", 0}, {"maxSurge", 1}}}}
	if q.monitor { // two would write one history
		strategy = object{{"type", "Recreate"}}
	}
	spec = append(spec,
		field{"selector", selector},
		field{"strategy", strategy},
		field{"template", object{
			{"metadata", object{
				{"labels", k.labels(q.name)},
				{"annotations", object{
					{"umbel/settings", k.settings},
					{"prometheus.io/scrape", "true"}, {"prometheus.io/port", strconv.Itoa(metricsPort)}, {"prometheus.io/path", "/metrics"},
				}},
			}},
			{"spec", k.pod(q)},
		}},
	)
	k.add("apps/v1", "Deployment", name, q.name, field{"spec", spec})
	k.add("policy/v1", "PodDisruptionBudget", name, q.name, field{"spec", object{{"maxUnavailable", 1}, {"selector", selector}}})
	if q.worker && q.max > q.min {
		k.scale(name, q)
	}
	if q.monitor && k.plan.open() {
		k.add("v1", "Service", name, q.name, field{"spec", object{
			{"selector", k.labels(q.name)},
			{"ports", []object{{{"name", "http"}, {"port", 80}, {"targetPort", "pages"}}}},
		}})
	}
}

func (k *cluster) pod(q process) object {
	p := k.plan
	env := []object{}
	for _, v := range q.variables {
		env = append(env, object{{"name", v.Name}, {"value", escapeKubernetes(v.Value)}})
	}
	for _, s := range q.secrets {
		name, key, _ := strings.Cut(s.From, "#")
		env = append(env, object{{"name", s.Name}, {"valueFrom", object{{"secretKeyRef", object{{"name", name}, {"key", key}}}}}})
	}
	args := make([]string, len(q.args))
	for i, a := range q.args {
		args[i] = escapeKubernetes(a)
	}
	probe := func(path string, rest ...field) object {
		return append(object{{"httpGet", object{{"path", path}, {"port", "metrics"}}}}, rest...)
	}
	ports := []object{{{"name", "metrics"}, {"containerPort", metricsPort}}}
	mounts := []object{{{"name", "tmp"}, {"mountPath", "/tmp"}}}
	volumes := []object{{{"name", "tmp"}, {"emptyDir", object{{"sizeLimit", "64Mi"}}}}}
	if q.monitor && p.open() {
		ports = append(ports, object{{"name", "pages"}, {"containerPort", monitorPort}})
	}
	if q.monitor && !p.gives("monitor_db") { // its history, which ends with the pod
		mounts = append(mounts, object{{"name", "history"}, {"mountPath", "/data"}})
		volumes = append(volumes, object{{"name", "history"}, {"emptyDir", object{}}})
	}
	container := object{
		{"name", q.name},
		{"image", p.Image},
		{"command", []string{p.Program}},
		{"args", args},
		{"envFrom", []object{{{"configMapRef", object{{"name", p.Name + "-settings"}}}}}},
		{"env", env},
		{"ports", ports},
		{"startupProbe", probe("/livez", field{"periodSeconds", 2}, field{"failureThreshold", 30})},
		{"readinessProbe", probe("/readyz", field{"periodSeconds", 10}, field{"timeoutSeconds", 3})},
		{"livenessProbe", probe("/livez", field{"periodSeconds", 30}, field{"timeoutSeconds", 3}, field{"failureThreshold", 3})},
		{"resources", object{
			{"requests", object{{"cpu", strconv.Itoa(millis(q.cpu)) + "m"}, {"memory", strconv.Itoa(q.memory) + "Mi"}}},
			{"limits", noted{"No limit of processor time: it would stop all tasks of a worker in the middle.", object{{"memory", strconv.Itoa(q.memory) + "Mi"}}}},
		}},
		{"securityContext", object{
			{"allowPrivilegeEscalation", false}, {"readOnlyRootFilesystem", true}, {"capabilities", object{{"drop", []string{"ALL"}}}},
		}},
		{"volumeMounts", mounts},
	}
	return object{
		{"terminationGracePeriodSeconds", int(p.Grace.Seconds())},
		{"automountServiceAccountToken", false},
		{"enableServiceLinks", noted{"Else Kubernetes makes variables of services, such as UMBEL_SERVICE_HOST, that look like settings.", false}},
		{"securityContext", object{
			{"runAsNonRoot", true}, {"runAsUser", 65532}, {"runAsGroup", 65532}, {"fsGroup", 65532},
			{"seccompProfile", object{{"type", "RuntimeDefault"}}},
		}},
		{"containers", []object{container}},
		{"volumes", volumes},
	}
}
