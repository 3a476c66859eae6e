package tasks

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/umbel-go/umbel"
)

// BuildInput are the arguments of reports.build.
type BuildInput struct {
	ReportID uuid.UUID          `json:"report_id"`
	Since    *time.Time         `json:"since,omitempty"`   // Python's default: None
	Until    *umbel.Date        `json:"until,omitempty"`   // Python's default: None
	Formats  []string           `json:"formats,omitempty"` // Python's default: ('csv',)
	Limit    *int64             `json:"limit,omitempty"`   // Python's default: 1000
	Price    *umbel.Decimal     `json:"price,omitempty"`   // Python's default: Decimal('0.10')
	Mode     *string            `json:"mode,omitempty"`    // Python's default: 'full'
	Filters  map[string]any     `json:"filters,omitempty"` // Python's default: None
	Weights  map[string]float64 `json:"weights,omitempty"` // Python's default: {}
	DryRun   *bool              `json:"dry_run,omitempty"` // Python's default: False
}

// Build comes from Python: testdata/single/python/reports/tasks.py:21. Its queue is celery.
//
// TODO: option base=Audited of its decorator: no option of Go says it: write it by hand, or leave it.
var Build = umbel.Register(App, "reports.build", build,
	umbel.Summary("Build a report and store it."),
	umbel.TimeLimit(10*time.Minute),
	umbel.SoftTimeLimit(9*time.Minute),
	umbel.RateLimit("10/m"),
)

func build(ctx context.Context, in BuildInput) (map[string]int64, error) {
	var out map[string]int64
	return out, NotWritten("reports.build")
}

// ImportRowsInput are the arguments of reports.import_rows.
type ImportRowsInput struct {
	Rows   []any `json:"rows"`
	User   any   `json:"user"`
	Strict *bool `json:"strict,omitempty"` // Python's default: True
}

// ImportRows comes from Python: testdata/single/python/reports/tasks.py:53. Its queue is celery.
//
// TODO: argument rows is a 'list[Row]': type the field: it is any.
//
// TODO: argument user is a 'auth.User': type the field: it is any.
//
// TODO: option serializer='pickle' of its decorator: no option of Go says it: write it by hand, or leave it.
var ImportRows = umbel.Register(App, "reports.import_rows", importRows)

func importRows(ctx context.Context, in ImportRowsInput) (any, error) {
	var out any
	return out, NotWritten("reports.import_rows")
}

// Send comes from Python: testdata/single/python/reports/tasks.py:42. Its queue is reports.
//
// TODO: it takes report_id, *recipients, **options: say in Go which arguments there are: it takes umbel.Args, where a last umbel.Kwargs has the keywords.
//
// TODO: it is bound (bind=True): self is the task: self.request is umbel.RequestFrom(ctx), self.retry is return umbel.RetryIn(…), self.update_state is Request.Progress.
//
// TODO: it is retried for (ConnectionError, TimeoutError) only: give umbel.Retry the errors of Go: On: []error{…}; until then every error but a Permanent one is retried.
var Send = umbel.Register(App, "reports.tasks.send", send,
	umbel.Summary("Send a report to some people."),
	umbel.AcksLate(),
	umbel.RejectOnWorkerLost(),
	umbel.Retry{Max: 5, Delay: 30 * time.Second},
)

func send(ctx context.Context, in umbel.Args) (any, error) {
	var out any
	return out, NotWritten("reports.tasks.send")
}

// Nightly comes from Python: testdata/single/python/reports/tasks.py:47. Its queue is widgets.
var Nightly = umbel.Register(App, "reports.tasks.nightly", nightly,
	umbel.IgnoreResult(),
	umbel.ExpiresIn(time.Hour),
	umbel.Priority(3),
	umbel.Queue("widgets"),
)

func nightly(ctx context.Context, _ struct{}) (any, error) {
	var out any
	return out, NotWritten("reports.tasks.nightly")
}
