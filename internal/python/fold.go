package python

import (
	"math"
	"strconv"
	"strings"
)

// maxFold bounds the strings that folding makes.
const maxFold = 1 << 16

// Fold does what n says to do with constants: arithmetic, f-strings, "%s" % x, dict(a=1), int("1"), {"a": 1}["a"]. What is not
// constant is left as it is. It does not look into n's parts.
func Fold(n *Node) *Node {
	out := n
	switch {
	case n.Kind == Operator && len(n.Items) > 0:
		out = operation(n)
	case n.Kind == Format:
		out = n.concatenation(n.Items)
	case n.Kind == Call && n.Of.Kind == Name:
		out = n.conversion()
	case n.Kind == Index && len(n.Items) == 1 && n.Items[0] != nil && n.Items[0].Kind == String && n.Of.Kind == Dict:
		if v := n.Of.Get(n.Items[0].Text); v != nil {
			out = v
		}
	}
	return out
}

// said is a constant as a string puts it in.
func (n *Node) said() (string, bool) {
	switch n.Kind {
	case String:
		return n.Text, true
	case Int, Bool:
		return n.String(), true
	}
	return "", false
}

// concatenation is the string of these parts, if all are constants, else n.
func (n *Node) concatenation(parts []*Node) *Node {
	var b strings.Builder
	for _, part := range parts {
		text, ok := part.said()
		if !ok || b.Len()+len(text) > maxFold {
			return n
		}
		b.WriteString(text)
	}
	return &Node{Kind: String, Line: n.Line, Column: n.Column, Text: b.String()}
}

// percent is format % values for the verbs that put in a value as it is, else n.
func (n *Node) percent(format string, values *Node) *Node {
	items := []*Node{values}
	if values.Kind == Tuple {
		items = values.Items
	}
	var parts []*Node
	for {
		before, after, found := strings.Cut(format, "%")
		parts = append(parts, &Node{Kind: String, Text: before})
		if !found {
			break
		}
		switch {
		case strings.HasPrefix(after, "%"):
			parts = append(parts, &Node{Kind: String, Text: "%"})
		case len(items) > 0 && (after != "" && after[0] == 's' || after != "" && after[0] == 'd' && items[0].Kind == Int):
			parts = append(parts, items[0])
			items = items[1:]
		default:
			return n
		}
		format = after[1:]
	}
	if len(items) > 0 {
		return n
	}
	return n.concatenation(parts)
}

// conversion is what a call of one of Python's own types makes of constants.
func (n *Node) conversion() *Node {
	if n.Of.Text == "dict" && len(n.Items) == 0 {
		return &Node{Kind: Dict, Line: n.Line, Column: n.Column, Pairs: n.Pairs}
	}
	if len(n.Items) != 1 || len(n.Pairs) > 0 {
		return n
	}
	v := n.Items[0]
	number, isNumber := v.Number()
	switch text, isText := v.said(); n.Of.Text {
	case "str":
		if isText {
			return &Node{Kind: String, Line: n.Line, Column: n.Column, Text: text}
		}
	case "int":
		if whole, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); v.Kind == String && err == nil {
			return n.number(Int, whole, 0)
		} else if isNumber && math.Abs(number) < 1<<53 {
			return n.number(Int, int64(number), 0)
		}
	case "float":
		if x, err := strconv.ParseFloat(strings.TrimSpace(text), 64); v.Kind == String && err == nil && !math.IsInf(x, 0) && !math.IsNaN(x) {
			return n.number(Float, 0, x)
		} else if isNumber {
			return n.number(Float, 0, number)
		}
	case "bool":
		if v.Kind == String {
			return &Node{Kind: Bool, Line: n.Line, Column: n.Column, Bool: v.Text != ""}
		} else if isNumber {
			return &Node{Kind: Bool, Line: n.Line, Column: n.Column, Bool: number != 0}
		}
	case "list", "tuple":
		if v.Kind == List || v.Kind == Tuple {
			return &Node{Kind: map[string]Kind{"list": List, "tuple": Tuple}[n.Of.Text], Line: n.Line, Column: n.Column, Items: v.Items}
		}
	}
	return n
}

// operation does an operation on constants, if it is one.
func operation(n *Node) *Node {
	a := n.Items[0]
	if len(n.Items) == 1 {
		switch {
		case n.Text == "-" && a.Kind == Int && a.Int != math.MinInt64:
			return n.number(Int, -a.Int, 0)
		case n.Text == "-" && a.Kind == Float:
			return n.number(Float, 0, -a.Float)
		case n.Text == "+" && (a.Kind == Int || a.Kind == Float):
			return n.number(a.Kind, a.Int, a.Float)
		}
		return n
	}
	b := n.Items[1]
	switch {
	case a.Kind == Int && b.Kind == Int && n.Text != "/":
		if v, ok := integer(n.Text, a.Int, b.Int); ok {
			return n.number(Int, v, 0)
		}
		return n
	case a.Kind == String && n.Text == "%":
		return n.percent(a.Text, b)
	case a.Kind == Dict && b.Kind == Dict && n.Text == "|":
		return &Node{Kind: Dict, Line: n.Line, Column: n.Column, Pairs: append(append([]Pair(nil), a.Pairs...), b.Pairs...)}
	case a.Kind == b.Kind && a.Kind == String && n.Text == "+" && len(a.Text)+len(b.Text) <= maxFold:
		return &Node{Kind: String, Line: n.Line, Column: n.Column, Text: a.Text + b.Text}
	case a.Kind == b.Kind && (a.Kind == List || a.Kind == Tuple) && n.Text == "+":
		return &Node{Kind: a.Kind, Line: n.Line, Column: n.Column, Items: append(append([]*Node(nil), a.Items...), b.Items...)}
	case (a.Kind == Int || a.Kind == Float) && (b.Kind == Int || b.Kind == Float):
		x, _ := a.Number()
		y, _ := b.Number()
		v := math.NaN()
		switch n.Text {
		case "+":
			v = x + y
		case "-":
			v = x - y
		case "*":
			v = x * y
		case "/":
			v = x / y
		}
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return n.number(Float, 0, v)
		}
	}
	return n
}

func (n *Node) number(kind Kind, i int64, f float64) *Node {
	return &Node{Kind: kind, Line: n.Line, Column: n.Column, Int: i, Float: f}
}

// integer is a op b as Python has it, if it fits.
func integer(op string, a, b int64) (int64, bool) {
	const small = 1 << 31 // products of these fit
	fits := a > -small && a < small && b > -small && b < small
	switch {
	case op == "+" && fits:
		return a + b, true
	case op == "-" && fits:
		return a - b, true
	case op == "*" && fits:
		return a * b, true
	case op == "//" && b != 0 && fits:
		return int64(math.Floor(float64(a) / float64(b))), true
	case op == "**" && b >= 0:
		v := math.Pow(float64(a), float64(b))
		return int64(v), math.Abs(v) < 1<<53
	}
	return 0, false
}
