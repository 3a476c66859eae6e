package protocol

// Trim drops the headers that the task's fields say as well, which are most of a task's memory, from a task that will be
// kept for long. A next attempt encoded from it carries the same headers as before. The table itself is not changed.
func (t *Task) Trim() {
	var own Table
	for name, v := range t.Headers {
		if known[name] {
			continue
		}
		if own == nil {
			own = make(Table)
		}
		own[name] = v
	}
	t.Headers = own
}
