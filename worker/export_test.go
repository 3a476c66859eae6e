package worker

import "github.com/umbel-go/umbel/backend"

// SetResults puts another result store in the place of a worker's, before it has stored anything.
func SetResults(w *Worker, b backend.Backend) { w.results = b }
