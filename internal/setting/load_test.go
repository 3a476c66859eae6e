package setting

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// sources makes a folder with the given files and reads it.
func sources(t *testing.T, files map[string]string) Sources {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Sources{Dir: dir}
}

func load(t *testing.T, s Sources) *Settings {
	t.Helper()
	got, err := Load(s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// problemsOf loads what must fail and returns the problems, with the folder's name taken out.
func problemsOf(t *testing.T, s Sources) []string {
	t.Helper()
	got, err := Load(s)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("loaded %v with error %v, want an *Error", got, err)
	}
	var out []string
	for _, p := range e.Problems {
		text := strings.ReplaceAll(p.String(), s.Dir+string(filepath.Separator), "")
		if !strings.Contains(strings.ReplaceAll(e.Error(), s.Dir+string(filepath.Separator), ""), text) {
			t.Errorf("the error leaves out %q", text)
		}
		out = append(out, text)
	}
	return out
}

func TestLaterSourcesWin(t *testing.T) {
	s := sources(t, map[string]string{"umbel.yaml": "worker_concurrency: 1\ntask_default_queue: file\nredis_host: file\nredis_username: file\n"})
	s.Environ = []string{
		"CELERY_TASK_DEFAULT_QUEUE=celery", "CELERY_REDIS_HOST=celery", "CELERY_REDIS_USERNAME=celery",
		"UMBEL_REDIS_HOST=umbel", "UMBEL_REDIS_USERNAME=umbel", "PATH=/bin", "UMBEL_REDIS_PASSWORD=",
	}
	s.Flags = map[string]string{"redis_username": "flag"}
	got := load(t, s)
	for name, want := range map[string][2]any{
		"worker_concurrency": {int64(1), filepath.Join(s.Dir, "umbel.yaml") + ":1"},
		"task_default_queue": {"celery", "CELERY_TASK_DEFAULT_QUEUE"},
		"redis_host":         {"umbel", "UMBEL_REDIS_HOST"},
		"redis_username":     {"flag", "flag redis_username"},
	} {
		v := got.Values[name]
		if v.Value != want[0] || v.Place.String() != want[1] {
			t.Errorf("%s is %v from %s, want %v from %v", name, v.Value, v.Place, want[0], want[1])
		}
	}
	if _, ok := got.Values["redis_password"]; ok {
		t.Error("an empty variable has set redis_password")
	}
	if len(got.Warnings) != 0 {
		t.Errorf("unexpected warnings %q", got.Warnings)
	}
}

func TestFileFormatsSayTheSame(t *testing.T) {
	for name, text := range map[string]string{
		"umbel.yaml": `
accept_content: [json, msgpack]
task_acks_late: yes
result_expires: 1h
broker_connection_timeout: 2.5
task_routes:
  orders.pay: {queue: pay, priority: 9}
  orders.*: orders
`,
		"umbel.json": `{"accept_content": ["json", "msgpack"], "task_acks_late": true, "result_expires": "1h",
"broker_connection_timeout": 2.5,
"task_routes": {"orders.pay": {"queue": "pay", "priority": 9}, "orders.*": "orders"}}`,
		"tabs.json": "{\n\t\"accept_content\": [\"json\",\n\t\t\"msgpack\"],\n\t\"task_acks_late\": true, \"result_expires\": \"1h\",\n" +
			"\t\"broker_connection_timeout\": 25e-1, \"task_routes\": {\n\t\t\"orders.pay\": {\"queue\": \"\\u0070ay\", \"priority\": 9},\n\t\t\"orders.*\": \"orders\"\n\t}\n}\n",
		"umbel.toml": `
accept_content = ["json", # inner comment
  "msgpack"]
task_acks_late = true
result_expires = "1h"
broker_connection_timeout = 2.5
[task_routes]
"orders.pay" = {queue = "pay", priority = 9}
"orders.*" = "orders"
`,
	} {
		t.Run(name, func(t *testing.T) {
			s := sources(t, map[string]string{name: text})
			s.File = name
			got := load(t, s)
			for name, want := range map[string]any{
				"accept_content":            []string{"json", "msgpack"},
				"task_acks_late":            true,
				"result_expires":            time.Hour,
				"broker_connection_timeout": 2500 * time.Millisecond,
				"task_routes": []Route{
					{"orders.pay", map[string]any{"queue": "pay", "priority": int64(9)}},
					{"orders.*", map[string]any{"queue": "orders"}},
				},
			} {
				if v := got.Values[name].Value; !reflect.DeepEqual(v, want) {
					t.Errorf("%s is %#v, want %#v", name, v, want)
				}
			}
		})
	}
}

func TestTomlTablesKeepTheirOrderAndPlaces(t *testing.T) {
	s := sources(t, map[string]string{"umbel.toml": `
task_default_queue = "d"
broker_transport_options.client_properties.team = "shop"

[task_routes."z.*"]
queue = "z"
[task_routes."a.*"]
queue = "a"
[[task_queues]]
name = "q1"
queue_arguments = {x-max-priority = 10}
[[task_queues]]
name = "q2"
[task_queues.exchange]
name = "ex"
`})
	got := load(t, s)
	if routes := got.Values["task_routes"].Value.([]Route); routes[0].Pattern != "z.*" || routes[1].Pattern != "a.*" {
		t.Errorf("routes are %v", routes)
	}
	want := []Queue{{Name: "q1", Arguments: map[string]any{"x-max-priority": int64(10)}}, {Name: "q2", Exchange: "ex"}}
	if v := got.Values["task_queues"].Value; !reflect.DeepEqual(v, want) {
		t.Errorf("queues are %+v, want %+v", v, want)
	}
	if v := got.Values["broker_transport_options"].Value; !reflect.DeepEqual(v, map[string]any{"client_properties": map[string]any{"team": "shop"}}) {
		t.Errorf("options are %v", v)
	}
	s = sources(t, map[string]string{"umbel.toml": "task_default_queue = \"d\"\n\n[task_publish_retry_policy]\nmax_retries = 'x'\n"})
	if got := problemsOf(t, s); got[0] != `umbel.toml:4: task_publish_retry_policy: max_retries: "x" is not a whole number` {
		t.Errorf("problems are %q", got)
	}
}

func TestEveryProblemIsReportedAtOnceWithItsPlace(t *testing.T) {
	s := sources(t, map[string]string{"umbel.yaml": `broker_ulr: amqp://a
worker_concurrency: many
task_acks_late: perhaps
task_default_priority: 256
broker_heartbeat: -1
result_expires: tomorrow
task_protocol: 3
task_default_queue_type: quorom
task_default_queue: [a]
accept_content: {json: 1}
broker_transport_options: 5
task_default_rate_limit: 10/d
task_default_delivery_mode: fast
database_url: sqlite:///a
redis_password: [secret]
colour: red
timezone: Mars/Olympus
timezone: CET
`})
	s.Environ = []string{"UMBEL_BROKER_ULR=x", "UMBEL_WORKER_CONCURRENCY=-3", "CELERY_BROKER_ULR=x"}
	s.Flags = map[string]string{"task_ack_late": "1", "redis_db": "x"}
	want := []string{
		`umbel.yaml:1: broker_ulr: unknown setting: did you mean broker_url?`,
		`umbel.yaml:2: worker_concurrency: "many" is not a whole number`,
		`umbel.yaml:3: task_acks_late: "perhaps" is not true or false`,
		`umbel.yaml:4: task_default_priority: "256" is too large: the most is 255`,
		`umbel.yaml:5: broker_heartbeat: "-1" is too small: the least is 0 seconds`,
		`umbel.yaml:6: result_expires: "tomorrow" is not a time: write seconds, or a duration such as 90s, 15m or 24h`,
		`umbel.yaml:7: task_protocol: "3" is too large: the most is 2`,
		`umbel.yaml:8: task_default_queue_type: "quorom" is not one of classic, quorum: did you mean quorum?`,
		`umbel.yaml:9: task_default_queue: a list is not text`,
		`umbel.yaml:10: accept_content: a map is not a list of text`,
		`umbel.yaml:11: broker_transport_options: "5" is not a map: write {"name": value}`,
		`umbel.yaml:12: task_default_rate_limit: "10/d" is not a rate: write a number of tasks per second, or with /s, /m or /h, such as 100/m`,
		`umbel.yaml:13: task_default_delivery_mode: "fast" is not 1, 2, transient or persistent`,
		`umbel.yaml:14: database_url: Celery's tables hold pickles, which are never read: set result_backend to sqlite:// or postgres:// for Umbel's own tables, or to redis:// to share results with Python`,
		`umbel.yaml:15: redis_password: a list is not text`,
		`umbel.yaml:16: colour: unknown setting`,
		`umbel.yaml:17: timezone: "Mars/Olympus" is not a time zone: write an IANA name such as Europe/Berlin`,
		`umbel.yaml:18: timezone is set twice: first in line 17`,
		`UMBEL_BROKER_ULR: unknown setting: did you mean UMBEL_BROKER_URL?`,
		`UMBEL_WORKER_CONCURRENCY: worker_concurrency: "-3" is too small: the least is 0`,
		`flag redis_db: redis_db: "x" is not a whole number`,
		`flag task_ack_late: unknown setting: did you mean task_acks_late?`,
	}
	got := problemsOf(t, s)
	if !reflect.DeepEqual(got, want) {
		for i := range max(len(got), len(want)) {
			g, w := "", ""
			if i < len(got) {
				g = got[i]
			}
			if i < len(want) {
				w = want[i]
			}
			if g != w {
				t.Errorf("problem %d is\n  %s\nwant\n  %s", i, g, w)
			}
		}
	}
}

func TestBrokenFilesAreNamedWithTheLine(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"yaml syntax":      {"umbel.yaml", "a: 1\nb: [1\nc: 2\n", "umbel.yaml:"},
		"toml syntax":      {"umbel.toml", "a = 1\nb = = 2\n", "umbel.toml:2: not valid TOML"},
		"toml twice":       {"umbel.toml", "timezone = 'UTC'\ntimezone = 'CET'\n", "umbel.toml:2: not valid TOML"},
		"json syntax":      {"umbel.json", "{\"a\": 1,\n \"b\" 2}", "umbel.json:"},
		"a list":           {"umbel.yaml", "- a\n", "umbel.yaml:1: the file holds a list: write settings as name: value"},
		"python object":    {"umbel.yaml", "timezone: !!python/object:os.system x\n", "umbel.yaml:1: values of type"},
		"merge key":        {"umbel.yaml", "broker_transport_options: &a {b: 1}\ntask_routes:\n  <<: *a\n", "umbel.yaml:3: merge keys"},
		"two spellings":    {"umbel.yaml", "BROKER_URL: a\nbroker_url: b\n", "umbel.yaml:2: broker_url: it is set already in line 1, as BROKER_URL: keep one"},
		"several problems": {"umbel.yaml", "[a]: 1\n", "umbel.yaml:1: a name must be text"},
	} {
		t.Run(name, func(t *testing.T) {
			got := problemsOf(t, sources(t, map[string]string{c.file: c.text}))
			if !strings.HasPrefix(got[0], c.want) {
				t.Errorf("problems are %q, want one that begins %q", got, c.want)
			}
		})
	}
}

func TestAliasBombsAreRefused(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 12 {
		p, n := string(rune('0'+i)), string(rune('1'+i))
		if i >= 9 {
			p, n = string(rune('a'+i)), string(rune('b'+i))
			if i == 9 {
				p = "9"
			}
		}
		b.WriteString("a" + n + ": &a" + n + " [" + strings.TrimSuffix(strings.Repeat("*a"+p+", ", 10), ", ") + "]\n")
	}
	if got := problemsOf(t, sources(t, map[string]string{"umbel.yaml": b.String()})); len(got) == 0 {
		t.Error("a bomb of aliases was read")
	}
}

func TestSettingsFileIsFound(t *testing.T) {
	two := sources(t, map[string]string{"umbel.yaml": "", "umbel.toml": "", "shop.yaml": "timezone: CET\n", "conf.txt": "timezone: UTC\n"})
	if got := problemsOf(t, two); !strings.Contains(got[0], "umbel.yaml and ") || !strings.Contains(got[0], "keep one") {
		t.Errorf("two files: %q", got)
	}
	for name, s := range map[string]Sources{
		"by name":             {Dir: two.Dir, File: "shop"},
		"by name and ending":  {Dir: two.Dir, File: "shop.yaml"},
		"by the whole path":   {File: filepath.Join(two.Dir, "shop.yaml")},
		"by the variable":     {Dir: two.Dir, Environ: []string{"UMBEL_APP=shop"}},
		"by option over both": {Dir: two.Dir, File: "shop", Environ: []string{"UMBEL_APP=nosuch", "CELERY_APP=config"}},
	} {
		if got := load(t, s); got.Values["timezone"].Value != "CET" || got.File != filepath.Join(two.Dir, "shop.yaml") {
			t.Errorf("%s: read %q: %v", name, got.File, got.Values)
		}
	}
	if got := problemsOf(t, Sources{Dir: two.Dir, File: "nosuch"}); !strings.Contains(got[0], "there is no nosuch.yaml") && !strings.Contains(got[0], "nosuch.yaml") {
		t.Errorf("a missing file: %q", got)
	}
	if got := problemsOf(t, Sources{Dir: two.Dir, File: "nosuch.yaml"}); !strings.Contains(got[0], "no such file") {
		t.Errorf("a missing file: %q", got)
	}
	if got := load(t, Sources{Dir: t.TempDir()}); len(got.Values) != 0 || got.File != "" {
		t.Errorf("an empty folder gave %v", got)
	}
	big := sources(t, map[string]string{"umbel.yaml": strings.Repeat("#", maxFile+1)})
	if got := problemsOf(t, big); !strings.Contains(got[0], "larger than 4 MiB") {
		t.Errorf("a huge file: %q", got)
	}
}

func TestSecretsAreReadFromFiles(t *testing.T) {
	s := sources(t, map[string]string{"url": "amqp://u:p@h//\n", "empty": "\n"})
	s.Environ = []string{"UMBEL_BROKER_URL_FILE=" + filepath.Join(s.Dir, "url"), "CELERY_BROKER_URL=amqp://other//"}
	got := load(t, s).Values["broker_url"]
	if !reflect.DeepEqual(got.Value, []string{"amqp://u:p@h//"}) || got.Place.String() != "UMBEL_BROKER_URL_FILE ("+filepath.Join(s.Dir, "url")+")" {
		t.Errorf("broker_url is %v from %s", got.Value, got.Place)
	}
	s.Environ = []string{
		"UMBEL_BROKER_URL_FILE=" + filepath.Join(s.Dir, "nosuch"), "CELERY_REDIS_PASSWORD_FILE=" + filepath.Join(s.Dir, "empty"),
		"UMBEL_REDIS_HOST=a", "UMBEL_REDIS_HOST_FILE=b", "UMBEL_REDIS_PASWORD_FILE=x",
	}
	want := []string{
		"CELERY_REDIS_PASSWORD_FILE (empty): redis_password: its file is empty",
		"UMBEL_BROKER_URL_FILE: broker_url: cannot read its file: open nosuch: no such file or directory",
		"UMBEL_REDIS_HOST_FILE: UMBEL_REDIS_HOST is set as well: keep one",
		"UMBEL_REDIS_PASWORD_FILE: unknown setting: did you mean UMBEL_REDIS_PASSWORD_FILE?"}
	if got := problemsOf(t, s); !reflect.DeepEqual(got, want) {
		t.Errorf("problems are %q, want %q", got, want)
	}
}

func TestForeignVariablesAreNoErrors(t *testing.T) {
	var s Sources
	s.Dir = t.TempDir()
	for _, name := range foreign {
		s.Environ = append(s.Environ, name+"=x")
	}
	if got := load(t, s); len(got.Warnings) != 0 || len(got.Values) != 0 {
		t.Errorf("variables that are Celery's own gave %v %q", got.Values, got.Warnings)
	}
	s.Environ = []string{"CELERY_BROKER_ULR=x", "CELERY_LIKES_CHEESE=1", "CELERYD_NODES=3", "CELERY_WORKER_LOG_JSON=1"}
	want := []string{"CELERY_BROKER_ULR: unknown setting: did you mean CELERY_BROKER_URL?", "CELERY_LIKES_CHEESE: unknown setting"}
	if got := load(t, s); !reflect.DeepEqual(got.Warnings[:2], want) || len(got.Values) != 0 {
		t.Errorf("warnings are %q, want %q", got.Warnings, want)
	}
}

func TestWhatHasNoEffectIsSaidOnce(t *testing.T) {
	s := sources(t, map[string]string{"umbel.yaml": "CELERY_IMPORTS: tasks\nworker_direct: true\nworker_agent: null\ns3_bucket: b\nworker_pool: gevent\n" +
		"timezone: UTC\nenable_utc: on\nworker_send_task_events: off\n"})
	got := load(t, s)
	for i := range got.Warnings {
		got.Warnings[i] = strings.ReplaceAll(got.Warnings[i], s.Dir+"/", "")
	}
	want := []string{
		"umbel.yaml:1: CELERY_IMPORTS has no effect: a Go program brings its tasks along when it is built: there are no modules to import while it runs",
		"umbel.yaml:4: s3_bucket has no effect: Umbel has no result backend for S3: results go where result_backend says",
		"umbel.yaml:5: worker_pool: gevent is taken for goroutine: Go runs tasks on goroutines, not in Python's processes or threads",
		"umbel.yaml:2: worker_direct has no effect yet",
	}
	if !reflect.DeepEqual(got.Warnings, want) {
		t.Errorf("warnings are\n%s\nwant\n%s", strings.Join(got.Warnings, "\n"), strings.Join(want, "\n"))
	}
}

func TestVariablesAndFlagsAreParsedByType(t *testing.T) {
	s := Sources{Dir: t.TempDir(), Environ: []string{
		"UMBEL_TASK_ACKS_LATE=On", "UMBEL_ENABLE_UTC=0", "UMBEL_ACCEPT_CONTENT=json, yaml", "UMBEL_RESULT_ACCEPT_CONTENT=[\"json\"]",
		"UMBEL_BROKER_URL=amqp://a//;amqp://u:p;w@b//", "UMBEL_TASK_ROUTES={\"a.*\": {\"queue\": \"a\"}, b: c}",
		"UMBEL_RESULT_EXPIRES=none", "UMBEL_REDIS_SOCKET_TIMEOUT=1m30s", "CELERY_TASK_RESULT_EXPIRES=5",
		"UMBEL_BROKER_USE_SSL=true", "UMBEL_TASK_QUEUES=[fast, {name: slow, max_priority: 5}]", "UMBEL_ACCEPT_DECOMPRESSED_BYTES=0x100000",
	}, Flags: map[string]string{"worker.prefetch_multiplier": "1", "WORKER_CONCURRENCY": "8", "broker-transport-options": "{a: {b: [1, 2.5, x, true, null]}}"}}
	got := load(t, s)
	for name, want := range map[string]any{
		"task_acks_late": true, "enable_utc": false, "accept_content": []string{"json", "yaml"}, "result_accept_content": []string{"json"},
		"broker_url":     []string{"amqp://a//", "amqp://u:p;w@b//"},
		"task_routes":    []Route{{"b", map[string]any{"queue": "c"}}, {"a.*", map[string]any{"queue": "a"}}},
		"result_expires": nil, "redis_socket_timeout": 90 * time.Second, "broker_use_ssl": TLSOptions{},
		"task_queues":               []Queue{{Name: "fast"}, {Name: "slow", Arguments: map[string]any{"x-max-priority": int64(5)}}},
		"accept_decompressed_bytes": int64(1 << 20), "worker_prefetch_multiplier": int64(1), "worker_concurrency": int64(8),
		"broker_transport_options": map[string]any{"a": map[string]any{"b": []any{int64(1), 2.5, "x", true, nil}}},
	} {
		if v, ok := got.Values[name]; !ok || !reflect.DeepEqual(v.Value, want) {
			t.Errorf("%s is %#v, want %#v", name, v.Value, want)
		}
	}
	s = Sources{Dir: t.TempDir(), Flags: map[string]string{"worker.concurrency": "1", "worker_concurrency": "2"}}
	if got := problemsOf(t, s); !reflect.DeepEqual(got, []string{"flag worker_concurrency: it is set already, as worker.concurrency: keep one"}) {
		t.Errorf("problems are %q", got)
	}
}

func TestSecretsNeverAppearInErrors(t *testing.T) {
	s := sources(t, map[string]string{"umbel.yaml": "redis_password: true\nbroker_transport_options: amqp://user:hunter2@host//\nresult_backend_transport_options: 'user:hunter2@host'\n" +
		"redis_port: redis://:hunter2@h\nworker_concurrency: postgres://h/d?password=hunter2&x=1\n"})
	s.Environ = []string{"UMBEL_REDIS_DB=amqp://a:b//;amqp://u:hunter2@c//", "UMBEL_SECURITY_KEY_PASSWORD=hunter2"}
	got := problemsOf(t, s)
	if text := strings.Join(got, "\n"); len(got) != 7 || strings.Contains(text, "hunter2") || !strings.Contains(text, "**@host") {
		t.Errorf("%d problems:\n%s", len(got), text)
	}
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		"amqp://u:p@h//":                      "amqp://u:**@h//",
		"amqp://u@h//":                        "amqp://u@h//",
		"amqp://u:p/w@h:5672/v":               "amqp://u:**@h:5672/v",
		"amqp://u:p@w@h//":                    "amqp://u:**@h//",
		"redis://:p@h/0":                      "redis://:**@h/0",
		"sentinel://:p@a:1;sentinel://:q@b:2": "sentinel://:**@a:1;sentinel://:**@b:2",
		"u:p@h":                               "u:**@h",
		"rediss://h/0?ssl_cert_reqs=none&password=x": "rediss://h/0?ssl_cert_reqs=none&password=**",
		"Europe/Berlin":    "Europe/Berlin",
		"team@example.com": "team@example.com",
	} {
		if got := mask(in); got != want {
			t.Errorf("%s is shown as %s, want %s", in, got, want)
		}
	}
	row, _ := Lookup("broker_transport_options")
	got := row.Mask(map[string]any{"sentinel_kwargs": map[string]any{"password": "x", "db": 1}, "list": []any{"amqp://a:b@c"}})
	want := map[string]any{"sentinel_kwargs": map[string]any{"password": "**", "db": 1}, "list": []any{"amqp://a:**@c"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("masked to %v, want %v", got, want)
	}
	row, _ = Lookup("broker_password")
	if got := row.Mask("x"); got != "**" {
		t.Errorf("a password is shown as %v", got)
	}
}

// The same configuration in Celery's three families of names, and by variables.
func TestFamiliesOfNamesSayTheSame(t *testing.T) {
	want := load(t, Sources{Dir: "testdata/families", File: "new.yaml"})
	if len(want.Values) != 24 || len(want.Warnings) != 0 {
		t.Fatalf("new.yaml gave %d values and the warnings %q", len(want.Values), want.Warnings)
	}
	environ, err := os.ReadFile("testdata/families/django.json")
	if err != nil {
		t.Fatal(err)
	}
	root, problems := readYAML("django.json", environ)
	if problems != nil {
		t.Fatal(problems)
	}
	variables := Sources{Dir: t.TempDir()}
	for _, m := range root.Members {
		text := m.Value.Text
		switch {
		case m.Value.Kind == List:
			text = m.Value.Items[0].Text
		case m.Name == "CELERY_BROKER_USE_SSL":
			text = `{"ca_certs": "/etc/ssl/ca.pem", "cert_reqs": 2}`
		case m.Value.Kind == Mapping:
			text = `{"apps.orders.tasks.process_order": {"queue": "high_priority", "routing_key": "high.priority", "priority": 10}, "apps.reports.*": {"queue": "reports"}}`
		}
		variables.Environ = append(variables.Environ, m.Name+"="+text)
	}
	for name, s := range map[string]Sources{
		"old names":          {Dir: "testdata/families", File: "old.yaml"},
		"Django's namespace": {Dir: "testdata/families", File: "django.json"},
		"variables":          variables,
	} {
		got := load(t, s)
		if len(got.Values) != len(want.Values) || len(got.Warnings) != len(want.Warnings) {
			t.Errorf("%s: %d values, want %d; warnings %q", name, len(got.Values), len(want.Values), got.Warnings)
		}
		for n, v := range want.Values {
			if !reflect.DeepEqual(got.Values[n].Value, v.Value) {
				t.Errorf("%s: %s is %v, want %v", name, n, got.Values[n].Value, v.Value)
			}
		}
	}
}
