package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// tick is the unit of /proc/PID/stat: USER_HZ is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// treeCPU is the processor time, user and system, that a process and its descendants have used, ended ones included.
func treeCPU(root int) (time.Duration, error) {
	type entry struct {
		parent int
		used   time.Duration
	}
	all := make(map[int]entry)
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // ended meanwhile
		}
		// The second field is a name in parentheses that may hold anything.
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		f := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if len(f) < 15 {
			continue
		}
		var ticks int
		for _, i := range []int{11, 12, 13, 14} { // utime, stime, cutime, cstime
			n, _ := strconv.Atoi(string(f[i]))
			ticks += n
		}
		parent, _ := strconv.Atoi(string(f[1]))
		all[pid] = entry{parent, time.Duration(ticks) * tick}
	}
	if _, ok := all[root]; !ok {
		return 0, fmt.Errorf("process %d is gone", root)
	}
	var sum time.Duration
	for pid, e := range all {
		for up := pid; up > 1; up = all[up].parent {
			if up == root {
				sum += e.used
				break
			}
		}
	}
	return sum, nil
}

// residentBytes is how much memory a process holds now.
func residentBytes(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			n, err := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("process %d tells no VmRSS", pid)
}
