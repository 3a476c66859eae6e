package deploy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// functions are those of Terraform that modules give each other values by, and check them with.
var functions = map[string]function.Function{
	"can": tryfunc.CanFunc, "coalesce": stdlib.CoalesceFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc,
	"flatten": stdlib.FlattenFunc, "jsonencode": stdlib.JSONEncodeFunc, "keys": stdlib.KeysFunc, "length": stdlib.LengthFunc, "merge": stdlib.MergeFunc,
	"regex": stdlib.RegexFunc, "sort": stdlib.SortFunc, "split": stdlib.SplitFunc, "tolist": stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
	"startswith": texts(strings.HasPrefix), "endswith": texts(strings.HasSuffix),
}

func texts(f func(a, b string) bool) function.Function {
	return function.New(&function.Spec{Params: []function.Parameter{{Name: "a", Type: cty.String}, {Name: "b", Type: cty.String}}, Type: function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(f(args[0].AsString(), args[1].AsString())), nil
		}})
}

// A parameter is a variable of a module as its block has it.
type parameter struct {
	kind     cty.Type
	optional *typeexpr.Defaults
	fallback hcl.Expression // nil: it must be given
	checks   []*hclsyntax.Body
}

func (m *module) parameters() map[string]parameter {
	out := make(map[string]parameter)
	for _, b := range m.blocks {
		if b.Type != "variable" || b.Body.Attributes["type"] == nil {
			continue
		}
		var p parameter
		var diags hcl.Diagnostics
		if p.kind, p.optional, diags = typeexpr.TypeConstraintWithDefaults(b.Body.Attributes["type"].Expr); diags.HasErrors() {
			m.bad("%s: variable %s: %v", m.dir, b.Labels[0], diags)
			continue
		}
		if d := b.Body.Attributes["default"]; d != nil {
			p.fallback = d.Expr
		}
		for _, inner := range b.Body.Blocks {
			if inner.Type == "validation" {
				p.checks = append(p.checks, inner.Body)
			}
		}
		out[b.Labels[0]] = p
	}
	return out
}

// take is a value as the variable holds it, or why it does not take it.
func (p parameter) take(name string, v cty.Value) (cty.Value, error) {
	if p.optional != nil && v.IsKnown() && !v.IsNull() {
		v = p.optional.Apply(v)
	}
	v, err := convert.Convert(v, p.kind)
	if err != nil || !v.IsWhollyKnown() {
		return v, err
	}
	for _, check := range p.checks {
		in := &hcl.EvalContext{Functions: functions, Variables: map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{name: v})}}
		ok, diags := check.Attributes["condition"].Expr.Value(in)
		if diags.HasErrors() {
			return v, diags
		}
		if ok.False() {
			said, _ := check.Attributes["error_message"].Expr.Value(in)
			return v, fmt.Errorf("%#v is refused: %s", v, said.AsString())
		}
	}
	return v, nil
}

// scope is what the expressions of a root module may speak of, as far as it is known before anything is made.
func (m *module) scope() *hcl.EvalContext {
	vars, locals, calls := make(map[string]cty.Value), make(map[string]cty.Value), make(map[string]cty.Value)
	for name, p := range m.parameters() {
		vars[name] = cty.UnknownVal(p.kind)
		if p.fallback == nil {
			continue
		}
		v, diags := p.fallback.Value(nil)
		if diags.HasErrors() {
			m.bad("%s: default of %s: %v", m.dir, name, diags)
			continue
		}
		held, err := p.take(name, v)
		if err != nil {
			m.bad("%s: default of %s: %v", m.dir, name, err)
			continue
		}
		if !held.IsNull() {
			vars[name] = held
		}
	}
	for name := range m.calls {
		calls[name] = cty.DynamicVal
	}
	in := &hcl.EvalContext{Functions: functions, Variables: map[string]cty.Value{"var": cty.ObjectVal(vars), "module": cty.ObjectVal(calls)}}
	for _, b := range m.blocks {
		if b.Type != "locals" {
			continue
		}
		left := maps.Clone(map[string]*hclsyntax.Attribute(b.Body.Attributes))
		for range len(left) + 1 { // one may speak of another
			for name, a := range left {
				in.Variables["local"] = cty.ObjectVal(locals)
				if v, diags := a.Expr.Value(in); !diags.HasErrors() {
					locals[name] = v
					delete(left, name)
				}
			}
		}
		for name, a := range left {
			_, diags := a.Expr.Value(in)
			m.bad("%s: local %s: %v", m.dir, name, diags)
			locals[name] = cty.DynamicVal
		}
	}
	in.Variables["local"] = cty.ObjectVal(locals)
	return in
}

// gives holds the values that a call gives against the types of the variables that take them, and against what those refuse.
func (m *module) gives(name string, body *hclsyntax.Body, of *module, in *hcl.EvalContext) {
	parameters := of.parameters()
	for _, scope := range m.instances(name, body, in) {
		for _, given := range slices.Sorted(maps.Keys(body.Attributes)) {
			p, ok := parameters[given]
			if !ok {
				continue // source, for_each and the like; or said elsewhere
			}
			v, diags := body.Attributes[given].Expr.Value(scope)
			if diags.HasErrors() {
				m.bad("%s: module %s: %s: %v", m.dir, name, given, diags)
				continue
			}
			if _, err := p.take(given, v); err != nil {
				m.bad("%s: module %s: %s: %v", m.dir, name, given, err)
			}
		}
	}
}

// instances are the scopes of a call, one for each of its instances.
func (m *module) instances(name string, body *hclsyntax.Body, in *hcl.EvalContext) []*hcl.EvalContext {
	each := func(key, value cty.Value) *hcl.EvalContext {
		scope := in.NewChild()
		scope.Variables = map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})}
		return scope
	}
	a := body.Attributes["for_each"]
	if a == nil {
		return []*hcl.EvalContext{in}
	}
	v, diags := a.Expr.Value(in)
	switch {
	case diags.HasErrors():
		m.bad("%s: module %s: for_each: %v", m.dir, name, diags)
		return nil
	case !v.IsKnown():
		return []*hcl.EvalContext{each(cty.UnknownVal(cty.String), cty.DynamicVal)}
	case !v.Type().IsObjectType() && !v.Type().IsMapType():
		m.bad("%s: module %s: for_each is %s", m.dir, name, v.Type().FriendlyName())
		return nil
	}
	var out []*hcl.EvalContext
	for it := v.ElementIterator(); it.Next(); {
		out = append(out, each(it.Element()))
	}
	return out
}
