package redis

import (
	"fmt"
	"strconv"
	"strings"
)

// An info is what INFO tells, by its names.
type info map[string]string

func readInfo(text string) info {
	i := make(info)
	for line := range strings.Lines(text) {
		if name, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			i[name] = v
		}
	}
	return i
}

// number is 0 for what is none, or is not told.
func (i info) number(name string) int64 {
	n, err := strconv.ParseInt(i[name], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// away counts the replicas that are not in step: slave0:ip=10.0.0.4,port=6379,state=online,offset=14,lag=1.
func (i info) away() int {
	n := 0
	for k := range i.number("connected_slaves") {
		if s := i[fmt.Sprintf("slave%d", k)]; s != "" && !strings.Contains(s, "state=online") {
			n++
		}
	}
	return n
}
