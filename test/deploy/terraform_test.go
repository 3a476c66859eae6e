package deploy

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

const terraform = "../../deploy/terraform"

// A module is one folder of Terraform files.
type module struct {
	dir       string
	variables map[string]bool // whether it must be given
	outputs   map[string]bool
	declared  map[string]bool // var.x, local.x, module.x, data.type.x, type.x
	used      map[string]bool
	calls     map[string]*hclsyntax.Body
	blocks    []*hclsyntax.Block
	wrong     []string
}

func (m *module) bad(format string, a ...any) { m.wrong = append(m.wrong, fmt.Sprintf(format, a...)) }

func load(t *testing.T, dir string) *module {
	t.Helper()
	m := &module{dir: dir, variables: make(map[string]bool), outputs: make(map[string]bool), declared: make(map[string]bool), used: make(map[string]bool), calls: make(map[string]*hclsyntax.Body)}
	files, err := filepath.Glob(filepath.Join(dir, "*.tf"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no files: %v", dir, err)
	}
	parser := hclparse.NewParser()
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(hclwrite.Format(text)), string(text)); diff != "" {
			m.bad("%s is not formatted as terraform fmt does:\n%s", path, diff)
		}
		f, diags := parser.ParseHCL(text, path)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		m.blocks = append(m.blocks, f.Body.(*hclsyntax.Body).Blocks...)
	}
	for _, b := range m.blocks {
		m.declare(b)
	}
	for _, b := range m.blocks {
		m.uses(b, nil)
	}
	return m
}

func (m *module) declare(b *hclsyntax.Block) {
	has := func(names ...string) {
		for _, name := range names {
			if b.Body.Attributes[name] == nil {
				m.bad("%s: %s %s has no %s", m.dir, b.Type, strings.Join(b.Labels, " "), name)
			}
		}
	}
	switch b.Type {
	case "variable":
		has("type", "description")
		m.declared["var."+b.Labels[0]] = true
		m.variables[b.Labels[0]] = b.Body.Attributes["default"] == nil
	case "output":
		has("value", "description")
		m.outputs[b.Labels[0]] = true
	case "locals":
		for name := range b.Body.Attributes {
			m.declared["local."+name] = true
		}
	case "resource":
		m.declared[b.Labels[0]+"."+b.Labels[1]] = true
	case "data":
		m.declared["data."+b.Labels[0]+"."+b.Labels[1]] = true
	case "module":
		has("source")
		m.declared["module."+b.Labels[0]] = true
		m.calls[b.Labels[0]] = b.Body
	case "terraform", "provider":
	default:
		m.bad("%s: block %s", m.dir, b.Type)
	}
}

// uses notes what the expressions of a block and of those within it refer to. iterators are the names that dynamic blocks bind.
func (m *module) uses(b *hclsyntax.Block, iterators []string) {
	if b.Type == "dynamic" {
		iterators = append(slices.Clip(iterators), b.Labels[0])
	}
	for _, a := range b.Body.Attributes {
		if b.Type == "variable" && a.Name == "type" || a.Name == "ignore_changes" || b.Type == "terraform" {
			continue
		}
		for _, v := range a.Expr.Variables() {
			m.reference(a, v, iterators)
		}
	}
	for _, inner := range b.Body.Blocks {
		m.uses(inner, iterators)
	}
}

func (m *module) reference(a *hclsyntax.Attribute, v hcl.Traversal, iterators []string) {
	root := v.RootName()
	if slices.Contains(append([]string{"each", "count", "self", "path"}, iterators...), root) {
		return
	}
	steps := []string{root}
	for _, s := range v[1:] {
		attr, ok := s.(hcl.TraverseAttr)
		if !ok {
			break
		}
		steps = append(steps, attr.Name)
	}
	n := 2
	if root == "data" {
		n = 3
	}
	if len(steps) < n {
		m.bad("%s: %s refers to %s, which is nothing", a.SrcRange, a.Name, strings.Join(steps, "."))
		return
	}
	name := strings.Join(steps[:n], ".")
	m.used[name] = true
	if !m.declared[name] {
		m.bad("%s: %s is not declared", a.SrcRange, name)
	}
	if root == "module" && len(steps) > 2 {
		m.used[name+"."+steps[2]] = true
	}
}

func modules(t *testing.T) (all, examples []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(terraform, "modules", "*"))
	if err != nil || len(all) < 9 {
		t.Fatal(all, err)
	}
	if examples, err = filepath.Glob(filepath.Join(terraform, "examples", "*")); err != nil || len(examples) == 0 {
		t.Fatal(examples, err)
	}
	return all, examples
}

// rendered are root modules that umbel render writes.
var rendered = []string{"../../internal/render/testdata/terraform", "../../internal/render/testdata/terraform-small"}

func TestTerraformHoldsTogether(t *testing.T) {
	t.Parallel()
	all, examples := modules(t)
	called := make(map[string]bool)
	for _, dir := range slices.Concat(all, examples, rendered) {
		m := load(t, dir)
		m.check(t, called)
		for _, wrong := range m.wrong {
			t.Error(wrong)
		}
	}
	for _, dir := range all {
		if !called[filepath.Clean(dir)] {
			t.Errorf("no example uses %s", dir)
		}
	}
}

// check finds what only a module as a whole shows, and notes which others it calls.
func (m *module) check(t *testing.T, called map[string]bool) {
	t.Helper()
	for name := range m.declared {
		kind, _, _ := strings.Cut(name, ".")
		if (kind == "var" || kind == "local" || kind == "data") && !m.used[name] {
			m.bad("%s: %s is declared and not used", m.dir, name)
		}
	}
	var scope *hcl.EvalContext
	if len(m.calls) > 0 { // a root module: the rest depends on what is made
		scope = m.scope()
	}
	for name, body := range m.calls {
		called[m.call(t, name, body, scope)] = true
	}
	if !slices.ContainsFunc(m.blocks, func(b *hclsyntax.Block) bool {
		return b.Type == "terraform" && b.Body.Attributes["required_version"] != nil && len(b.Body.Blocks) == 1
	}) {
		m.bad("%s does not say which Terraform and provider it wants", m.dir)
	}
}

// call holds what a module is given to what it takes, and what is taken from it to what it gives.
func (m *module) call(t *testing.T, name string, body *hclsyntax.Body, scope *hcl.EvalContext) string {
	t.Helper()
	source, diags := body.Attributes["source"].Expr.Value(nil)
	if diags.HasErrors() || !strings.HasPrefix(source.AsString(), "../") {
		t.Fatalf("%s: module %s: source %v", m.dir, name, diags)
	}
	dir := filepath.Join(m.dir, source.AsString())
	of := load(t, dir)
	for given := range body.Attributes {
		if slices.Contains([]string{"source", "for_each", "count", "depends_on", "providers"}, given) {
			continue
		}
		if _, ok := of.variables[given]; !ok {
			m.bad("%s: module %s has no variable %s", m.dir, name, given)
		}
	}
	for variable, must := range of.variables {
		if must && body.Attributes[variable] == nil {
			m.bad("%s: module %s wants %s", m.dir, name, variable)
		}
	}
	m.gives(name, body, of, scope)
	for used := range m.used {
		if rest, ok := strings.CutPrefix(used, "module."+name+"."); ok && !of.outputs[rest] && body.Attributes["for_each"] == nil && body.Attributes["count"] == nil {
			m.bad("%s: module %s has no output %s", m.dir, name, rest)
		}
	}
	return filepath.Clean(dir)
}

// What Terraform registers has the same parts as what umbel render writes.
func TestTerraformAndRenderAgree(t *testing.T) {
	t.Parallel()
	m := load(t, filepath.Join(terraform, "modules", "service"))
	var got []string
	health := ""
	for _, b := range m.blocks {
		if b.Type != "resource" || b.Labels[0] != "aws_ecs_task_definition" {
			continue
		}
		list := b.Body.Attributes["container_definitions"].Expr.(*hclsyntax.FunctionCallExpr).Args[0].(*hclsyntax.TupleConsExpr)
		for _, item := range list.Exprs[0].(*hclsyntax.ObjectConsExpr).Items {
			key := hcl.ExprAsKeyword(item.KeyExpr.(*hclsyntax.ObjectConsKeyExpr).Wrapped)
			got = append(got, key)
			if key == "healthCheck" {
				text, err := os.ReadFile(filepath.Join(terraform, "modules", "service", "main.tf"))
				if err != nil {
					t.Fatal(err)
				}
				health = string(item.ValueExpr.Range().SliceBytes(text))
			}
		}
	}
	var d struct {
		ContainerDefinitions []map[string]any `json:"containerDefinitions"`
	}
	if err := json.Unmarshal(golden(t, "ecs")["monitor.task.json"], &d); err != nil {
		t.Fatal(err)
	}
	want := []string{"portMappings"} // a monitor that others reach has it
	for key := range d.ContainerDefinitions[0] {
		want = append(want, key)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rendered and registered differ:\n%s", diff)
	}
	if !strings.Contains(health, `"healthcheck", "--live"`) {
		t.Errorf("health check: %s", health)
	}
}

func TestFaultsOfTerraformAreFound(t *testing.T) {
	t.Parallel()
	versions, err := os.ReadFile(filepath.Join(terraform, "modules", "alarms", "versions.tf"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Abs(filepath.Join(terraform, "modules"))
	if err != nil {
		t.Fatal(err)
	}
	for want, text := range map[string]string{
		"var.nothing is not declared":                          "output \"x\" {\n  description = \"x\"\n  value       = var.nothing\n}\n",
		"local.nothing is not declared":                        "output \"x\" {\n  description = \"x\"\n  value       = [for a in local.nothing : a]\n}\n",
		"aws_x.y is not declared":                              "resource \"a\" \"b\" {\n  dynamic \"c\" {\n    for_each = aws_x.y.z\n\n    content {\n      d = c.value\n    }\n  }\n}\n",
		"var.spare is declared and not used":                   "variable \"spare\" {\n  type        = string\n  description = \"x\"\n}\n",
		"variable x has no type":                               "variable \"x\" {\n  description = \"x\"\n}\n\nlocals {\n  y = var.x\n}\n",
		"output x has no description":                          "output \"x\" {\n  value = 1\n}\n",
		"is not formatted as terraform fmt does":               "output \"x\" {\n  value = 1\n  description = \"x\"\n}\n",
		"module secrets has no variable colour":                "module \"secrets\" {\n  source = \"../secrets\"\n  colour = \"red\"\n}\n",
		"module secrets wants broker":                          "module \"secrets\" {\n  source = \"../secrets\"\n}\n",
		"module secrets has no output url":                     "module \"secrets\" {\n  source = \"../secrets\"\n}\n\noutput \"x\" {\n  description = \"x\"\n  value       = module.secrets.url\n}\n",
		"module cluster: secret_arns: list of string required": "module \"cluster\" {\n  source      = \"../cluster\"\n  name        = \"x\"\n  secret_arns = \"arn\"\n}\n",
		"is refused: AWS offers 4.3, 4.2 and 3.13.":            "locals {\n  versions = { a = \"3.11\" }\n}\n\nmodule \"broker\" {\n  source         = \"../broker\"\n  for_each       = local.versions\n  engine_version = each.value\n}\n",
		"module service: concurrency: a number is required":    "module \"service\" {\n  source      = \"../service\"\n  concurrency = \"many\"\n}\n",
		"module alarms: queues: a number is required":          "module \"alarms\" {\n  source = \"../alarms\"\n  queues = { a = { depth = \"deep\" } }\n}\n",
		"local nothing: ":                                      "locals {\n  nothing = length(4)\n}\n\nmodule \"secrets\" {\n  source = \"../secrets\"\n}\n\noutput \"x\" {\n  description = \"x\"\n  value       = local.nothing\n}\n",
		"does not say which Terraform and provider it wants":   "",
	} {
		root := t.TempDir()
		dir := filepath.Join(root, "wrong")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"secrets", "cluster", "broker", "service", "alarms"} {
			if err := os.Symlink(filepath.Join(all, name), filepath.Join(root, name)); err != nil {
				t.Fatal(err)
			}
		}
		files := map[string][]byte{"main.tf": []byte(text), "versions.tf": versions}
		if text == "" {
			delete(files, "versions.tf")
		}
		for name, content := range files {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		m := load(t, dir)
		m.check(t, make(map[string]bool))
		if !slices.ContainsFunc(m.wrong, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("want %q, got %q", want, m.wrong)
		}
	}
}
