package metrics

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// A definition is one block of Terraform files.
type definition struct {
	kind string // "variable", "resource aws_cloudwatch_metric_alarm", …
	name string
	body *hclsyntax.Body
}

func definitions(t *testing.T) (out []definition) {
	t.Helper()
	files, err := filepath.Glob("../../deploy/terraform/modules/alarms/*.tf")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	parser := hclparse.NewParser()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(hclwrite.Format(text)) != string(text) {
			t.Errorf("%s is not formatted as terraform fmt does", file)
		}
		f, diags := parser.ParseHCL(text, file)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		for _, b := range f.Body.(*hclsyntax.Body).Blocks {
			d := definition{kind: b.Type, body: b.Body}
			switch len(b.Labels) {
			case 1:
				d.name = b.Labels[0]
			case 2:
				d.kind, d.name = b.Type+" "+b.Labels[0], b.Labels[1]
			}
			out = append(out, d)
		}
	}
	return out
}

var quoted = regexp.MustCompile(`"([A-Za-z]+)"`)
var dimension = regexp.MustCompile(`(\w+) = (?:each|var)`)

// Every alarm is on a metric that is told, with the dimensions with which it is told.
func TestAlarmsAreOnWhatIsTold(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.work()
	var alarms []string // metric and dimensions beside those of all
	for _, d := range definitions(t) {
		if d.kind != "resource aws_cloudwatch_metric_alarm" {
			continue
		}
		for _, name := range []string{"alarm_name", "alarm_description", "namespace", "metric_name", "dimensions", "statistic", "comparison_operator",
			"threshold", "period", "evaluation_periods", "treat_missing_data", "alarm_actions"} {
			if d.body.Attributes[name] == nil {
				t.Fatalf("alarm %s has no %s", d.name, name)
			}
		}
		alarm := quoted.FindStringSubmatch(source(t, d.body.Attributes["metric_name"]))[1]
		var dims []string
		for _, m := range dimension.FindAllStringSubmatch(source(t, d.body.Attributes["dimensions"]), -1) {
			if m[1] != "dimensions" {
				dims = append(dims, m[1])
			}
		}
		slices.Sort(dims)
		alarms = append(alarms, alarm+" "+strings.Join(dims, " "))
	}
	if len(alarms) < 9 {
		t.Fatalf("%d alarms", len(alarms))
	}
	for late := time.After(patience); ; {
		told := []string{}
		w.sky.mu.Lock()
		for _, d := range w.sky.seen {
			var dims []string
			for _, x := range d.Dimensions {
				if x.Name != "Environment" {
					dims = append(dims, x.Name)
				}
			}
			slices.Sort(dims)
			told = append(told, d.Name+" "+strings.Join(dims, " "))
		}
		w.sky.mu.Unlock()
		missing := slices.DeleteFunc(slices.Clone(alarms), func(a string) bool { return slices.Contains(told, a) })
		if len(missing) == 0 {
			return
		}
		select {
		case <-w.sky.told:
		case <-late:
			t.Fatalf("alarms on what nobody tells: %q; told: %q", missing, told)
		}
	}
}

// source is the text of an attribute's value.
func source(t *testing.T, a *hclsyntax.Attribute) string {
	t.Helper()
	text, err := os.ReadFile(a.SrcRange.Filename)
	if err != nil {
		t.Fatal(err)
	}
	r := a.Expr.Range()
	return string(text[r.Start.Byte:r.End.Byte])
}
