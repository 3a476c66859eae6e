package amazonmq

import (
	"os"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// The module takes the versions, types and modes that a plan takes, and no version that a plan refuses.
func TestTheModuleTakesWhatAPlanTakes(t *testing.T) {
	const path = "../../deploy/terraform/modules/broker/variables.tf"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, diags := hclsyntax.ParseConfig(text, path, hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	functions := map[string]function.Function{"can": tryfunc.CanFunc, "contains": stdlib.ContainsFunc, "regex": stdlib.RegexFunc}
	takes := func(variable, value string) bool {
		t.Helper()
		for _, b := range f.Body.(*hclsyntax.Body).Blocks {
			if b.Type != "variable" || b.Labels[0] != variable {
				continue
			}
			for _, inner := range b.Body.Blocks {
				in := &hcl.EvalContext{Functions: functions, Variables: map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{variable: cty.StringVal(value)})}}
				ok, diags := inner.Body.Attributes["condition"].Expr.Value(in)
				if diags.HasErrors() {
					t.Fatal(diags)
				}
				return ok.True()
			}
		}
		t.Fatalf("nothing checks %s", variable)
		return false
	}
	for _, v := range Versions {
		if supported := v.End.IsZero(); takes("engine_version", v.Name) != supported {
			t.Errorf("version %s: a plan takes it: %v, the module does not agree", v.Name, supported)
		}
	}
	for _, i := range Instances {
		if !takes("instance_type", i.Name) {
			t.Errorf("the module refuses %s", i.Name)
		}
	}
	for _, m := range []string{Single, Cluster, "ACTIVE_STANDBY_MULTI_AZ"} {
		if known := m == Single || m == Cluster; takes("deployment_mode", m) != known {
			t.Errorf("mode %s: known %v, the module does not agree", m, known)
		}
	}
	for _, name := range []string{"aZ09-_.~", "my broker", ""} {
		p := good()
		if p.Name = name; takes("name", name) != (p.Refused() == nil) {
			t.Errorf("name %q: plan and module do not agree", name)
		}
	}
}
