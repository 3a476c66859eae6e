package routing

import "strings"

// Match tells whether a topic exchange sends a message with the routing key to a binding with the pattern. Both are
// words joined by dots; in the pattern the word * stands for exactly one word and the word # for any number of words,
// also none. Words are whole: "a*" is the word a*, not a prefix. An empty key has no words, while "." has two empty ones,
// as RabbitMQ counts them.
func Match(pattern, key string) bool {
	p, k := words{rest: pattern, more: pattern != ""}, words{rest: key, more: key != ""}

	// Only the last # seen needs to be tried with more words: what an earlier one could take, the later one can too.
	var hashP, hashK words
	var hash bool
	for {
		if p.more {
			pw, pNext := p.next()
			switch {
			case pw == "#":
				hash, hashP, hashK = true, pNext, k
				p = pNext
				continue
			case k.more:
				kw, kNext := k.next()
				if pw == "*" || pw == kw {
					p, k = pNext, kNext
					continue
				}
			}
		} else if !k.more {
			return true
		}
		if !hash || !hashK.more {
			return false
		}
		_, hashK = hashK.next()
		p, k = hashP, hashK
	}
}

// words walks over the words of a key without allocating.
type words struct {
	rest string
	more bool // false: no word is left; a rest of "" with more is one empty word
}

func (w words) next() (word string, tail words) {
	if i := strings.IndexByte(w.rest, '.'); i >= 0 {
		return w.rest[:i], words{rest: w.rest[i+1:], more: true}
	}
	return w.rest, words{}
}
