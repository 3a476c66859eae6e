package setting

import "strings"

// pools are Celery's names for ways to run many tasks at once. Here goroutines do what all of them are for.
var pools = map[string]string{
	"prefork": "goroutine", "processes": "goroutine", "threads": "goroutine", "eventlet": "goroutine", "gevent": "goroutine",
	"goroutine": "goroutine", "solo": "solo",
}

// pool reads worker_pool.
func (r *reader) pool(n *Node) any {
	name := strings.ToLower(n.Text)
	if !n.scalar() {
		r.want(n, "the name of a pool: goroutine or solo")
		return nil
	}
	ours := pools[name]
	switch {
	case name == "process":
		r.fail(n, "the pool of processes is not built yet: use goroutine, or solo and several workers")
		return nil
	case ours == "":
		text := "goroutine or solo"
		if near := Nearest(name, keys(pools)); near != "" {
			text += ": did you mean " + near + "?"
		}
		r.want(n, text)
		return nil
	case ours != name:
		r.warn(n, "%s is taken for %s: Go runs tasks on goroutines, not in Python's processes or threads", name, ours)
	}
	return ours
}
