package umbel_test

import (
	"fmt"

	"github.com/umbel-go/umbel"
)

// What beat sends, and when. Entries may stand in the settings, in a file, or be added while beat runs.
func ExampleScheduleEntry() {
	nightly := umbel.ScheduleEntry{Name: "nightly-report", Task: "apps.reports.tasks.nightly", Schedule: "0 4 * * mon-fri",
		Kwargs: map[string]any{"format": "pdf"}, Options: map[string]any{"queue": "reports", "expires": 3600}, Timezone: "Europe/Berlin"}
	fmt.Println(nightly.Check())

	nightly.Schedule = "0 25 * * *"
	fmt.Println(nightly.Check() != nil)
	// Output:
	// <nil>
	// true
}
