package python

import "math"

// maxFold bounds the strings that folding makes.
const maxFold = 1 << 16

// fold does an operation on constants, if it is one.
func fold(n *Node) *Node {
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
