package routing

import (
	"fmt"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, key string
		want         bool
	}{
		{"", "", true},
		{"", "a", false},
		{"a", "", false},
		{"a", "a", true},
		{"a", "A", false},
		{"a.b", "a.b", true},
		{"a.b", "a.b.c", false},
		{"a.b.c", "a.b", false},
		{"*", "", false}, // an empty key has no word
		{"*", "a", true},
		{"*", "a.b", false},
		{"*.*", ".", true}, // two empty words
		{"*.b", "a.b", true},
		{"a.*.c", "a.b.c", true},
		{"a.*.c", "a.c", false},
		{"#", "", true},
		{"#", "a", true},
		{"#", "a.b.c", true},
		{"#.#", "", true},
		{"a.#", "a", true},
		{"a.#", "a.b.c", true},
		{"a.#", "ab", false},
		{"a.#", "b.a", false},
		{"#.a", "a", true},
		{"#.a", "b.c.a", true},
		{"#.a", "a.b", false},
		{"a.#.z", "a.z", true},
		{"a.#.z", "a.b.c.z", true},
		{"a.#.z", "a.z.b", false},
		{"#.b.*", "a.b.b.c", true},
		{"#.b.*", "b.c.b", false},
		{"*.#", "", false},
		{"*.#", "a", true},
		{"#.*", "a.b", true},
		{"a*", "ab", false}, // words are whole
		{"a*", "a*", true},
		{"worker.#", "worker.heartbeat", true},
		{"task.*", "task.sent.late", false},
		// Celery's native delayed delivery: 28 binary digits, then the key.
		{strings.Repeat("*.", 27) + "1.#", strings.Repeat("0.", 27) + "1.celery", true},
		{strings.Repeat("*.", 27) + "0.#", strings.Repeat("0.", 27) + "1.celery", false},
		{"#.celery", strings.Repeat("0.", 27) + "1.celery", true},
	} {
		t.Run(fmt.Sprintf("%q of %q", tt.pattern, tt.key), func(t *testing.T) {
			if got := Match(tt.pattern, tt.key); got != tt.want {
				t.Errorf("Match = %v, want %v", got, tt.want)
			}
			if got := naive(split(tt.pattern), split(tt.key)); got != tt.want {
				t.Errorf("the oracle says %v, want %v", got, tt.want)
			}
		})
	}
}

// naive is the definition of a topic match, read aloud; exponential in the number of #.
func naive(pattern, key []string) bool {
	if len(pattern) == 0 {
		return len(key) == 0
	}
	if pattern[0] == "#" {
		return naive(pattern[1:], key) || len(key) > 0 && naive(pattern, key[1:])
	}
	return len(key) > 0 && (pattern[0] == "*" || pattern[0] == key[0]) && naive(pattern[1:], key[1:])
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ".")
}

func FuzzMatch(f *testing.F) {
	for _, s := range [][2]string{{"a.#.b.*.#", "a.b.c.b.x"}, {"#.#.*", "."}, {"*.a*", "x.a*"}, {"", ""}, {"..", ".#."}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, key string) {
		if strings.Count(pattern, ".") > 12 || strings.Count(key, ".") > 16 {
			t.Skip("the oracle is exponential")
		}
		if got, want := Match(pattern, key), naive(split(pattern), split(key)); got != want {
			t.Fatalf("Match(%q, %q) = %v, oracle says %v", pattern, key, got, want)
		}
	})
}

// Every pattern and key of up to five words over a small alphabet: the fuzzer's ground, covered whole.
func TestMatchAgreesWithTheOracleOnAllShortKeys(t *testing.T) {
	all := func(alphabet []string, n int) [][]string {
		out := [][]string{nil}
		for last := out; n > 0; n-- {
			var longer [][]string
			for _, p := range last {
				for _, w := range alphabet {
					longer = append(longer, append(p[:len(p):len(p)], w))
				}
			}
			out, last = append(out, longer...), longer
		}
		return out
	}
	keys := all([]string{"a", "b"}, 5)
	for _, p := range all([]string{"a", "b", "*", "#"}, 5) {
		pattern := strings.Join(p, ".")
		for _, k := range keys {
			key := strings.Join(k, ".")
			if got, want := Match(pattern, key), naive(p, k); got != want {
				t.Fatalf("Match(%q, %q) = %v, oracle says %v", pattern, key, got, want)
			}
		}
	}
}

func TestMatchOfManyHashesIsNotExponential(t *testing.T) {
	// With backtracking over every #, this would not end within the life of the machine.
	if Match(strings.Repeat("#.a.", 60)+"b", strings.TrimSuffix(strings.Repeat("a.", 2000), ".")) {
		t.Error("matched a key that has no word b")
	}
}

func BenchmarkMatch(b *testing.B) {
	b.ReportAllocs()
	pattern, key := strings.Repeat("*.", 27)+"1.#", strings.Repeat("0.", 27)+"1.celery"
	for b.Loop() {
		if !Match(pattern, key) {
			b.Fatal("no match")
		}
	}
}
