package protocol

// CustomHeaders are the headers that are the sender's own: neither Celery's nor the broker's. nil if there are none.
// Celery: request.headers.
func (t *Task) CustomHeaders() Table {
	var out Table
	for name, v := range t.Headers {
		if known[name] || ofDelivery(name) {
			continue
		}
		if out == nil {
			out = make(Table)
		}
		out[name] = v
	}
	return out
}
