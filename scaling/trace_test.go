package scaling

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestATraceSaysWhatIsWrongAndWhere(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                          "no minute",
		"# only a comment\n":        "no minute",
		"0,0\n0,0\n":                "0 tasks: want 1",
		"3\n":                       `line 1: "3": want tasks,seconds`,
		"3,1,1,1\n":                 "line 1: ",
		"# begin: noon\n3,1\n":      `line 1: begin "noon"`,
		"3,1\n\n# x\n-1,2\n":        "line 4: -1 tasks",
		"3,0\n":                     "line 1: 3 tasks of 0 s",
		"3,NaN\n":                   "line 1: 3 tasks of NaN s",
		"3,1e9\n":                   "thirty days",
		"3,1,9\n":                   "a spread of 9",
		"x,1\n3,y\n":                "line 2: ",
		"20000001,1\n":              "20000001 tasks in a minute",
		"20000000,1\n1,1\n":         "20000001 tasks: want",
		"three,1\nfour,1\nfive,1\n": "line 3: ",
	} {
		if _, err := ReadTrace(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

func TestATraceIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		trace := &Trace{Queue: rapid.SampledFrom([]string{"", "orders", "a,b"}).Draw(t, "queue")}
		if rapid.Bool().Draw(t, "begun") {
			trace.Begin = time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "begin"), 0).UTC()
		}
		trace.Minutes = append(trace.Minutes, Minute{Tasks: 1, Seconds: 0.5})
		for range rapid.IntRange(0, 20).Draw(t, "minutes") {
			m := Minute{Tasks: rapid.IntRange(0, 1000).Draw(t, "tasks")}
			if m.Tasks > 0 {
				m.Seconds = rapid.Float64Range(0.0001, 1e6).Draw(t, "seconds")
				m.Spread = rapid.Float64Range(0, traceSpread).Draw(t, "spread")
			}
			trace.Minutes = append(trace.Minutes, m)
		}
		var text strings.Builder
		if err := trace.Write(&text); err != nil {
			t.Fatal(err)
		}
		got, err := ReadTrace(strings.NewReader(text.String()))
		if err != nil {
			t.Fatalf("%v in\n%s", err, text.String())
		}
		near := cmp.Comparer(func(x, y float64) bool { return math.Abs(x-y) <= 1e-6+1e-3*math.Max(math.Abs(x), math.Abs(y)) })
		for i := range got.Minutes {
			if got.Minutes[i].Tasks == 0 {
				got.Minutes[i].Spread = 0
			}
		}
		if diff := cmp.Diff(trace, got, near); diff != "" {
			t.Fatalf("%s in\n%s", diff, text.String())
		}
	})
}

// The tasks of a trace are as many, come when and take as long as it says.
func TestTasksOfATraceAreLikeIt(t *testing.T) {
	t.Parallel()
	trace := &Trace{Minutes: []Minute{{Tasks: 20_000, Seconds: 2, Spread: 0.8}, {}, {Tasks: 20_000, Seconds: 0.1}}}
	var n [3]int
	var sum [3]float64
	last := 0.
	next := trace.tasks()
	for task, ok := next(); ok; task, ok = next() {
		if task.at < last {
			t.Fatalf("a task at %v after one at %v", task.at, last)
		}
		last = task.at
		i := int(task.at / 60)
		n[i]++
		sum[i] += task.takes
	}
	if n != [3]int{20_000, 0, 20_000} {
		t.Errorf("%v tasks", n)
	}
	if mean := sum[0] / 20_000; mean < 1.95 || mean > 2.05 {
		t.Errorf("a mean of %v s", mean)
	}
	if mean := sum[2] / 20_000; math.Abs(mean-0.1) > 1e-6 {
		t.Errorf("without a spread a mean of %v s", mean)
	}
	if trace.Tasks() != 40_000 || trace.Span() != 3*time.Minute || trace.Mean().Round(time.Millisecond) != 1050*time.Millisecond {
		t.Errorf("%d tasks in %v, %v each", trace.Tasks(), trace.Span(), trace.Mean())
	}
	if b := trace.Busiest(1); math.Abs(b-20_000*2/60.) > 1e-6 {
		t.Errorf("%v slots are busy in the busiest minute", b)
	}
	if b := trace.Busiest(9); math.Abs(b-42_000/180.) > 1e-6 {
		t.Errorf("%v slots are busy in the whole", b)
	}
}

func FuzzReadTrace(f *testing.F) {
	f.Add("# queue: a\n# begin: 2026-11-26T03:50:00Z\n3,0.5,0.2\n0,0\n4,1\n")
	f.Add("3,1e-300\n")
	f.Fuzz(func(t *testing.T, text string) {
		trace, err := ReadTrace(strings.NewReader(text))
		if err == nil && trace.Check() != nil {
			t.Errorf("it was read and does not hold: %v", trace.Check())
		}
	})
}
