package worker

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"

	"github.com/umbel-go/umbel/control"
)

// samples are what memsample has found since the last memdump. Celery: celery.utils.debug.
type samples struct {
	mu   sync.Mutex // guards list
	list []string
}

// samplesMost bounds the samples that are kept; the oldest go first.
const samplesMost = 1000

func (s *samples) add(memory string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, memory)
	s.list = s.list[max(0, len(s.list)-samplesMost):]
}

// take empties the samples, and returns at most n of them, spread evenly.
func (s *samples) take(n int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.list
	s.list = nil
	if len(all) <= n {
		return all
	}
	out := make([]string, n)
	for i := range out {
		out[i] = all[i*(len(all)/n)]
	}
	return out
}

// memsample is the resident memory, null where the system does not tell.
func (p *panel) memsample(context.Context, arguments) (any, error) {
	m := residentMemory()
	if m == "" {
		return nil, nil
	}
	p.samples.add(m)
	return m, nil
}

// memdump tells what memsample has found since it was asked last, and the memory after a collection of garbage.
func (p *panel) memdump(_ context.Context, a arguments) (any, error) {
	n, err := a.number("samples", 10)
	if err != nil {
		return nil, err
	}
	if n < 1 {
		return nil, control.Failf("ValueError", "samples is %d: want 1 or more", n)
	}
	found := p.samples.take(n)
	runtime.GC()
	m := residentMemory()
	if m == "" {
		return "- rss: unknown on this system\n", nil
	}
	var b strings.Builder
	if len(found) > 0 {
		b.WriteString("- rss (sample):\n")
	}
	for _, s := range found {
		fmt.Fprintf(&b, "-    > %s,\n", s)
	}
	fmt.Fprintf(&b, "- rss (end): %s.\n", m)
	return b.String(), nil
}

// residentMemory is the memory of this process that is in RAM, "" where the system does not say so.
func residentMemory() string {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return ""
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(data), &size, &resident); err != nil {
		return ""
	}
	return fmt.Sprintf("%.3fMB", float64(resident*int64(os.Getpagesize()))/(1<<20))
}
