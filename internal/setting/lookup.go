package setting

import (
	"slices"
	"strings"
	"sync"
)

// Table is every setting, in the order of the manual.
func Table() []Setting { return table }

var table = slices.Concat(ownTable, generalTable, brokerTable, resultTable, redisTable, storeTable, taskTable, workerTable,
	beatTable, eventTable)

// index finds a row by its lower-case name, and by every upper-case spelling: Celery's old name, the new name in capitals,
// and that with a CELERY_ prefix.
var index = sync.OnceValue(func() map[string]*Setting {
	m := make(map[string]*Setting, 4*len(table))
	for i := range table {
		s := &table[i]
		m[s.Name] = s
		m[strings.ToUpper(s.Name)] = s
		m["CELERY_"+strings.ToUpper(s.Name)] = s
	}
	for i := range table {
		if s := &table[i]; s.Old != "" {
			m[s.Old] = s
		}
	}
	return m
})

// Lookup finds a setting by any of its spellings.
func Lookup(name string) (*Setting, bool) {
	s, ok := index()[name]
	return s, ok
}

// names are the lower-case names, sorted.
var names = sync.OnceValue(func() []string {
	all := make([]string, 0, len(table))
	for i := range table {
		all = append(all, table[i].Name)
	}
	slices.Sort(all)
	return all
})

// suggest says which setting an unknown name meant, spelt the way the name was.
func suggest(name string) string {
	lower := strings.ToLower(name)
	if n := Nearest(lower, names()); n != "" {
		if name == lower {
			return n
		}
		return strings.ToUpper(n)
	}
	if name == lower {
		return ""
	}
	spellings := make([]string, 0, len(index()))
	for n := range index() {
		spellings = append(spellings, n)
	}
	slices.Sort(spellings)
	return Nearest(name, spellings)
}

func unknown(name string) string {
	text := "unknown setting"
	if n := suggest(name); n != "" {
		text += ": did you mean " + n + "?"
	}
	return text
}
