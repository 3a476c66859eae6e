package python

// A kind of token. Operators and brackets are tokens whose text is themselves.
type tokenKind int

const (
	endToken tokenKind = iota
	newlineToken
	nameToken
	numberToken
	stringToken // Text is the value
	bytesToken
	formatToken // an f-string; Text is the source
	signToken
	errorToken // what no token begins with; Text says why
)

// A token is a word of the source.
type token struct {
	kind         tokenKind
	text         string
	line, column int // from 1
	from, to     int // bytes of the source
	indent       int // columns before the first token of its logical line
}

// signs, the longer before the shorter.
var signs = []string{
	"**=", "//=", ">>=", "<<=", "...", "!=", "->", ":=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "@=",
	"**", "//", "<<", ">>", "<=", ">=", "==",
	"(", ")", "[", "]", "{", "}", ",", ":", ".", ";", "@", "=", "+", "-", "*", "/", "%", "&", "|", "^", "~", "<", ">", "!",
}
