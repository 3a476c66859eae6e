package metric

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kinds of families, in Prometheus's words.
const (
	KindCounter   = "counter"
	KindGauge     = "gauge"
	KindHistogram = "histogram"
)

// A Family is what a metric is called and means.
type Family struct {
	Name, Kind string
	Labels     []string // of every sample, in this order
	Help       string   // one sentence without a full stop
}

// ContentType is that of a written Page.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// A Page is what is shown at one moment.
type Page struct {
	families []*shown
	byName   map[string]*shown
}

type shown struct {
	*Family
	samples []sample
	seen    map[string]bool // label values, so that none comes twice
}

type sample struct {
	key   string
	lines []string
}

// NewPage makes an empty one.
func NewPage() *Page { return &Page{byName: make(map[string]*shown)} }

// Declare puts families on the page that may have no samples yet, so that readers learn of them.
func (p *Page) Declare(families ...*Family) {
	for _, f := range families {
		p.family(f)
	}
}

// Families are those on the page, in their order.
func (p *Page) Families() []*Family {
	out := make([]*Family, len(p.families))
	for i, s := range p.families {
		out[i] = s.Family
	}
	return out
}

func (p *Page) family(f *Family) *shown {
	if s := p.byName[f.Name]; s != nil {
		return s
	}
	s := &shown{Family: f, seen: make(map[string]bool)}
	p.families, p.byName[f.Name] = append(p.families, s), s
	return s
}

// Add puts one sample on the page. values are those of the family's labels. A second sample with the same ones is left out.
func (p *Page) Add(f *Family, value float64, values ...string) {
	s := p.family(f)
	if key, ok := s.take(values); ok {
		s.samples = append(s.samples, sample{key, []string{f.Name + labels(f.Labels, values) + " " + number(value)}})
	}
}

// AddHistogram puts a histogram's samples on the page.
func (p *Page) AddHistogram(f *Family, h *Histogram, values ...string) {
	s := p.family(f)
	key, ok := s.take(values)
	if !ok {
		return
	}
	lines := make([]string, 0, len(h.counts)+2)
	names, with := append(slices.Clone(f.Labels), "le"), append(slices.Clone(values), "")
	total := int64(0)
	for i := range h.counts {
		total += h.counts[i].Load()
		with[len(with)-1] = "+Inf"
		if i < len(h.bounds) {
			with[len(with)-1] = seconds(h.bounds[i])
		}
		lines = append(lines, f.Name+"_bucket"+labels(names, with)+" "+strconv.FormatInt(total, 10))
	}
	own := labels(f.Labels, values)
	lines = append(lines, f.Name+"_sum"+own+" "+seconds(h.Sum()), f.Name+"_count"+own+" "+strconv.FormatInt(total, 10))
	s.samples = append(s.samples, sample{key, lines})
}

func (s *shown) take(values []string) (key string, ok bool) {
	if len(values) != len(s.Labels) {
		panic("metric: " + s.Name + " has other labels")
	}
	key = strings.Join(values, "\x00")
	if s.seen[key] {
		return "", false
	}
	s.seen[key] = true
	return key, true
}

// WriteTo writes the page in Prometheus's text format.
func (p *Page) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	for _, s := range p.families {
		b.WriteString("# HELP " + s.Name + " " + escapeHelp.Replace(s.Help) + "\n# TYPE " + s.Name + " " + s.Kind + "\n")
		slices.SortFunc(s.samples, func(a, b sample) int { return strings.Compare(a.key, b.key) })
		for _, one := range s.samples {
			for _, line := range one.lines {
				b.WriteString(line)
				b.WriteByte('\n')
			}
		}
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

var (
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeValue = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// valueMost is the longest value of a label: names that come from outside may be anything.
const valueMost = 256

func labels(names, values []string) string {
	if len(names) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(name + `="` + escapeValue.Replace(tame(values[i])) + `"`)
	}
	return b.String() + "}"
}

func tame(v string) string {
	if len(v) > valueMost {
		v = v[:valueMost]
	}
	return strings.ToValidUTF8(v, "�")
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func seconds(d time.Duration) string { return number(d.Seconds()) }

// Truth is 1 for true and 0 for false.
func Truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
