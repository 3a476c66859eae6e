package python

// Timedelta is a call of datetime.timedelta in seconds; ok is false when an argument is not known.
func (n *Node) Timedelta() (seconds float64, ok bool) {
	units := []struct {
		name    string
		seconds float64
	}{{"days", 86400}, {"seconds", 1}, {"microseconds", 1e-6}, {"milliseconds", 1e-3}, {"minutes", 60}, {"hours", 3600}, {"weeks", 604800}}
	for i, u := range units {
		v := n.Get(u.name)
		if v == nil && i < len(n.Items) {
			v = n.Items[i]
		}
		if v == nil {
			continue
		}
		x, known := v.Number()
		if !known {
			return 0, false
		}
		seconds += x * u.seconds
	}
	return seconds, true
}
