package umbel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/internal/setting"
)

// loadText loads the text as umbel.yaml of an otherwise empty folder, with the given variables.
func loadText(t *testing.T, text string, environ ...string) (Config, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "umbel.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadConfig(LoadOptions{Dir: dir, Environ: append(environ, "HOME=/")})
	if err != nil {
		err = errors.New(strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), ""))
	}
	for i := range c.loaded.warnings {
		c.loaded.warnings[i] = strings.ReplaceAll(c.loaded.warnings[i], dir+string(filepath.Separator), "")
	}
	return c, err
}

func TestEverySettingThatWorksHasAFieldAndNoOther(t *testing.T) {
	fields := make(map[string]reflect.StructField)
	for i := range reflect.TypeFor[Config]().NumField() {
		f := reflect.TypeFor[Config]().Field(i)
		if name := f.Tag.Get("setting"); name != "" {
			fields[name] = f
		} else if f.IsExported() {
			t.Errorf("field %s names no setting", f.Name)
		}
	}
	for _, s := range setting.Table() {
		f, ok := fields[s.Name]
		if ok != (s.Class == setting.Works) {
			t.Errorf("%s is of class %q and has a field: %v", s.Name, s.Class, ok)
		}
		if want := strings.ReplaceAll(s.Name, "_", ""); ok && !strings.EqualFold(f.Name, want) {
			t.Errorf("%s has the field %s", s.Name, f.Name)
		}
		delete(fields, s.Name)
	}
	for name := range fields {
		t.Errorf("a field names %s, which is no setting", name)
	}
}

// needsBroker are settings that make sense beside a broker's URL only.
var needsBroker = map[string]bool{"profile": true, "broker_read_url": true}

// samples are a value for each setting that works, another than its default, and what its field must then hold.
var samples = map[string]struct {
	text string
	want any
}{
	"profile":                                 {"production", "production"},
	"audit_file":                              {"a.jsonl", "a.jsonl"},
	"accept_content":                          {"[json, yaml]", []string{"json", "yaml"}},
	"result_accept_content":                   {"[json]", []string{"json"}},
	"accept_decompressed_bytes":               {"1024", int64(1024)},
	"broker_url":                              {"[amqp://a//, amqp://b//]", []string{"amqp://a//", "amqp://b//"}},
	"broker_read_url":                         {"amqp://r//;amqp://s//", []string{"amqp://r//", "amqp://s//"}},
	"broker_write_url":                        {"amqp://w//", []string{"amqp://w//"}},
	"broker_transport":                        {"amqps", "amqps"},
	"broker_host":                             {"h", "h"},
	"broker_port":                             {"5673", 5673},
	"broker_user":                             {"u", "u"},
	"broker_password":                         {"p", "p"},
	"broker_vhost":                            {"v", "v"},
	"broker_failover_strategy":                {"shuffle", "shuffle"},
	"broker_use_ssl":                          {"{server_hostname: h}", &TLSOptions{ServerHostname: "h"}},
	"broker_login_method":                     {"amqplain", "AMQPLAIN"},
	"broker_connection_timeout":               {"30", 30 * time.Second},
	"broker_connection_retry":                 {"false", new(false)},
	"broker_connection_retry_on_startup":      {"false", new(false)},
	"broker_connection_max_retries":           {"10", 10},
	"broker_heartbeat":                        {"30", 30 * time.Second},
	"broker_credentials_file":                 {"/run/secrets/broker", "/run/secrets/broker"},
	"broker_consumer_timeout":                 {"30", 30 * time.Second},
	"broker_transport_options":                {"{a: 1}", map[string]any{"a": int64(1)}},
	"result_backend":                          {"redis://h/1", "redis://h/1"},
	"result_expires":                          {"3600", time.Hour},
	"result_serializer":                       {"yaml", "yaml"},
	"result_extended":                         {"true", true},
	"result_persistent":                       {"true", true},
	"result_backend_transport_options":        {"{global_keyprefix: x}", map[string]any{"global_keyprefix": "x"}},
	"redis_host":                              {"h", "h"},
	"redis_port":                              {"6380", 6380},
	"redis_db":                                {"3", 3},
	"redis_username":                          {"u", "u"},
	"redis_password":                          {"p", "p"},
	"redis_max_connections":                   {"7", 7},
	"redis_socket_timeout":                    {"5", 5 * time.Second},
	"redis_socket_connect_timeout":            {"5", 5 * time.Second},
	"redis_backend_use_ssl":                   {"true", &TLSOptions{}},
	"redis_client_name":                       {"n", "n"},
	"task_serializer":                         {"msgpack", "msgpack"},
	"task_compression":                        {"gzip", "gzip"},
	"task_compression_min":                    {"500", 500},
	"task_protocol":                           {"1", 1},
	"task_default_queue":                      {"q", "q"},
	"task_default_queue_type":                 {"quorum", "quorum"},
	"task_default_exchange":                   {"e", "e"},
	"task_default_exchange_type":              {"topic", "topic"},
	"task_default_routing_key":                {"k", "k"},
	"task_default_delivery_mode":              {"transient", uint8(1)},
	"task_default_priority":                   {"0", new(0)},
	"task_queues":                             {"[q]", []QueueConfig{{Name: "q"}}},
	"task_queue_max_priority":                 {"10", 10},
	"task_create_missing_queues":              {"false", new(false)},
	"task_create_missing_queue_type":          {"quorum", "quorum"},
	"task_create_missing_queue_exchange_type": {"topic", "topic"},
	"task_routes":                             {"{a: q}", []RouteRule{{"a", map[string]any{"queue": "q"}}}},
	"task_acks_late":                          {"true", true},
	"task_acks_on_failure_or_timeout":         {"false", new(false)},
	"task_acks_on_failure":                    {"false", new(false)},
	"task_acks_on_timeout":                    {"false", new(false)},
	"task_soft_time_limit":                    {"10", 10 * time.Second},
	"task_time_limit":                         {"20", 20 * time.Second},
	"task_always_eager":                       {"true", true},
	"task_default_rate_limit":                 {"100/m", "100/m"},
	"worker_disable_rate_limits":              {"true", true},
	"worker_deduplicate_successful_tasks":     {"true", true},
	"task_ignore_result":                      {"true", true},
	"task_store_errors_even_if_ignored":       {"true", true},
	"task_track_started":                      {"true", true},
	"task_publish_retry":                      {"false", new(false)},
	"task_send_sent_event":                    {"true", true},
	"worker_send_task_events":                 {"true", true},
	"event_queue_expires":                     {"90", 90 * time.Second},
	"event_queue_ttl":                         {"10", 10 * time.Second},
	"event_queue_prefix":                      {"ev", "ev"},
	"event_queue_exclusive":                   {"false", new(false)},
	"event_queue_durable":                     {"true", true},
	"event_serializer":                        {"msgpack", "msgpack"},
	"event_exchange":                          {"ev", "ev"},
	"task_publish_retry_policy":               {"{max_retries: 1}", &PublishRetryPolicy{1, 0, 200 * time.Millisecond, time.Second}},
	"worker_concurrency":                      {"2", 2},
	"task_delivery_limit":                     {"5", 5},
	"worker_prefetch_multiplier":              {"1", 1},
	"broker_consumer_check":                   {"20", 20 * time.Second},
	"task_spool":                              {"/var/spool/umbel.db", "/var/spool/umbel.db"},
	"task_spool_max":                          {"5", 5},
	"task_spool_after":                        {"2", 2 * time.Second},
	"worker_queue_order":                      {"strict", "strict"},
	"metrics_address":                         {"127.0.0.1:9808", "127.0.0.1:9808"},
	"metrics_token_file":                      {"token", "token"},
	"metrics_public":                          {"true", true},
	"metrics_names":                           {"[flower]", []string{"flower"}},
	"worker_pool":                             {"solo", "solo"},
	"worker_pool_restarts":                    {"true", true},
	"worker_soft_shutdown_timeout":            {"20", 20 * time.Second},
	"worker_enable_soft_shutdown_on_idle":     {"true", true},
	"worker_shutdown_grace":                   {"120", 2 * time.Minute},
	"worker_stop_notices":                     {"[spot, ecs]", []string{"spot", "ecs"}},
	"worker_metadata_url":                     {"http://127.0.0.1:1338", "http://127.0.0.1:1338"},
	"worker_autoscale":                        {"10,3", "10,3"},
	"worker_autoscale_keepalive":              {"5", 5 * time.Second},
	"worker_max_tasks_per_child":              {"100", 100},
	"worker_max_memory_per_child":             {"200000", 200000},
	"worker_proc_alive_timeout":               {"20", 20 * time.Second},
	"worker_proc_silence_timeout":             {"30", 30 * time.Second},
	"worker_terminate_grace":                  {"0.5", 500 * time.Millisecond},
	"task_reject_on_worker_lost":              {"true", true},
	"task_inherit_parent_priority":            {"true", true},
	"task_allow_error_cb_on_chord_header":     {"true", true},
	"worker_loglevel":                         {"DEBUG", "debug"},
	"worker_log_json":                         {"true", true},
	"worker_log_color":                        {"false", new(false)},
	"worker_logfile":                          {"worker.log", "worker.log"},
	"worker_enable_remote_control":            {"false", new(false)},
	"worker_state_db":                         {"revoked.json", "revoked.json"},
	"control_exchange":                        {"other", "other"},
	"control_queue_ttl":                       {"60", time.Minute},
	"control_queue_expires":                   {"20", 20 * time.Second},
	"control_queue_exclusive":                 {"false", new(false)},
	"control_queue_durable":                   {"true", true},
	"worker_pidfile":                          {"worker.pid", "worker.pid"},
	"timezone":                                {"Europe/Berlin", "Europe/Berlin"},
	"enable_utc":                              {"false", new(false)},
	"beat_lease":                              {"5", 5 * time.Second},
	"beat_name":                               {"shop", "shop"},
	"beat_schedule_file":                      {"schedule.yaml", "schedule.yaml"},
	"beat_schedule_filename":                  {"schedule.db", "schedule.db"},
	"beat_max_loop_interval":                  {"60", time.Minute},
	"beat_cron_starting_deadline":             {"30", 30 * time.Second},
	"beat_logfile":                            {"beat.log", "beat.log"},
	"beat_pidfile":                            {"beat.pid", "beat.pid"},
	"beat_schedule": {"{night: {task: t, schedule: {minute: 0, hour: [4, 5]}, jitter: 90s}}",
		[]ScheduleEntry{{Name: "night", Task: "t", Schedule: "0 4,5 * * *", Jitter: 90 * time.Second}}},

	"broker_native_delayed_delivery_queue_type": {"classic", "classic"},
}

func TestEverySettingThatWorksReachesItsField(t *testing.T) {
	for _, s := range setting.Table() {
		if s.Class != setting.Works {
			continue
		}
		sample, ok := samples[s.Name]
		if !ok {
			t.Errorf("%s has no sample", s.Name)
			continue
		}
		text := s.Name + ": " + sample.text + "\n"
		if needsBroker[s.Name] {
			text += "broker_url: amqp://a//\n"
		}
		c, err := loadText(t, text)
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
			continue
		}
		v := reflect.ValueOf(c)
		for i := range v.NumField() {
			name := v.Type().Field(i).Tag.Get("setting")
			switch {
			case name == s.Name:
				if got := v.Field(i).Interface(); !reflect.DeepEqual(got, sample.want) {
					t.Errorf("%s: the field holds %#v, want %#v", name, got, sample.want)
				}
				// Once more by a variable, and back to the default by null.
				flags := map[string]string{s.Name: strings.TrimSuffix(sample.text, "\n")}
				if needsBroker[s.Name] {
					flags["broker_url"] = "amqp://a//"
				}
				again, err := LoadConfig(LoadOptions{Dir: t.TempDir(), Environ: []string{"_=x"}, Flags: flags})
				if err != nil || !reflect.DeepEqual(reflect.ValueOf(again).Field(i).Interface(), sample.want) {
					t.Errorf("%s: as a flag the field holds %#v: %v", name, reflect.ValueOf(again).Field(i).Interface(), err)
				}
				null, err := loadText(t, s.Name+": null\n")
				if got := reflect.ValueOf(null).Field(i); err != nil || !got.IsZero() && !(unlimited[name] && got.Int() == -1) {
					t.Errorf("%s: null left %v: %v", name, got, err)
				}
			case name != "" && name != "broker_url" && !v.Field(i).IsZero():
				t.Errorf("%s has set %s as well", s.Name, name)
			}
		}
	}
}

func TestAutoPrefetch(t *testing.T) {
	for _, text := range []string{"auto", "AUTO"} {
		c, err := loadText(t, "worker_prefetch_multiplier: "+text+"\n")
		if err != nil || c.WorkerPrefetchMultiplier != AutoPrefetch {
			t.Errorf("%s: %d, %v", text, c.WorkerPrefetchMultiplier, err)
		}
		for _, e := range c.Entries() {
			if e.Name == "worker_prefetch_multiplier" && e.Value != `"auto"` {
				t.Errorf("shown as %s", e.Value)
			}
		}
	}
	if _, err := loadText(t, "worker_prefetch_multiplier: automatic\n"); err == nil {
		t.Error("automatic was taken")
	}
}

func TestNoLimitAndNever(t *testing.T) {
	c, err := loadText(t, "result_expires: 0\nbroker_heartbeat: null\nbroker_consumer_timeout: 0\nworker_prefetch_multiplier: 0\ntask_delivery_limit: 0\nbroker_connection_max_retries: 0\n")
	if err != nil {
		t.Fatal(err)
	}
	c = c.WithDefaults()
	if c.ResultExpires != Never || c.BrokerHeartbeat != Never || c.BrokerConsumerTimeout != Never || c.WorkerPrefetchMultiplier != NoLimit || c.TaskDeliveryLimit != NoLimit || c.BrokerConnectionMaxRetries != 0 {
		t.Errorf("read %v %v %v %v", c.ResultExpires, c.BrokerHeartbeat, c.WorkerPrefetchMultiplier, c.BrokerConnectionMaxRetries)
	}
}

func TestZeroConfigIsCelerysDefaultOnTheEmbeddedBroker(t *testing.T) {
	c := Config{}.WithDefaults()
	if c.BrokerURL[0] != "sqlite://umbel.db" || c.ResultBackend != "sqlite://umbel.db" || c.TaskDefaultQueue != "celery" ||
		c.TaskDefaultExchange != "celery" || !*c.TaskCreateMissingQueues || c.WorkerConcurrency != runtime.GOMAXPROCS(0) ||
		c.WorkerPrefetchMultiplier != 4 || c.ResultExpires != 24*time.Hour || c.TaskAcksLate || !*c.TaskAcksOnFailure {
		t.Errorf("defaults are %+v", c)
	}
	if err := (Config{}).Check(); err != nil {
		t.Errorf("the zero Config: %v", err)
	}
	if err := c.Check(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	if again := c.WithDefaults(); !reflect.DeepEqual(again, c) {
		t.Errorf("defaults of the defaults are %+v", again)
	}
}

func TestResultsGoWithTheEmbeddedBrokerOnly(t *testing.T) {
	for _, c := range []struct {
		broker []string
		host   string
		result string
		want   string
	}{
		{nil, "", "", "sqlite://umbel.db"},
		{[]string{"sqlite:///var/lib/shop.db"}, "", "", "sqlite:///var/lib/shop.db"},
		{[]string{"amqp://h//"}, "", "", "disabled"},
		{nil, "h", "", "disabled"},
		{nil, "", "redis://h", "redis://h"},
		{nil, "", "disabled", "disabled"},
	} {
		if got := (Config{BrokerURL: c.broker, BrokerHost: c.host, ResultBackend: c.result}).WithDefaults(); got.ResultBackend != c.want {
			t.Errorf("%+v: results go to %s, want %s", c, got.ResultBackend, c.want)
		}
	}
}

func TestMissingBrokerIsSaidAndInProductionAnError(t *testing.T) {
	c, err := loadText(t, "worker_concurrency: 1\n")
	if err != nil || !reflect.DeepEqual(c.Warnings(), []string{"broker_url is not set: using the embedded broker sqlite://umbel.db"}) {
		t.Errorf("warnings are %q: %v", c.Warnings(), err)
	}
	_, err = loadText(t, "", "UMBEL_PROFILE=production")
	want := "settings: broker_url is not set, and profile is production: set it, for example UMBEL_BROKER_URL=amqps://user:password@host//"
	if err == nil || err.Error() != want {
		t.Errorf("error is %v", err)
	}
	if c, err := loadText(t, "broker_host: h\n", "UMBEL_PROFILE=production"); err != nil || len(c.Warnings()) != 0 {
		t.Errorf("with broker_host: %v %q", err, c.Warnings())
	}
}

func TestReadingAndWritingMayHaveTheirOwnURLs(t *testing.T) {
	c, err := loadText(t, "broker_write_url: amqp://w//\nbroker_read_url: r//;amqps://s//\n")
	if err != nil {
		t.Fatal(err)
	}
	c = c.WithDefaults()
	bc, err := c.BrokerConfig()
	if err != nil || !slices.Equal(bc.URLs, []string{"amqp://w//"}) || !slices.Equal(bc.ReadURLs, []string{"amqp://r//", "amqps://s//"}) {
		t.Errorf("publishes to %q and consumes from %q: %v", bc.URLs, bc.ReadURLs, err)
	}
	if len(c.BrokerURL) != 1 || c.BrokerURL[0] != "amqp://w//" {
		t.Errorf("broker_url is %q", c.BrokerURL)
	}
	if _, err := loadText(t, "broker_read_url: amqp://r//\n"); err == nil || !strings.Contains(err.Error(), "set broker_url or broker_write_url") {
		t.Errorf("only a URL for consuming: %v", err)
	}
	if _, err := loadText(t, "profile: production\nbroker_write_url: amqp://w//\n"); err != nil {
		t.Errorf("in production: %v", err)
	}
}

func TestCheckReportsEverythingWithItsPlace(t *testing.T) {
	_, err := loadText(t, `accept_content: [json, pickle]
task_queue_max_priority: null
broker_use_ssl: {ca_certs: /nosuch.pem}
broker_host: h
broker_url: amqp://a//
task_serializer: pickel
task_compression: rar
worker_prefetch_multiplier: 4000
`, "UMBEL_WORKER_CONCURRENCY=100")
	if err == nil {
		t.Fatal("loaded")
	}
	for _, want := range []string{
		"settings: 6 problems\n",
		"\n  umbel.yaml:4: broker_host: broker_url is set as well",
		"\n  umbel.yaml:1: accept_content: ",
		"\n  umbel.yaml:3: broker_use_ssl: read authorities to trust: open /nosuch.pem",
		"\n  umbel.yaml:6: task_serializer: ",
		"\n  umbel.yaml:7: task_compression: ",
		"\n  umbel.yaml:8: worker_prefetch_multiplier: 4000 times a worker_concurrency of 100",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	err = Config{Profile: "prod", WorkerPool: "processor", TaskProtocol: 3, WorkerConcurrency: -1, TaskDefaultPriority: new(256),
		TaskQueues: []QueueConfig{{Name: "a"}, {Name: "a"}, {}}, TaskRoutes: []RouteRule{{}}, BrokerURL: []string{" "}, TaskQueueMaxPriority: 256,
		TaskSoftTimeLimit: 2 * time.Hour, TaskTimeLimit: time.Hour}.Check()
	var e *ConfigError
	if !errors.As(err, &e) || len(e.Problems) != 11 {
		t.Errorf("problems of a literal: %v", err)
	}
}

func TestLoadErrorsListTheirProblems(t *testing.T) {
	dir := t.TempDir()
	_, err := LoadConfig(LoadOptions{Dir: dir, Environ: []string{"UMBEL_BROKER_ULR=x", "UMBEL_REDIS_DB=x"}})
	var e *ConfigError
	if !errors.As(err, &e) || len(e.Problems) != 2 || !strings.HasPrefix(err.Error(), "settings: 2 problems\n  UMBEL_BROKER_ULR: unknown setting: did you mean UMBEL_BROKER_URL?") {
		t.Errorf("error is %v", err)
	}
}

func TestConfigShowsItselfWithSourcesAndWithoutSecrets(t *testing.T) {
	c, err := loadText(t, `broker_url: amqp://shop:hunter2@h//
task_routes: {a.*: q}
task_queues: {q: {max_priority: 5}}
worker_direct: true
broker_use_ssl: {cert_reqs: CERT_NONE}
result_backend_transport_options: {sentinel_kwargs: {password: hunter2}}
result_expires: 0
worker_concurrency: 3
`, "UMBEL_REDIS_PASSWORD=hunter2", "CELERY_TASK_PUBLISH_RETRY_POLICY={max_retries: null}")
	if err != nil {
		t.Fatal(err)
	}
	c.WorkerConcurrency = 5 // code has the last word
	c.TaskDefaultQueue = "shop"
	got := make(map[string]ConfigEntry)
	for _, e := range c.Entries() {
		got[e.Name] = e
		if strings.Contains(e.Value, "hunter2") {
			t.Errorf("%s shows its secret: %s", e.Name, e.Value)
		}
		if e.Source == "" || e.Value == "" || e.Effect == "" {
			t.Errorf("incomplete entry %+v", e)
		}
	}
	file := strings.TrimSuffix(c.loaded.set["broker_url"].Place.String(), "1")
	for _, want := range []ConfigEntry{
		{"broker_url", `["amqp://shop:**@h//"]`, file + "1", "works"},
		{"task_routes", `[{"a.*":{"queue":"q"}}]`, file + "2", "works"},
		{"task_queues", `[{"name":"q","queue_arguments":{"x-max-priority":5},"routing_key":"q"}]`, file + "3", "works"},
		{"worker_direct", "true", file + "4", "no effect yet"},
		{"broker_use_ssl", `{"cert_reqs":"CERT_NONE"}`, file + "5", "works"},
		{"result_backend_transport_options", `{"sentinel_kwargs":{"password":"**"}}`, file + "6", "works"},
		{"result_expires", "0", file + "7", "works"},
		{"worker_concurrency", "5", "code", "works"},
		{"task_default_queue", `"shop"`, "code", "works"},
		{"redis_password", `"**"`, "UMBEL_REDIS_PASSWORD", "works"},
		{"task_publish_retry_policy", `{"interval_max":1,"interval_start":0,"interval_step":0.2,"max_retries":null}`, "CELERY_TASK_PUBLISH_RETRY_POLICY", "works"},
		{"result_backend", `"disabled"`, "default", "works"},
		{"task_acks_late", "false", "default", "works"},
		{"worker_log_color", "null", "default", "works"},
	} {
		if got[want.Name] != want {
			t.Errorf("entry is %+v, want %+v", got[want.Name], want)
		}
	}
	if _, ok := got["worker_agent"]; ok {
		t.Error("a setting without effect that nobody set is listed")
	}
}

// What Entries shows of a whole configuration can be put into a file and means the same.
func TestEntriesCanBeReadBack(t *testing.T) {
	var text strings.Builder
	for name, s := range samples {
		if name != "broker_host" && !strings.HasSuffix(name, "password") {
			text.WriteString(name + ": " + s.text + "\n")
		}
	}
	c, err := loadText(t, text.String())
	if err != nil {
		t.Fatal(err)
	}
	var again strings.Builder
	for _, e := range c.Entries() {
		again.WriteString(e.Name + ": " + e.Value + "\n")
	}
	c2, err := loadText(t, again.String())
	if err != nil {
		t.Fatalf("%v\n%s", err, again.String())
	}
	c, c2 = c.WithDefaults(), c2.WithDefaults()
	c.loaded, c2.loaded = loaded{}, loaded{}
	if !reflect.DeepEqual(c, c2) {
		t.Errorf("read back\n%+v\nwant\n%+v", c2, c)
	}
}

func ExampleLoadConfig() {
	_, err := LoadConfig(LoadOptions{Dir: "/nowhere", Environ: []string{
		"CELERY_BROKER_URL=amqp://rabbit//",
		"UMBEL_WORKER_CONCURENCY=8",
		"UMBEL_RESULT_EXPIRES=a while",
	}})
	fmt.Println(err)
	// Output:
	// settings: 2 problems
	//   UMBEL_RESULT_EXPIRES: result_expires: "a while" is not a time: write seconds, or a duration such as 90s, 15m or 24h
	//   UMBEL_WORKER_CONCURENCY: unknown setting: did you mean UMBEL_WORKER_CONCURRENCY?
}
