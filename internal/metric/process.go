package metric

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// What every process tells of itself, by the names that Prometheus's client libraries use.
var (
	processCPU     = &Family{"process_cpu_seconds_total", KindCounter, nil, "Processor time of this process, in seconds"}
	processMemory  = &Family{"process_resident_memory_bytes", KindGauge, nil, "Resident memory of this process, in bytes"}
	processFiles   = &Family{"process_open_fds", KindGauge, nil, "Open files and connections of this process"}
	processStart   = &Family{"process_start_time_seconds", KindGauge, nil, "When this process began to serve its metrics, in seconds since 1970"}
	goRoutines     = &Family{"go_goroutines", KindGauge, nil, "Goroutines of this process"}
	goHeap         = &Family{"go_memstats_heap_alloc_bytes", KindGauge, nil, "Bytes of the heap that are in use"}
	goCollections  = &Family{"go_gc_cycles_total", KindCounter, nil, "Garbage collections since the start"}
	processOrigins = time.Now()
)

// AddProcess puts figures of this process on the page. Those that only Linux tells in files are left out elsewhere.
func (p *Page) AddProcess() {
	p.Declare(processCPU, processMemory, processFiles)
	if ticks, pages, ok := procStat(); ok {
		p.Add(processCPU, float64(ticks)/100) // USER_HZ is 100 on every Linux that Go runs on
		p.Add(processMemory, float64(pages)*float64(os.Getpagesize()))
	}
	if d, err := os.Open("/proc/self/fd"); err == nil {
		names, err := d.Readdirnames(-1)
		_ = d.Close()
		if err == nil {
			p.Add(processFiles, float64(len(names)))
		}
	}
	p.Add(processStart, float64(processOrigins.UnixMilli())/1000)
	p.Add(goRoutines, float64(runtime.NumGoroutine()))
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	p.Add(goHeap, float64(m.HeapAlloc))
	p.Add(goCollections, float64(m.NumGC))
}

// procStat reads the process's time in ticks and its resident pages.
func procStat() (ticks, pages int64, ok bool) {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0, 0, false
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may hold anything
	f := strings.Fields(rest)
	if len(f) < 22 {
		return 0, 0, false
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(f[i], 10, 64)
		return n
	}
	return number(11) + number(12), number(21), true
}
