package metrics

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// An alarm is one that Terraform would make.
type alarm struct {
	key   string
	about []string // each metric that it looks at, with its dimensions, as sky keeps them
	body  map[string]cty.Value
}

// blocks are those of the module, by type and labels.
func blocks(t *testing.T) map[string]*hclsyntax.Body {
	t.Helper()
	files, err := filepath.Glob("../../deploy/terraform/modules/alarms/*.tf")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	out := make(map[string]*hclsyntax.Body)
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
			out[strings.Join(append([]string{b.Type}, b.Labels...), " ")] = b.Body
		}
	}
	return out
}

// given is what the module is called with, in the world that start makes.
var given = map[string]cty.Value{
	"dimensions": cty.MapVal(map[string]cty.Value{"Environment": cty.StringVal("test")}),
	"broker":     cty.StringVal("mq"), "nodes": cty.SetVal([]cty.Value{cty.StringVal("rabbit@one")}), "memory_limit_bytes": cty.NumberIntVal(4e8),
	"queues": cty.MapVal(map[string]cty.Value{"celery": cty.ObjectVal(map[string]cty.Value{
		"depth": cty.NumberIntVal(1000), "dead_letter": cty.StringVal("celery.dead"), "slots": cty.NumberIntVal(20), "age": cty.NumberIntVal(300)})}),
	"tasks":  cty.MapVal(map[string]cty.Value{"m.fails": cty.NumberIntVal(10)}),
	"topics": cty.ListVal([]cty.Value{cty.StringVal("arn:aws:sns:eu-west-1:123456789012:ops")}),
}

// alarms evaluates the module as Terraform does.
func alarms(t *testing.T) (out []alarm) {
	t.Helper()
	all := blocks(t)
	vars := maps.Clone(given)
	for name, b := range all {
		if name, ok := strings.CutPrefix(name, "variable "); ok && vars[name].IsNull() && b.Attributes["default"] != nil {
			vars[name] = value(t, b.Attributes["default"].Expr, nil)
		}
	}
	root := (&hcl.EvalContext{}).NewChild()
	root.Variables = map[string]cty.Value{"var": cty.ObjectVal(vars)}
	root.Functions = map[string]function.Function{"merge": stdlib.MergeFunc}
	root.Variables["local"] = cty.ObjectVal(map[string]cty.Value{"alarms": value(t, all["locals"].Attributes["alarms"].Expr, root)})
	one := all["resource aws_cloudwatch_metric_alarm this"]
	for it := value(t, one.Attributes["for_each"].Expr, root).ElementIterator(); it.Next(); {
		key, row := it.Element()
		scope := root.NewChild()
		scope.Variables = map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": key, "value": row})}
		a := alarm{key: key.AsString(), body: make(map[string]cty.Value)}
		for name, attribute := range one.Attributes {
			if name != "for_each" {
				a.body[name] = value(t, attribute.Expr, scope)
			}
		}
		a.about = []string{metric(a.body["namespace"], a.body["metric_name"], a.body["dimensions"])}
		out = append(out, a)
	}
	math := all["resource aws_cloudwatch_metric_alarm confirms"]
	a := alarm{key: "confirms-behind", body: make(map[string]cty.Value)}
	for name, attribute := range math.Attributes {
		a.body[name] = value(t, attribute.Expr, root)
	}
	for _, b := range math.Blocks {
		if b.Type == "metric_query" {
			a.body["expression"] = value(t, b.Body.Attributes["expression"].Expr, root)
			continue
		}
		for it := value(t, b.Body.Attributes["for_each"].Expr, root).ElementIterator(); it.Next(); {
			id, name := it.Element()
			scope := root.NewChild()
			scope.Variables = map[string]cty.Value{"metric_query": cty.ObjectVal(map[string]cty.Value{"key": id, "value": name})}
			m := b.Body.Blocks[0].Body.Blocks[0].Body.Attributes
			a.about = append(a.about, metric(vars["namespace"], value(t, m["metric_name"].Expr, scope), value(t, m["dimensions"].Expr, scope)))
		}
	}
	return append(out, a)
}

func value(t *testing.T, e hcl.Expression, in *hcl.EvalContext) cty.Value {
	t.Helper()
	v, diags := e.Value(in)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return v
}

// metric is one as sky keeps it.
func metric(namespace, name, dimensions cty.Value) string {
	key := namespace.AsString() + "/" + name.AsString()
	of := dimensions.AsValueMap()
	for _, d := range []string{"Environment", "Broker", "Node", "Queue", "Task"} { // in the order in which they are told
		if v, ok := of[d]; ok {
			key += " " + d + "=" + v.AsString()
			delete(of, d)
		}
	}
	return key + strings.Repeat(" ?", len(of))
}

// Every alarm is on a metric that is told, with the dimensions with which it is told.
func TestAlarmsAreOnWhatIsTold(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.work()
	want := make(map[string]bool)
	var keys []string
	for _, a := range alarms(t) {
		keys = append(keys, a.key)
		for _, m := range a.about {
			want[m] = true
		}
		if name := a.body["alarm_name"].AsString(); name != "umbel-"+a.key || a.body["alarm_description"].AsString() == "" || a.body["alarm_actions"].LengthInt() != 1 {
			t.Errorf("alarm %s: %v", a.key, a.body)
		}
		// Where nothing is told, somebody must hear of it: by these two.
		if silent := a.body["treat_missing_data"].AsString() == "breaching"; silent != (a.key == "silence" || a.key == "celery-no-consumer") {
			t.Errorf("alarm %s treats missing data as %s", a.key, a.body["treat_missing_data"].AsString())
		}
	}
	slices.Sort(keys)
	if got := strings.Join(keys, " "); got != "celery-age celery-dead-letters celery-depth celery-no-consumer celery-unsettled confirms-behind m.fails-failures rabbit@one-disk rabbit@one-memory silence" {
		t.Fatalf("alarms: %s", got)
	}
	for late := time.After(patience); ; {
		w.sky.mu.Lock()
		seen := maps.Clone(w.sky.seen)
		w.sky.mu.Unlock()
		for m := range want {
			if _, ok := seen[m]; ok {
				delete(want, m)
			}
		}
		if len(want) == 0 {
			return
		}
		select {
		case <-w.sky.told:
		case <-late:
			t.Fatalf("alarms on what nobody tells: %q; told:\n%s", slices.Sorted(maps.Keys(want)), strings.Join(slices.Sorted(maps.Keys(seen)), "\n"))
		}
	}
}

// What CloudWatch computes of the rates is an alarm where confirms lack, and none where all is well, nothing is sent, or too little.
func TestTheAlarmOnConfirmsComputesRightly(t *testing.T) {
	t.Parallel()
	all := alarms(t)
	a := all[len(all)-1]
	text := a.body["expression"].AsString()
	expression, diags := hclsyntax.ParseExpression([]byte(text), "expression", hcl.InitialPos)
	if diags.HasErrors() || a.body["comparison_operator"].AsString() != "GreaterThanThreshold" {
		t.Fatal(text, diags, a.body)
	}
	threshold, _ := a.body["threshold"].AsBigFloat().Float64()
	choose := function.New(&function.Spec{ // CloudWatch's IF
		Params: []function.Parameter{{Name: "if", Type: cty.Bool}, {Name: "then", Type: cty.Number}, {Name: "else", Type: cty.Number}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if args[0].True() {
				return args[1], nil
			}
			return args[2], nil
		},
	})
	for _, c := range []struct {
		published, confirmed float64
		alarm                bool
	}{{100, 100, false}, {100, 51, false}, {100, 49, true}, {100, 0, true}, {0, 0, false}, {0.9, 0, false}, {3, 0, true}, {100, 130, false}} {
		v := value(t, expression, &hcl.EvalContext{Functions: map[string]function.Function{"IF": choose},
			Variables: map[string]cty.Value{"published": cty.NumberFloatVal(c.published), "confirmed": cty.NumberFloatVal(c.confirmed)}})
		if got, _ := v.AsBigFloat().Float64(); (got > threshold) != c.alarm {
			t.Errorf("%s: of %g sent, %g confirmed: %g", text, c.published, c.confirmed, got)
		}
	}
	if fmt.Sprint(a.about) != "[Umbel/ConfirmRate Environment=test Broker=mq Umbel/PublishRate Environment=test Broker=mq]" {
		t.Errorf("computed of %v", a.about)
	}
}
