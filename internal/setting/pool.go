package setting

import "strings"

// pools are Celery's names for ways to run many tasks at once, and ours. Who writes prefork wants processes, which can be
// killed and replaced; what the others are for goroutines do.
var pools = map[string]string{
	"prefork": "process", "processes": "process", "process": "process",
	"threads": "goroutine", "eventlet": "goroutine", "gevent": "goroutine", "goroutine": "goroutine", "solo": "solo",
}

// pool reads worker_pool.
func (r *reader) pool(n *Node) any {
	name := strings.ToLower(n.Text)
	if !n.scalar() {
		r.want(n, "the name of a pool: goroutine, solo or process")
		return nil
	}
	ours := pools[name]
	switch {
	case ours == "":
		text := "goroutine, solo or process"
		if near := Nearest(name, keys(pools)); near != "" {
			text += ": did you mean " + near + "?"
		}
		r.want(n, text)
		return nil
	case ours != name && ours == "goroutine":
		r.warn(n, "%s is taken for %s: Go runs tasks on goroutines, not in Python's processes or threads", name, ours)
	}
	return ours
}
