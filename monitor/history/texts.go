package history

import (
	"hash/maphash"
	"slices"
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

// grams are trigrams of a text as a query of SQLite's: each must be there. They are few: numbers first, for a piece of a word is
// in most tasks and costs much to go through, and then those that lie far from each other.
func grams(text string) string {
	r := []rune(text)
	last := len(r) - gramsFrom
	var all []string
	for _, i := range []int{0, last, last / 2, last / 4, last * 3 / 4} {
		all = append(all, string(r[i:i+gramsFrom]))
	}
	for i := range last + 1 {
		all = append(all, string(r[i:i+gramsFrom]))
	}
	slices.SortStableFunc(all, func(a, b string) int { return digits(b) - digits(a) })
	var b strings.Builder
	var seen []string
	for _, g := range all {
		if slices.Contains(seen, g) || len(seen) == gramsMost {
			continue
		}
		if seen = append(seen, g); len(seen) > 1 {
			b.WriteString(" AND ")
		}
		b.WriteString(`"` + strings.ReplaceAll(g, `"`, `""`) + `"`)
	}
	return b.String()
}

// gramsMost bounds a query.
const gramsMost = 5

func digits(s string) (n int) {
	for _, c := range s {
		if c >= '1' && c <= '9' { // zeros fill up
			n++
		}
	}
	return n
}
