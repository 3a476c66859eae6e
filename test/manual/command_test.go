package manual

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// commands are those of docs/cli.md, each with its options and whether they take a value; "" are those of every command.
func commands(t *testing.T) map[string]map[string]bool {
	t.Helper()
	text, err := os.ReadFile(root + "/docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]bool{"": {"--help": false, "-h": false}}
	at := ""
	option := regexp.MustCompile("`(--?[A-Za-z][-_A-Za-z0-9]*)")
	also := regexp.MustCompile("^Also called `umbel (.+)`")
	for line := range strings.Lines(string(text)) {
		if h := regexp.MustCompile("^#+ umbel (.+)\n").FindStringSubmatch(line); h != nil {
			at = h[1]
			all[at] = make(map[string]bool)
		}
		if a := also.FindStringSubmatch(line); a != nil {
			all[a[1]] = all[at] // the same map: options that follow are of both
		}
		first, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		if ok && strings.HasPrefix(first, "`-") {
			for _, m := range option.FindAllStringSubmatch(first, -1) {
				all[at][m[1]] = regexp.MustCompile("`--[^`]+ [^`]+`").MatchString(first)
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
			line = strings.TrimSpace(line)
			own := programs.MatchString(line) // which has commands of its own
			line = programs.ReplaceAllString(line, "umbel ")
			for _, part := range split(line) {
				if m := starts.FindStringSubmatch(part); m != nil && m[1] != "umbel" {
					checked++
					if why := takes(known, m[1]); why != "" && !(own && strings.HasPrefix(why, noCommand)) {
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

const noCommand = "there is no command "

// takes says why a command line is none.
func takes(known map[string]map[string]bool, line string) string {
	words := word.FindAllString(line, -1)[1:]
	var path []string
	everywhere := known[""]
	here := everywhere
	for i := 0; i < len(words); i++ {
		w := words[i]
		name, _, given := strings.Cut(w, "=")
		switch {
		case strings.HasPrefix(w, "-") && len(w) > 1 && !regexp.MustCompile(`^-\d`).MatchString(w):
			value, ok := here[name]
			if !ok {
				value, ok = everywhere[name]
			}
			if short := name[:2]; !ok && name[1] != '-' { // -ldebug
				if _, ok = here[short]; !ok {
					_, ok = everywhere[short]
				}
			}
			if !ok {
				return "there is no option " + name + " of " + strings.Join(path, " ")
			}
			if value && !given {
				i++
			}
		case known[strings.Join(append(path[:len(path):len(path)], w), " ")] != nil:
			path = append(path, w)
			here = known[strings.Join(path, " ")]
		case len(path) == 0 && w != "COMMAND" && w != "…" && w != "help":
			return noCommand + w
		}
	}
	return ""
}
