package cloudwatch

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
)

// An amazon is a local endpoint that takes what CloudWatch takes, and refuses what it refuses.
type amazon struct {
	t        *testing.T
	mu       sync.Mutex
	requests int
	zipped   int
	data     []got
}

type got struct {
	namespace, name, unit string
	dims                  map[string]string
	value                 float64
	values, counts        []float64
}

func endpoint(t *testing.T) *amazon {
	a := &amazon{t: t}
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": s.URL, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
		"AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1", "AWS_CONFIG_FILE": "/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE": "/dev/null"} {
		t.Setenv(name, value)
	}
	return a
}

func (a *amazon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests++
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	w.Header().Set("Content-Type", "application/cbor")
	if err := a.take(r); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write(cbor.Encode(cbor.Map{"__type": cbor.String("InvalidParameterValueException"), "message": cbor.String(err.Error())}))
		return
	}
	_, _ = w.Write([]byte{0xa0})
}

func (a *amazon) take(r *http.Request) error {
	if !strings.HasSuffix(r.URL.Path, "/operation/PutMetricData") || r.Method != http.MethodPost {
		return fmt.Errorf("%s %s", r.Method, r.URL)
	}
	auth := r.Header.Get("Authorization")
	if !strings.HasPrefix(auth, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") || !strings.Contains(auth, "/eu-west-1/monitoring/aws4_request") ||
		!strings.Contains(auth, "Signature=") || r.Header.Get("X-Amz-Date") == "" {
		return fmt.Errorf("not signed: %q", auth)
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20+1))
	if err != nil || len(raw) > 1<<20 {
		return fmt.Errorf("body of %d bytes: %v", len(raw), err)
	}
	if r.Header.Get("Content-Encoding") == "gzip" {
		a.zipped++
		z, err := gzip.NewReader(strings.NewReader(string(raw)))
		if err != nil {
			return err
		}
		if raw, err = io.ReadAll(z); err != nil {
			return err
		}
	}
	if len(raw) > 1<<20 {
		return fmt.Errorf("%d bytes before compression", len(raw))
	}
	v, err := cbor.Decode(raw)
	if err != nil {
		return err
	}
	in, _ := v.(cbor.Map)
	namespace, _ := in["Namespace"].(cbor.String)
	if n := string(namespace); n == "" || len(n) > 255 || strings.HasPrefix(n, ":") || strings.HasPrefix(n, "AWS/") {
		return fmt.Errorf("namespace %q", n)
	}
	list, _ := in["MetricData"].(cbor.List)
	if len(list) == 0 || len(list) > 1000 {
		return fmt.Errorf("%d metrics", len(list))
	}
	for _, x := range list {
		g, err := datum(x.(cbor.Map))
		if err != nil {
			return err
		}
		g.namespace = string(namespace)
		a.data = append(a.data, g)
	}
	return nil
}

var units = map[string]bool{"Count": true, "Bytes": true, "Seconds": true, "Count/Second": true}

func datum(m cbor.Map) (g got, err error) {
	name, _ := m["MetricName"].(cbor.String)
	unit, _ := m["Unit"].(cbor.String)
	g = got{name: string(name), unit: string(unit), dims: make(map[string]string)}
	if g.name == "" || len(g.name) > 255 || !units[g.unit] {
		return g, fmt.Errorf("metric %q in %q", g.name, g.unit)
	}
	at, ok := m["Timestamp"].(*cbor.Tag)
	if !ok || at.ID != 1 {
		return g, fmt.Errorf("%s: timestamp %v", g.name, m["Timestamp"])
	}
	seconds := number(at.Value)
	if since := time.Since(time.Unix(int64(seconds), 0)); since > 14*24*time.Hour || since < -2*time.Hour {
		return g, fmt.Errorf("%s: timestamp %v is %v ago", g.name, seconds, since)
	}
	dims, _ := m["Dimensions"].(cbor.List)
	if len(dims) > 30 {
		return g, fmt.Errorf("%s: %d dimensions", g.name, len(dims))
	}
	for _, d := range dims {
		key, _ := d.(cbor.Map)["Name"].(cbor.String)
		value, _ := d.(cbor.Map)["Value"].(cbor.String)
		for _, r := range string(key + value) {
			if r < ' ' || r > '~' {
				return g, fmt.Errorf("%s: dimension %q=%q is not ASCII", g.name, key, value)
			}
		}
		if key == "" || len(key) > 255 || strings.HasPrefix(string(key), ":") || strings.TrimSpace(string(value)) == "" || len(value) > 1024 || g.dims[string(key)] != "" {
			return g, fmt.Errorf("%s: dimension %q=%q", g.name, key, value)
		}
		g.dims[string(key)] = string(value)
	}
	single, has := m["Value"]
	values, _ := m["Values"].(cbor.List)
	counts, _ := m["Counts"].(cbor.List)
	if has == (len(values) > 0) || len(values) != len(counts) || len(values) > 150 {
		return g, fmt.Errorf("%s: value %v, %d values, %d counts", g.name, single, len(values), len(counts))
	}
	if has {
		g.value = number(single)
	}
	for i := range values {
		g.values, g.counts = append(g.values, number(values[i])), append(g.counts, number(counts[i]))
	}
	for _, v := range append(append([]float64{g.value}, g.values...), g.counts...) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return g, fmt.Errorf("%s: value %v", g.name, v)
		}
	}
	return g, nil
}

func number(v cbor.Value) float64 {
	switch v := v.(type) {
	case cbor.Float64:
		return float64(v)
	case cbor.Float32:
		return float64(v)
	case cbor.Uint:
		return float64(v)
	case cbor.NegInt:
		return -float64(v)
	}
	return math.NaN()
}

// made are n data, each with a name of its own.
func made(n int) []Datum {
	out := make([]Datum, n)
	for i := range out {
		out[i] = Datum{Name: "MessageCount", Unit: Count, Dimensions: []Dimension{{"Queue", fmt.Sprint("q", i)}}, Time: time.Now(), Value: float64(i)}
	}
	return out
}

func TestRequestsAreWhatCloudWatchTakes(t *testing.T) {
	a := endpoint(t)
	api, err := NewAPI(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	data := made(2500)
	data = append(data, Datum{Name: "TaskDuration", Unit: Seconds, Time: time.Now(), Values: []float64{0.1, 1}, Counts: []float64{3, 4}})
	if err := api.Put(context.Background(), "Umbel", data); err != nil {
		t.Fatal(err)
	}
	if a.requests != 3 || a.zipped != 3 || len(a.data) != 2501 {
		t.Errorf("%d requests, %d compressed, %d metrics; want 3, 3 and 2501", a.requests, a.zipped, len(a.data))
	}
	if g := a.data[7]; g.namespace != "Umbel" || g.dims["Queue"] != "q7" || g.value != 7 {
		t.Errorf("%+v", g)
	}
	if g := a.data[2500]; fmt.Sprint(g.values, g.counts) != "[0.1 1] [3 4]" {
		t.Errorf("%+v", g)
	}
	if err := api.Put(context.Background(), "AWS/AmazonMQ", made(1)); err == nil || !strings.Contains(err.Error(), "AWS/AmazonMQ") {
		t.Errorf("what the endpoint refuses: %v", err)
	}
}

func TestLargeRequestsAreCutBySize(t *testing.T) {
	a := endpoint(t)
	api, err := NewAPI(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	data := made(1000)
	for i := range data {
		data[i].Dimensions = append(data[i].Dimensions, Dimension{"Long", strings.Repeat("x", 1000)}, Dimension{"Longer", strings.Repeat("y", 1000)})
	}
	if err := api.Put(context.Background(), "Umbel", data); err != nil {
		t.Fatal(err)
	}
	if a.requests != 3 || len(a.data) != 1000 {
		t.Errorf("%d requests with %d metrics", a.requests, len(a.data))
	}
}

func TestNamesAreTamed(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "-", "  ": "-", ":x": ".x", "grün\n": "gr?n?", "orders": "orders", strings.Repeat("x", 5000): strings.Repeat("x", 1024)} {
		if got := tame(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	r := &report{at: time.Now()}
	for _, v := range []float64{math.NaN(), math.Inf(1), 1e300, 1e-300} {
		r.add("x", Count, v)
	}
	if r.add("x", Count, 0); len(r.data) != 1 {
		t.Errorf("%d data, want the zero only", len(r.data))
	}
}

func TestLinesAreTheEmbeddedMetricFormat(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	at := time.Now()
	of := []Dimension{{"Environment", "prod"}, {"Queue", "orders"}}
	data := []Datum{{"MessageCount", Count, of, at, 12, nil, nil}, {"ConsumerCount", Count, of, at, 3, nil, nil},
		{"TaskDuration", Seconds, []Dimension{{"Task", "shop.pay"}}, at, 0, []float64{0.5}, []float64{9}}}
	for range 150 {
		data = append(data, Datum{"WorkerCount", Count, nil, at, 1, nil, nil})
	}
	if err := (&Lines{Out: &out}).Put(context.Background(), "Umbel", data); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines, want two by dimensions and two of at most 100 metrics", len(lines))
	}
	var doc struct {
		AWS struct {
			Timestamp         int64
			CloudWatchMetrics []struct {
				Namespace  string
				Dimensions [][]string
				Metrics    []struct{ Name, Unit string }
			}
		} `json:"_aws"`
		Environment, Queue          string
		MessageCount, ConsumerCount float64
	}
	if err := json.Unmarshal([]byte(lines[0]), &doc); err != nil {
		t.Fatal(err)
	}
	m := doc.AWS.CloudWatchMetrics
	if doc.AWS.Timestamp != at.UnixMilli() || len(m) != 1 || m[0].Namespace != "Umbel" || fmt.Sprint(m[0].Dimensions) != "[[Environment Queue]]" ||
		fmt.Sprint(m[0].Metrics) != "[{MessageCount Count} {ConsumerCount Count}]" || doc.Queue != "orders" || doc.MessageCount != 12 || doc.ConsumerCount != 3 {
		t.Errorf("%s", lines[0])
	}
	if !strings.Contains(lines[1], `"TaskDuration":{"Counts":[9],"Values":[0.5]}`) {
		t.Errorf("%s", lines[1])
	}
}

func TestWhatCloudWatchWouldRefuseIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{Namespace: "AWS/AmazonMQ"}, {Namespace: ":x"}, {Dimensions: make([]Dimension, 31)},
		{Dimensions: []Dimension{{"Queue", "x"}}}, {Dimensions: []Dimension{{"a", "1"}, {"a", "2"}}}, {Dimensions: []Dimension{{"", "x"}}},
		{Every: -1}} {
		if err := c.Check(); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	if err := (&Config{Namespace: "Shop/Tasks", Dimensions: []Dimension{{"Environment", "prod"}}}).Check(); err != nil {
		t.Error(err)
	}
}
