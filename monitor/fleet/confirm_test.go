package fleet

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/internal/management"
)

// Confirms are behind when far less of what is sent is confirmed than before, look after look; and not when producers that want
// no confirms are many, when nothing is sent, or for a moment.
func TestConfirmsThatFallBehindAreToldOf(t *testing.T) {
	t.Parallel()
	all, half, none, few := flow{100, 100}, flow{100, 50}, flow{100, 0}, flow{5, 0}
	for about, c := range map[string]struct {
		usual flow
		then  []flow
		told  string
	}{
		"all is confirmed":                        {all, []flow{all, all, all}, ""},
		"none is, all of a sudden":                {all, []flow{none, none, none}, "0 of 300 messages that were sent of late, 0 %, where 100 %"},
		"less than a third is":                    {all, []flow{{900, 290}, {600, 120}, {300, 90}}, "500 of 1,800 messages that were sent of late, 28 %, where 100 %"},
		"a little less":                           {all, []flow{{100, 80}, {100, 70}, {100, 60}}, ""},
		"for a moment":                            {all, []flow{none, none, all}, ""},
		"for a moment, and again":                 {all, []flow{none, none, all, none, none}, ""},
		"nobody ever wanted confirms":             {none, []flow{none, none, none}, ""},
		"half of the producers want them":         {half, []flow{half, half, half}, ""},
		"half of the producers want them in vain": {half, []flow{{100, 10}, {100, 20}, none}, "30 of 300 messages that were sent of late, 10 %, where 50 %"},
		"nothing is sent":                         {all, []flow{{}, {}, {}, {}, {}, {}, {}}, ""},
		"hardly anything is sent":                 {all, []flow{{2, 0}, {2, 0}, {2, 0}, {2, 0}, {2, 0}, {2, 0}, {2, 0}}, ""},
		"a little is sent, which adds up":         {all, []flow{few, few, few, few, few, few, few, few, few, few, few, few}, "0 of 60 messages that were sent of late, 0 %, where 100 %"},
		"the trouble ends with the sending":       {all, []flow{none, none, none, {}, {}, {}, {}, {}, {}}, ""},
		"a node begins anew":                      {all, []flow{none, none, {-600, -500}}, ""},
	} {
		w := &watch{now: time.Unix(1_700_000_000, 0)}
		w.look(t, flow{1000, 900}) // what was before we looked
		for range confirmLearn {
			w.look(t, c.usual)
		}
		for _, f := range c.then {
			w.look(t, f)
		}
		want := ""
		if c.told != "" {
			want = "warning confirms-behind: The broker has confirmed " + c.told + " were usual: it is in trouble, a queue is full and refuses, or somebody sends who asks for no confirm."
		}
		if got := w.told(); got != want {
			t.Errorf("%s: told %q", about, got)
		}
	}
}

// The management API's totals are what is counted, look by look.
func TestConfirmsAreCountedByTheManagementAPI(t *testing.T) {
	t.Parallel()
	var published, confirmed int
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/queues/%2F", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("[]")) })
	mux.HandleFunc("GET /api/nodes", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("[]")) })
	mux.HandleFunc("GET /api/overview", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"message_stats": {"publish": %d, "publish_details": {"rate": 0.0}, "confirm": %d, "confirm_details": {"rate": 0.0}}}`, published, confirmed)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	m, err := management.New(management.Config{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	f := &Fleet{config: Config{Management: m}.withDefaults(), queues: make(map[string]*Queue)}
	told := func() (out string) {
		f.judgeBroker(func(level, kind, _, format string, args ...any) {
			out += fmt.Sprintf(level+" "+kind+": "+format, args...)
		})
		return out
	}
	for i := range 1 + confirmLearn + confirmLooks {
		published += 50
		if i <= confirmLearn {
			confirmed += 50
		}
		if text := told(); text != "" {
			t.Fatalf("after %d looks: %s", i, text)
		}
		if !f.manage(t.Context()) {
			t.Fatal(f.clusterErr)
		}
	}
	if text := told(); !strings.HasPrefix(text, "warning confirms-behind: The broker has confirmed 0 of 150 messages that were sent of late, 0 %, where 100 % were usual") {
		t.Errorf("told %q", text)
	}
}

// What lasts for an hour is usual, and what is kept does not grow.
func TestAShareThatStaysIsUsual(t *testing.T) {
	t.Parallel()
	w := &watch{now: time.Unix(1_700_000_000, 0)}
	for range 200 {
		w.look(t, flow{100, 100})
	}
	for range confirmUsual - 1 {
		w.look(t, flow{100, 20})
	}
	if w.told() == "" || len(w.c.looks) != confirmUsual {
		t.Errorf("told %q, %d looks", w.told(), len(w.c.looks))
	}
	w.look(t, flow{100, 20})
	w.look(t, flow{100, 20})
	if w.told() != "" || len(w.c.looks) != confirmUsual {
		t.Errorf("told %q, %d looks", w.told(), len(w.c.looks))
	}
}

// A watch looks once a minute.
type watch struct {
	c     confirms
	now   time.Time
	total flow
}

func (w *watch) look(t *testing.T, more flow) {
	t.Helper()
	w.now = w.now.Add(time.Minute)
	w.total = add([]flow{w.total, more})
	w.c.look(w.now, w.total)
}

func (w *watch) told() (text string) {
	w.c.judge(func(level, kind, _, format string, args ...any) {
		text += fmt.Sprintf(level+" "+kind+": "+format, args...)
	})
	return text
}
