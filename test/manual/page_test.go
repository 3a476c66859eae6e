package manual

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// A page is one Markdown file.
type page struct {
	path    string // from the root of the repository, with slashes
	anchors map[string]bool
	links   []link
}

// A link is one of a page's, to a page or to a picture.
type link struct {
	line    int
	text    string // of a picture: what stands in for it
	target  string
	picture bool
}

// leaveOut are folders whose Markdown is not ours, or is data.
var leaveOut = map[string]bool{".git": true, "testdata": true, "node_modules": true, "bin": true}

// pages reads every Markdown file beneath root.
func pages(root string) (all map[string]*page, err error) {
	all = make(map[string]*page)
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && leaveOut[d.Name()]:
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		all[name] = parse(name, string(text))
		return nil
	})
	return all, err
}

var (
	// An inline link: [text](target "title"); a text may hold pictures, a target no blanks.
	inlineLink = regexp.MustCompile(`(!?)\[((?:[^\[\]]|\[[^\[\]]*\](?:\([^)]*\))?)*)\]\(<?([^\s)>]*)>?(?:\s+"[^"]*")?\)`)
	htmlSource = regexp.MustCompile(`<(img|source|a)\s[^>]*?(?:src|srcset|href)="([^"]*)"[^>]*>`)
	htmlAlt    = regexp.MustCompile(`\salt="([^"]*)"`)
	htmlAnchor = regexp.MustCompile(`<[a-z]+\s[^>]*?(?:id|name)="([^"]*)"`)
	definition = regexp.MustCompile(`^\s{0,3}\[[^\]]+\]:\s+<?(\S+?)>?(?:\s|$)`)
	codeSpan   = regexp.MustCompile("``[^`]+``|`[^`]*`")
	heading    = regexp.MustCompile(`^#{1,6}\s+(.*?)\s*#*$`)
	comment    = regexp.MustCompile(`<!--.*?-->`)
)

// parse finds the headings and links of a page; code is none of them.
func parse(path, text string) *page {
	p := &page{path: path, anchors: make(map[string]bool)}
	times := make(map[string]int)
	fence := ""
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		if fence != "" {
			if strings.HasPrefix(trimmed, fence) && strings.Trim(trimmed, fence[:1]) == "" {
				fence = ""
			}
			continue
		}
		if strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~") {
			fence = trimmed[:3]
			continue
		}
		if m := heading.FindStringSubmatch(line); m != nil {
			name := anchor(m[1])
			if n := times[name]; n > 0 {
				p.anchors[name+"-"+string(rune('0'+n))] = true
			} else {
				p.anchors[name] = true
			}
			times[name]++
		}
		bare := comment.ReplaceAllString(codeSpan.ReplaceAllStringFunc(line, func(s string) string { return strings.Repeat("x", len(s)) }), "")
		for _, m := range htmlAnchor.FindAllStringSubmatch(bare, -1) {
			p.anchors[m[1]] = true
		}
		p.find(i+1, bare)
	}
	return p
}

// find notes the links of a line, those within a link's text as well.
func (p *page) find(line int, text string) {
	for _, m := range inlineLink.FindAllStringSubmatch(text, -1) {
		p.links = append(p.links, link{line, m[2], m[3], m[1] == "!"})
		if m[1] == "" {
			p.find(line, m[2])
		}
	}
	for _, m := range htmlSource.FindAllStringSubmatch(text, -1) {
		alt := "x"
		if m[1] == "img" {
			alt = ""
			if a := htmlAlt.FindStringSubmatch(m[0]); a != nil {
				alt = a[1]
			}
		}
		p.links = append(p.links, link{line, alt, m[2], m[1] != "a"})
	}
	if m := definition.FindStringSubmatch(text); m != nil {
		p.links = append(p.links, link{line, "x", m[1], false})
	}
}

// anchor is what a heading is called in addresses, as repository pages do it: lower case, blanks to hyphens, no signs.
func anchor(title string) string {
	title = inlineLink.ReplaceAllString(title, "$2")
	var b strings.Builder
	for _, r := range strings.ToLower(strings.ReplaceAll(title, "`", "")) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r > 127 && !strings.ContainsRune("–—…“”‘’·→×", r):
			b.WriteRune(r)
		}
	}
	return b.String()
}
