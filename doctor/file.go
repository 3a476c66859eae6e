package doctor

import (
	"path/filepath"
	"strings"
)

// A reader takes in the text of a file, or of a block in a page that begins after so many lines of it. It tells whether
// there was anything for a doctor in it.
type reader func(s *system, file string, after int, text string) bool

// kindOf tells by its name how a file is read; nil if nobody can.
func kindOf(path string) reader {
	base := strings.ToLower(filepath.Base(path))
	if base == ".env" || strings.HasPrefix(base, ".env.") || strings.HasSuffix(base, ".env") {
		return readEnv
	}
	return kinds[strings.TrimPrefix(filepath.Ext(base), ".")]
}

// kinds are how files are read by their extensions, and blocks of a page by the words after their fences.
var kinds map[string]reader

func init() { // readPage reads kinds
	kinds = map[string]reader{
		"py": readPython, "python": readPython, "sh": readShell, "bash": readShell, "shell": readShell, "console": readShell,
		"env": readEnv, "dotenv": readEnv, "json": readJSON, "tf": readTerraform, "hcl": readTerraform, "terraform": readTerraform,
		"yaml": readSettings, "yml": readSettings, "toml": readSettings, "md": readPage,
	}
}

// readPage reads the fenced blocks of a Markdown page.
func readPage(s *system, file string, after int, text string) bool {
	lines := strings.Split(text, "\n")
	any := false
	for i := 0; i < len(lines); i++ {
		fence, language, ok := openFence(lines[i])
		if !ok {
			continue
		}
		from := i + 1
		for i++; i < len(lines) && !strings.HasPrefix(strings.TrimSpace(lines[i]), fence); i++ {
		}
		if read := kinds[language]; read != nil && language != "md" {
			any = read(s, file, after+from, strings.Join(lines[from:min(i, len(lines))], "\n")) || any
		}
	}
	return any
}

// openFence tells whether a line opens a block, and in which language.
func openFence(line string) (fence, language string, ok bool) {
	line = strings.TrimSpace(line)
	for _, mark := range []string{"```", "~~~"} {
		if rest, found := strings.CutPrefix(line, mark); found {
			word, _, _ := strings.Cut(strings.TrimSpace(strings.TrimLeft(rest, mark[:1])), " ")
			return mark, strings.ToLower(word), true
		}
	}
	return "", "", false
}
