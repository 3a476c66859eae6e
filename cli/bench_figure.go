package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// figures are what a benchmark found, and under which conditions. The help of bench defines each.
type figures struct {
	Sent   float64 `json:"sent_per_second"`
	Run    float64 `json:"run_per_second"`
	CPU    float64 `json:"cpu_us_per_task"`
	P50    float64 `json:"latency_p50_ms"`
	P99    float64 `json:"latency_p99_ms"`
	MaxRSS float64 `json:"max_rss_mb"`

	Broker      string `json:"broker"`
	Store       string `json:"result_backend"`
	Tasks       int    `json:"tasks"`
	Concurrency int    `json:"concurrency"`
	Prefetch    int    `json:"prefetch"`
	Payload     int    `json:"payload_bytes"`
	Senders     int    `json:"senders"`
	Batch       int    `json:"batch"`
}

func (f figures) writeJSON(w io.Writer) error {
	for _, v := range []*float64{&f.Sent, &f.Run, &f.CPU, &f.P50, &f.P99, &f.MaxRSS} {
		*v = math.Round(*v*1000) / 1000
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(f)
}

func (f figures) writeText(w io.Writer, ink paint) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", ink.faint(fmt.Sprintf("%s tasks of %d bytes on %s, results %s", thousands(float64(f.Tasks)), f.Payload, f.Broker, f.Store)))
	fmt.Fprintf(&b, "%s\n\n", ink.faint(fmt.Sprintf("concurrency %d, prefetch %d, %d senders, batch %d", f.Concurrency, f.Prefetch, f.Senders, f.Batch)))
	line := func(what, value, unit string) {
		fmt.Fprintf(&b, "  %-10s %s %s\n", what, ink.bold(fmt.Sprintf("%10s", value)), unit)
	}
	line("sent", thousands(f.Sent), "tasks/s")
	line("run", thousands(f.Run), "tasks/s")
	line("CPU", fmt.Sprintf("%.1f", f.CPU), "µs/task")
	line("latency", fmt.Sprintf("%.2f", f.P50), "ms at p50")
	line("", fmt.Sprintf("%.2f", f.P99), "ms at p99")
	line("memory", fmt.Sprintf("%.1f", f.MaxRSS), "MiB at most")
	_, err := io.WriteString(w, b.String())
	return err
}

// thousands writes a number in groups of three.
func thousands(v float64) string {
	s := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}
