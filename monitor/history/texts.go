package history

import (
	"hash/maphash"
	"strings"
	"unicode/utf8"
)

// The index of texts: which tasks may hold a text in their arguments, result or error. It holds trigrams, so that it finds any
// text of three characters or more wherever it stands; what it finds is looked at once more, since three trigrams are not yet
// the text.
//
// A task's texts come one after another: arguments when it is received, the result when it ends. Each time what is new is put
// into a part of its own, at place seq*partsMost + part: nothing in the index is ever changed. Tasks of before there was an
// index (older than since) are looked at one by one.

const (
	// partsMost bounds the parts of a task; of what comes later only the latest is found.
	partsMost = 8

	// gramsFrom is how many characters a text has at least to be found by the index.
	gramsFrom = 3

	// candidatesMost is how many places one look at the index takes, and candidatesAtOnce how many one statement reads.
	candidatesMost   = 256
	candidatesAtOnce = 64
)

var textSeed = maphash.MakeSeed()

// texts are what is searched by text.
func (t *Task) texts() [5]string {
	return [5]string{t.Args, t.Kwargs, t.Result, t.Exception, t.Traceback}
}

// A mark remembers which texts are in the index.
type mark [5]uint64

func (t *Task) mark() (m mark) {
	for i, s := range t.texts() {
		if s != "" {
			m[i] = maphash.String(textSeed, s)
		}
	}
	return m
}

// news are the texts that are not in the index; "" when there are none.
func (t *Task) news(known mark) string {
	var b strings.Builder
	now := t.mark()
	for i, s := range t.texts() {
		if now[i] != known[i] && s != "" && s != "()" && s != "{}" {
			b.WriteString(clean(s))
			b.WriteByte('\n') // no text runs on into the next
		}
	}
	return b.String()
}

// indexed is the text of a query that the index is asked for: the longest, since it is in the fewest tasks. "" when there is
// none that it knows.
func (q *Query) indexed() string {
	best := ""
	for _, s := range []string{q.Text, q.Args, q.Kwargs, q.Result, q.Error} {
		if s = clean(s); utf8.RuneCountInString(s) >= gramsFrom && len(s) > len(best) {
			best = s
		}
	}
	return best
}

// grams are the trigrams of a text as a query of SQLite's: each must be there.
func grams(text string) string {
	r := []rune(text)
	seen := make(map[string]bool)
	var b strings.Builder
	for i := 0; i+gramsFrom <= len(r) && len(seen) < gramsMost; i++ {
		g := string(r[i : i+gramsFrom])
		if seen[g] {
			continue
		}
		seen[g] = true
		if b.Len() > 0 {
			b.WriteString(" AND ")
		}
		b.WriteString(`"` + strings.ReplaceAll(g, `"`, `""`) + `"`)
	}
	return b.String()
}

// gramsMost bounds a query: more do not make it find less.
const gramsMost = 24
