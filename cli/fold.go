package cli

import "strings"

// fold breaks a value as Python shows it into lines of so many columns, after commas that stand outside of texts. Lines after
// the first begin with hang. What has no comma stays whole, however long.
func fold(text string, width int, hang string) string {
	var b strings.Builder
	line, column := 0, 0 // where the line begins, and how many columns are before it
	at, end := -1, 0     // the last place to break at, and columns up to there
	quote := rune(0)
	escaped := false
	used := 0
	runes := []rune(text)
	for i, r := range runes {
		used++
		switch {
		case escaped:
			escaped = false
		case quote != 0 && r == '\\':
			escaped = true
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '\'' || r == '"':
			quote = r
		case r == ' ' && i > 0 && runes[i-1] == ',':
			at, end = i, used
		}
		if column+used > width && at > line {
			b.WriteString(string(runes[line:at]) + "\n" + hang)
			used -= end
			line, column, at = at+1, len(hang), -1
		}
	}
	b.WriteString(string(runes[line:]))
	return b.String()
}
