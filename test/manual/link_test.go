package manual

import (
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// ours is the repository's own address: links to it are links to files.
const ours = "https://github.com/umbel-go/umbel/"

func read(t *testing.T) map[string]*page {
	t.Helper()
	all, err := pages(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d pages were found", len(all))
	}
	return all
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	all := read(t)
	links := 0
	for _, p := range all {
		for _, l := range p.links {
			links++
			if why := follow(all, p, l.target); why != "" {
				t.Errorf("%s:%d: [%s](%s) %s", p.path, l.line, l.text, l.target, why)
			}
		}
	}
	if links < 100 {
		t.Errorf("only %d links were found", links)
	}
}

// follow says why a target leads nowhere. Other sites are not asked.
func follow(all map[string]*page, p *page, target string) string {
	for _, kind := range []string{"blob/main/", "tree/main/", "raw/main/"} {
		if rest, ok := strings.CutPrefix(target, ours+kind); ok {
			return follow(all, &page{path: "README.md", anchors: all["README.md"].anchors}, rest)
		}
	}
	u, err := url.Parse(target)
	switch {
	case err != nil:
		return err.Error()
	case u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "mailto":
		return ""
	case u.Scheme != "" || strings.HasPrefix(target, "/"):
		return "is no relative path"
	case target == "":
		return "is empty"
	}
	there := p
	if u.Path != "" {
		name := path.Join(path.Dir(p.path), u.Path)
		if strings.HasPrefix(name, "..") {
			return "leads out of the repository"
		}
		if !exists(name) {
			return "does not exist"
		}
		there = all[name]
	}
	if u.Fragment == "" || there == nil && strings.HasPrefix(u.Fragment, "L") {
		return ""
	}
	if there == nil || !there.anchors[u.Fragment] {
		return "has no such heading"
	}
	return ""
}

// exists asks for a name exactly as it is written: some systems do not mind capitals, repository pages do.
func exists(name string) bool {
	entries, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(path.Dir(name))))
	if name == "." || err != nil {
		return name == "."
	}
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == path.Base(name) })
}

func TestPicturesHaveWordsForThoseWhoCannotSeeThem(t *testing.T) {
	t.Parallel()
	pictures := 0
	for _, p := range read(t) {
		for _, l := range p.links {
			if l.picture {
				pictures++
				if len(strings.TrimSpace(l.text)) < 3 {
					t.Errorf("%s:%d: picture %s has no alt text", p.path, l.line, l.target)
				}
			}
		}
	}
	if pictures == 0 {
		t.Error("no picture was found")
	}
}

// Pictures stand on light and dark pages: an SVG brings its own ground, or follows the reader's colours; none loads anything.
func TestDrawingsAreReadableOnLightAndDark(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(root + "/docs/images/*.svg")
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := string(text)
		d := xml.NewDecoder(strings.NewReader(s))
		for err == nil {
			_, err = d.Token()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", file, err)
		}
		if !strings.Contains(s, "<rect") && !strings.Contains(s, "prefers-color-scheme:dark") {
			t.Errorf("%s: neither a ground of its own nor colours for the dark", file)
		}
		if strings.Contains(s, "<script") || strings.Contains(s, "href=\"http") {
			t.Errorf("%s loads something", file)
		}
		if !strings.Contains(s, "<title") {
			t.Errorf("%s has no title", file)
		}
	}
}

// A page that nothing leads to is not read.
func TestTheTableOfContentsHasEveryPage(t *testing.T) {
	t.Parallel()
	all := read(t)
	listed := make(map[string]bool)
	for _, l := range all["docs/README.md"].links {
		target, _, _ := strings.Cut(l.target, "#")
		listed[path.Join("docs", target)] = true
	}
	for name := range all {
		if strings.HasPrefix(name, "docs/") && name != "docs/README.md" && !listed[name] {
			t.Errorf("docs/README.md does not list %s", name)
		}
	}
	pictured := make(map[string]bool)
	for _, p := range all {
		for _, l := range p.links {
			pictured[path.Join(path.Dir(p.path), l.target)] = true
		}
	}
	images, err := os.ReadDir(root + "/docs/images")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range images {
		if name := "docs/images/" + e.Name(); !pictured[name] && !strings.HasPrefix(e.Name(), "monitor-") && !strings.HasPrefix(e.Name(), "shop-") { // of those the folder is a gallery
			t.Errorf("%s is on no page", name)
		}
	}
}

func TestAnchorsAreThoseOfRepositoryPages(t *testing.T) {
	t.Parallel()
	for title, want := range map[string]string{
		"What a user writes": "what-a-user-writes", "`umbel scale`": "umbel-scale", "A. Overview": "a-overview", "Queues, and more": "queues-and-more",
		"[A link](x.md) here": "a-link-here", "With `metrics_names: flower`": "with-metrics_names-flower", "Übung": "übung", "x – y": "x--y",
	} {
		if got := anchor(title); got != want {
			t.Errorf("%q: %q, want %q", title, got, want)
		}
	}
	p := parse("x.md", "# A\n# A\n```\n[no](nowhere.md)\n```\n`[no](nowhere.md)` [![alt](a.png)](b.md) <img src=\"c.png\">\n[r]: d.md\n")
	var targets []string
	for _, l := range p.links {
		targets = append(targets, l.target)
	}
	slices.Sort(targets)
	if !slices.Equal(targets, []string{"a.png", "b.md", "c.png", "d.md"}) || !p.anchors["a"] || !p.anchors["a-1"] {
		t.Errorf("%v %v", targets, p.anchors)
	}
}
