package setting

import "strings"

// A Node is a value as it was written, with its place: the one form that YAML, TOML, JSON, variables and flags are read
// into before anybody asks what type it should have.
type Node struct {
	Kind    Kind
	Text    string // of a scalar, as written
	Items   []*Node
	Members []Member // in the order written
	Place   Place
}

// A Member is one name and value of a map.
type Member struct {
	Name  string
	Place Place
	Value *Node
}

// Kind is what a Node looks like.
type Kind int

// Kinds of nodes. Variables and flags are Loose: text that may mean any scalar.
const (
	Null Kind = iota
	Boolean
	Integer
	Decimal
	String
	Loose
	List
	Mapping
)

func (k Kind) String() string {
	return [...]string{"null", "true or false", "a whole number", "a number", "text", "text", "a list", "a map"}[k]
}

// scalar reports whether the node is one piece of text.
func (n *Node) scalar() bool { return n.Kind > Null && n.Kind < List }

// null reports whether the node says that there is no value.
func (n *Node) null() bool {
	if n.Kind == Null {
		return true
	}
	if n.Kind == Loose {
		switch strings.ToLower(n.Text) {
		case "null", "none", "~":
			return true
		}
	}
	return false
}

// says describes the node for an error: what it is, and its text unless it is secret.
func (n *Node) says(secret bool) string {
	if n.scalar() && !secret {
		text := mask(n.Text)
		if len(text) > 60 {
			text = text[:60] + "…"
		}
		return `"` + text + `"`
	}
	return n.Kind.String()
}
