package manual

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// commands are those of docs/cli.md, each with its options; "" are those of every command.
func commands(t *testing.T) map[string]map[string]bool {
	t.Helper()
	text, err := os.ReadFile(root + "/docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]bool{"": {"--help": true, "-h": true}}
	at := ""
	option := regexp.MustCompile("`(--?[A-Za-z][-_A-Za-z0-9]*)")
	for line := range strings.Lines(string(text)) {
		if h := regexp.MustCompile("^#+ umbel (.+)\n").FindStringSubmatch(line); h != nil {
			at = h[1]
			all[at] = make(map[string]bool)
		}
		first, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		if ok && strings.HasPrefix(first, "`-") {
			for _, m := range option.FindAllStringSubmatch(first, -1) {
				all[at][m[1]] = true
			}
		}
	}
	if len(all) < 30 {
		t.Fatalf("docs/cli.md has only %d commands", len(all))
	}
	return all
}

var (
	fenced   = regexp.MustCompile("(?ms)^```sh\n(.*?)^```")
	inText   = regexp.MustCompile("`(umbel [a-z][^`]*)`")
	word     = regexp.MustCompile(`'[^']*'|"[^"]*"|[^\s]+`)
	assigned = regexp.MustCompile(`^[a-z_]+=`)
	starts   = regexp.MustCompile(`(?:^|[|;&(] *|\$\()(umbel(?: .*)?)$`)
	programs = regexp.MustCompile(`^(shop|go run \.) `)
)

// Every command line of the manual is one that the program takes: the command exists, and so do its options.
func TestCommandLinesOfTheManualAreTaken(t *testing.T) {
	t.Parallel()
	known := commands(t)
	checked := 0
	for _, p := range read(t) {
		if strings.HasPrefix(p.path, "docs/adr/") || p.path == "CHANGELOG.md" || p.path == "docs/cli.md" {
			continue
		}
		text, err := os.ReadFile(root + "/" + p.path)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, block := range fenced.FindAllStringSubmatch(string(text), -1) {
			lines = append(lines, strings.Split(strings.ReplaceAll(block[1], "\\\n", " "), "\n")...)
		}
		for _, m := range inText.FindAllStringSubmatch(string(text), -1) {
			lines = append(lines, m[1])
		}
		for _, line := range lines {
			line = programs.ReplaceAllString(strings.TrimSpace(line), "umbel ")
			for _, part := range split(line) {
				if m := starts.FindStringSubmatch(part); m != nil && m[1] != "umbel" {
					checked++
					if why := takes(known, m[1]); why != "" {
						t.Errorf("%s: %s: %s", p.path, line, why)
					}
				}
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d command lines were found", checked)
	}
}

// split takes a comment away and cuts at pipes, outside of quotes.
func split(line string) (parts []string) {
	quote, begin := byte(0), 0
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '#' && i > 0 && line[i-1] == ' ':
			return append(parts, strings.TrimSpace(line[begin:i]))
		case c == '|' || c == ';' || c == '&' || c == '>' || c == '<':
			parts = append(parts, strings.TrimSpace(line[begin:i]))
			begin = i + 1
		}
	}
	return append(parts, strings.TrimSpace(line[begin:]))
}

// takes says why a command line is none.
func takes(known map[string]map[string]bool, line string) string {
	words := word.FindAllString(line, -1)[1:]
	var path []string
	options := known[""]
	here := options
	for i, w := range words {
		name, _, _ := strings.Cut(w, "=")
		switch {
		case strings.HasPrefix(w, "-") && len(w) > 1 && !regexp.MustCompile(`^-\d`).MatchString(w):
			if !here[name] && !options[name] && !(len(name) > 2 && name[1] != '-' && (here[name[:2]] || options[name[:2]])) && name != "--version" {
				return "there is no option " + name + " of " + strings.Join(path, " ")
			}
		case known[strings.Join(append(path[:len(path):len(path)], w), " ")] != nil && strings.ToLower(w) == w:
			path = append(path, w)
			here = known[strings.Join(path, " ")]
		case len(path) == 0 && i > 0 && strings.HasPrefix(words[i-1], "-"): // the value of an option before the command
		case len(path) == 0 && !assigned.MatchString(w) && w != "COMMAND" && w != "…" && w != "help" && w != "WORD":
			return "there is no command " + w
		}
	}
	return ""
}
