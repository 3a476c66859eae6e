package doctor

import (
	"fmt"
	"time"

	"github.com/umbel-go/umbel/internal/resultstore"
)

// Results is what settings ask of their result store, beside what it says of itself.
type Results struct {
	Store   *resultstore.Store
	Failed  error         // why nothing was learnt of it; Store has its URL then, and no more
	Expires time.Duration // result_expires; negative: never
	Now     time.Time     // for what ends at some time
}

// Place is where its findings are.
func (r Results) Place() Place { return Place{File: "store:" + r.Store.URL} }

// ExamineStore says what is wrong or dangerous with a live result store, the worst first.
func ExamineStore(r Results) []Finding {
	var out []Finding
	report := func(rule string, s Severity, v Verdict, what, why, instead string) {
		out = append(out, Finding{Rule: rule, Severity: s, Verdict: v, Place: r.Place(), What: what, Why: why, Instead: instead})
	}
	switch {
	case r.Failed != nil:
		report("store-refused", Critical, Wrong, fmt.Sprintf("it cannot be looked into: %v", r.Failed),
			"a worker that fails here like this does not start, and a sender waits for results in vain.",
			"mend what is named; from a machine that may not reach it, run the doctor where the workers are")
	case r.Store.Redis != nil:
		redisStore{r, r.Store.Redis}.examine(report)
	case r.Store.Postgres != nil:
		postgresStore{r, r.Store.Postgres}.examine(report)
	case r.Store.SQLite != nil:
		sqliteStore{r, r.Store.SQLite}.examine(report)
	}
	byWeight(out)
	return out
}

// Shares of a limit from which on it is near, in percent.
const (
	nearMemory  = 80
	nearClients = 80
)

// percent is how much of a limit is used, 0 where there is none.
func percent(used, most int64) int64 {
	if most <= 0 {
		return 0
	}
	return used * 100 / most
}

// line judges how a server is reached. Nothing travels where it does not leave the machine.
func line(l resultstore.Line, now time.Time, report reporting, instead string) {
	if l.TLS != "" && !l.Ends.IsZero() && l.Ends.Sub(now) < endsSoon {
		report("store-exposed", Medium, Dangerous, "its certificate ends on "+l.Ends.Format(time.DateOnly), "from then on nobody connects who verifies it.", "a new certificate; workers read a new authority when they connect anew")
	}
	if l.Local {
		return
	}
	switch {
	case l.TLS == "":
		report("store-exposed", High, Dangerous, "it is reached without TLS", "results and the password travel in clear.", instead)
	case l.Unverified != "":
		what := "its certificate"
		if l.Unverified != "certificate" {
			what = "the " + l.Unverified + " in its certificate"
		}
		report("store-exposed", High, Dangerous, what+" is not verified",
			"whoever gets between reads and forges results.", "the authority's certificate in the settings, and verification as it is by default")
	}
}

// endsSoon is how long before its end a certificate is worth a word.
const endsSoon = 30 * 24 * time.Hour

// clockOff is how far clocks may be apart before something goes wrong.
const clockOff = 2 * time.Second

// clock judges the difference between a server's clock and ours. why says what depends on it.
func clock(l resultstore.Line, report reporting, why string) {
	off, side := l.Skew, "ahead of"
	if off < 0 {
		off, side = -off, "behind"
	}
	if off-l.Uncertain > clockOff {
		report("store-clock", Medium, Dangerous, fmt.Sprintf("its clock is %v %s that of this machine", off.Round(100*time.Millisecond), side), why,
			"NTP or chrony on both; see which of them is wrong")
	}
}
