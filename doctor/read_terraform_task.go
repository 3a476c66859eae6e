package doctor

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/umbel-go/umbel/internal/python"
)

// terraformTask reads a task definition, whose containers are an expression in jsonencode, or JSON in a string.
func (s *system) terraformTask(file string, after int, text string, block *hclsyntax.Block) {
	given, ok := block.Body.Attributes["container_definitions"]
	if !ok {
		return
	}
	definition := &python.Node{Kind: python.Dict, Line: block.TypeRange.Start.Line, Column: block.TypeRange.Start.Column}
	for name, a := range block.Body.Attributes {
		if a != given {
			key := &python.Node{Kind: python.String, Text: name, Line: a.NameRange.Start.Line, Column: a.NameRange.Start.Column}
			definition.Pairs = append(definition.Pairs, python.Pair{Key: key, Value: terraformNode(a.Expr, text)})
		}
	}
	containers := terraformNode(given.Expr, text)
	if containers.Kind == python.String { // JSON: its first line is the next one in a heredoc
		after += containers.Line - 1
		if text[given.Expr.Range().Start.Byte] == '<' {
			after++
		}
		list, ok := document(s, file, after, containers.Text)
		if !ok {
			return
		}
		containers, definition.Line = list, 1
	}
	if containers.Kind == python.List {
		s.task(definition, containers, func(n *python.Node) value { return value{n, Place{file, after + n.Line, n.Column}} })
	}
}

// terraformNode is an expression as a Python literal would be; what only Terraform would tell is Unknown.
func terraformNode(e hclsyntax.Expression, text string) *python.Node {
	at := e.Range()
	n := &python.Node{Kind: python.Unknown, Line: at.Start.Line, Column: at.Start.Column}
	if at.CanSliceBytes([]byte(text)) {
		n.Text = text[at.Start.Byte:at.End.Byte]
	}
	switch e := e.(type) {
	case *hclsyntax.ParenthesesExpr:
		return terraformNode(e.Expression, text)
	case *hclsyntax.FunctionCallExpr:
		if e.Name == "jsonencode" && len(e.Args) == 1 {
			return terraformNode(e.Args[0], text)
		}
		return n
	case *hclsyntax.TupleConsExpr:
		n.Kind = python.List
		for _, item := range e.Exprs {
			n.Items = append(n.Items, terraformNode(item, text))
		}
		return n
	case *hclsyntax.ObjectConsExpr:
		n.Kind = python.Dict
		for _, item := range e.Items {
			name := hcl.ExprAsKeyword(item.KeyExpr)
			if v, problems := item.KeyExpr.Value(nil); name == "" && !problems.HasErrors() && v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
				name = v.AsString()
			}
			from := item.KeyExpr.Range().Start
			key := &python.Node{Kind: python.String, Text: name, Line: from.Line, Column: from.Column}
			n.Pairs = append(n.Pairs, python.Pair{Key: key, Value: terraformNode(item.ValueExpr, text)})
		}
		return n
	}
	v, problems := e.Value(nil)
	switch {
	case problems.HasErrors() || !v.IsKnown():
	case v.IsNull():
		n.Kind = python.None
	case v.Type() == cty.String:
		n.Kind, n.Text = python.String, v.AsString()
	case v.Type() == cty.Bool:
		n.Kind, n.Bool = python.Bool, v.True()
	case v.Type() == cty.Number:
		n.Kind = python.Float
		n.Float, _ = v.AsBigFloat().Float64()
	}
	return n
}
