package deploy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

// A manifest are the objects of one file.
type manifest struct {
	deployments map[string]*appsv1.Deployment
	budgets     []*policyv1.PodDisruptionBudget
	maps        map[string]*corev1.ConfigMap
	services    []*corev1.Service
	scalers     []*autoscalingv2.HorizontalPodAutoscaler
	scaled      []map[string]any // KEDA's
}

func read(t *testing.T, text []byte) *manifest {
	t.Helper()
	m := &manifest{deployments: make(map[string]*appsv1.Deployment), maps: make(map[string]*corev1.ConfigMap)}
	for _, doc := range strings.Split(string(text), "---\n") {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(doc), &kind); err != nil {
			t.Fatal(err)
		}
		strict := func(into any) {
			if err := yaml.UnmarshalStrict([]byte(doc), into); err != nil {
				t.Fatalf("%s: %v\n%s", kind.Kind, err, doc)
			}
		}
		var meta metav1.ObjectMeta
		switch kind.APIVersion + " " + kind.Kind {
		case "apps/v1 Deployment":
			d := new(appsv1.Deployment)
			strict(d)
			meta, m.deployments[d.Name] = d.ObjectMeta, d
		case "policy/v1 PodDisruptionBudget":
			b := new(policyv1.PodDisruptionBudget)
			strict(b)
			meta, m.budgets = b.ObjectMeta, append(m.budgets, b)
		case "v1 ConfigMap":
			c := new(corev1.ConfigMap)
			strict(c)
			meta, m.maps[c.Name] = c.ObjectMeta, c
		case "v1 Service":
			s := new(corev1.Service)
			strict(s)
			meta, m.services = s.ObjectMeta, append(m.services, s)
		case "autoscaling/v2 HorizontalPodAutoscaler":
			h := new(autoscalingv2.HorizontalPodAutoscaler)
			strict(h)
			meta, m.scalers = h.ObjectMeta, append(m.scalers, h)
		case "keda.sh/v1alpha1 ScaledObject":
			var o map[string]any
			strict(&o)
			keda(t, o)
			m.scaled = append(m.scaled, o)
			meta.Name = o["metadata"].(map[string]any)["name"].(string)
		default:
			t.Fatalf("%s %s: what is it?", kind.APIVersion, kind.Kind)
		}
		if errs := validation.IsDNS1123Label(meta.Name); len(errs) > 0 {
			t.Errorf("name %q: %v", meta.Name, errs)
		}
		tags(t, meta.Labels)
	}
	return m
}

func tags(t *testing.T, of map[string]string) {
	t.Helper()
	for k, v := range of {
		if errs := append(validation.IsQualifiedName(k), validation.IsValidLabelValue(v)...); len(errs) > 0 {
			t.Errorf("label %s=%s: %v", k, v, errs)
		}
	}
}

func TestObjectsAreWhatKubernetesTakes(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"hpa", "keda"} {
		m := read(t, golden(t, folder)["shop.yaml"])
		names := slices.Sorted(maps.Keys(m.deployments))
		if fmt.Sprint(names) != "[shop-beat shop-default shop-high-priority shop-maintenance shop-monitor shop-reports]" {
			t.Errorf("%s: deployments %v", folder, names)
		}
		for name, d := range m.deployments {
			pod(t, name, m, d)
			if n := len(m.budgetsOf(t, d)); n != 1 {
				t.Errorf("%s: %d budgets", name, n)
			}
		}
		if n := len(m.scalers) + len(m.scaled); n != 1 || (folder == "hpa") != (len(m.scalers) == 1) {
			t.Errorf("%s: %d scalers", folder, n)
		}
		for _, h := range m.scalers {
			d := m.deployments[h.Spec.ScaleTargetRef.Name]
			if d == nil || d.Spec.Replicas != nil || *h.Spec.MinReplicas != 2 || h.Spec.MaxReplicas != 10 {
				t.Errorf("%s scales %+v", h.Name, d)
			}
			x := h.Spec.Metrics[0].External
			if h.Spec.Metrics[0].Type != autoscalingv2.ExternalMetricSourceType || x.Metric.Selector.MatchLabels["queue"] != "high_priority" || x.Target.AverageValue.Value() != 80 {
				t.Errorf("%s: %+v", h.Name, x)
			}
		}
		for _, s := range m.services {
			for _, d := range m.deployments {
				if labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(d.Spec.Template.Labels)) && d.Name != "shop-monitor" {
					t.Errorf("service %s leads to %s", s.Name, d.Name)
				}
			}
		}
	}
}

func (m *manifest) budgetsOf(t *testing.T, d *appsv1.Deployment) (of []*policyv1.PodDisruptionBudget) {
	for _, b := range m.budgets {
		s, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err != nil {
			t.Fatal(err)
		}
		if s.Matches(labels.Set(d.Spec.Template.Labels)) {
			of = append(of, b)
		}
	}
	return of
}

// pod holds a Deployment to what the API server checks, and to the restricted Pod Security Standard.
func pod(t *testing.T, name string, m *manifest, d *appsv1.Deployment) {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil || !s.Matches(labels.Set(d.Spec.Template.Labels)) {
		t.Errorf("%s: its selector does not find its pods: %v", name, err)
	}
	tags(t, d.Spec.Template.Labels)
	for k := range d.Spec.Template.Annotations {
		if errs := validation.IsQualifiedName(k); len(errs) > 0 {
			t.Errorf("%s: annotation %s: %v", name, k, errs)
		}
	}
	p := d.Spec.Template.Spec
	if p.SecurityContext == nil || !*p.SecurityContext.RunAsNonRoot || *p.SecurityContext.RunAsUser == 0 || p.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("%s: %+v", name, p.SecurityContext)
	}
	if *p.TerminationGracePeriodSeconds != 90 || *p.AutomountServiceAccountToken || *p.EnableServiceLinks {
		t.Errorf("%s: grace %d", name, *p.TerminationGracePeriodSeconds)
	}
	volumes := make(map[string]bool)
	for _, v := range p.Volumes {
		volumes[v.Name] = true
	}
	for _, c := range p.Containers {
		x := c.SecurityContext
		if *x.AllowPrivilegeEscalation || !*x.ReadOnlyRootFilesystem || len(x.Capabilities.Drop) != 1 || x.Capabilities.Drop[0] != "ALL" {
			t.Errorf("%s: %+v", name, x)
		}
		ports := make(map[string]bool)
		for _, port := range c.Ports {
			ports[port.Name] = true
		}
		for path, probe := range map[string]*corev1.Probe{"/livez": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
			if probe == nil || probe.HTTPGet.Path != path || !ports[probe.HTTPGet.Port.String()] {
				t.Errorf("%s: probe of %s: %+v", name, path, probe)
			}
		}
		if c.Resources.Limits.Memory().Cmp(*c.Resources.Requests.Memory()) != 0 || c.Resources.Requests.Cpu().IsZero() || !c.Resources.Limits.Cpu().IsZero() {
			t.Errorf("%s: %+v", name, c.Resources)
		}
		for _, v := range c.VolumeMounts {
			if !volumes[v.Name] {
				t.Errorf("%s mounts %s, which is no volume", name, v.Name)
			}
		}
		environment(t, name, m, c)
	}
}

func environment(t *testing.T, name string, m *manifest, c corev1.Container) {
	t.Helper()
	all := make(map[string]bool)
	for _, from := range c.EnvFrom {
		settings := m.maps[from.ConfigMapRef.Name]
		if settings == nil {
			t.Fatalf("%s: no ConfigMap %s", name, from.ConfigMapRef.Name)
		}
		for k := range settings.Data {
			all[k] = true
			if errs := append(validation.IsEnvVarName(k), validation.IsConfigMapKey(k)...); len(errs) > 0 {
				t.Errorf("%s: %v", k, errs)
			}
		}
	}
	for _, e := range c.Env {
		if errs := validation.IsEnvVarName(e.Name); len(errs) > 0 || all[e.Name] {
			t.Errorf("%s: variable %s: twice %v, %v", name, e.Name, all[e.Name], errs)
		}
		all[e.Name] = true
		if e.ValueFrom != nil {
			r := e.ValueFrom.SecretKeyRef
			if errs := append(validation.IsDNS1123Subdomain(r.Name), validation.IsConfigMapKey(r.Key)...); len(errs) > 0 {
				t.Errorf("%s: secret of %s: %v", name, e.Name, errs)
			}
		}
	}
	for _, want := range []string{"CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "UMBEL_METRICS_ADDRESS", "UMBEL_METRICS_PUBLIC"} {
		if !all[want] {
			t.Errorf("%s: no %s", name, want)
		}
	}
}
