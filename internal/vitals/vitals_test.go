package vitals

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/internal/metric"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var level = &metric.Family{Name: "umbel_test_level", Kind: metric.KindGauge, Labels: []string{"part"}, Help: "Of a test"}

// part is a source that is well until it is told that it is not.
type part struct {
	name string
	ill  atomic.Bool
}

func (p *part) Metrics(page *metric.Page, _ []string) { page.Add(level, 1, p.name) }
func (p *part) Live() error                           { return nil }
func (p *part) Ready() error {
	if p.ill.Load() {
		return errors.New(p.name + " is ill")
	}
	return nil
}

func get(t *testing.T, addr, path string, change func(*http.Request)) (int, string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	if strings.HasPrefix(addr, "/") {
		socket := addr
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}
		addr = "localhost"
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	c := &http.Client{Transport: transport}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// socket is the path of a unix socket that is not there.
func socket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vitals") // its path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func join(t *testing.T, c Config, p *part) (addr string, leave func()) {
	t.Helper()
	leave, addr, err := Join(c, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(leave)
	return addr, leave
}

func TestPartsOfAProcessShareAPage(t *testing.T) {
	t.Parallel()
	at := socket(t)
	one, two := &part{name: "one"}, &part{name: "two"}
	addr, _ := join(t, Config{Address: at}, one)
	_, leave := join(t, Config{Address: at}, two)
	if _, text := get(t, addr, "/metrics", nil); !strings.Contains(text, `{part="one"} 1`) || !strings.Contains(text, `{part="two"} 1`) ||
		strings.Count(text, "# TYPE umbel_test_level") != 1 || !strings.Contains(text, "process_cpu_seconds_total ") {
		t.Errorf("metrics:\n%s", text)
	}
	two.ill.Store(true)
	if code, text := get(t, addr, "/readyz", nil); code != 503 || text != "two is ill\n" {
		t.Errorf("readyz: %d %q", code, text)
	}
	if code, text := get(t, addr, "/livez", nil); code != 200 || text != "ok\n" {
		t.Errorf("livez: %d %q", code, text)
	}
	leave()
	if code, _ := get(t, addr, "/readyz", nil); code != 200 {
		t.Errorf("readyz of the one that stayed: %d", code)
	}
}

func TestBeyondLoopbackSomebodyMustHaveSaidSo(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"0.0.0.0:0", ":0", "[::]:0", "10.1.2.3:9808", "example.com:80"} {
		if _, _, err := Join(Config{Address: at}, &part{}); !errors.Is(err, ErrExposed) {
			t.Errorf("%s: %v, want ErrExposed", at, err)
		}
	}
	for _, at := range []string{"x", "1.2.3.4", "127.0.0.1:http", "127.0.0.1:70000"} {
		if _, _, err := Join(Config{Address: at}, &part{}); err == nil || errors.Is(err, ErrExposed) {
			t.Errorf("%s: %v, want an error that says what is wanted", at, err)
		}
	}
	join(t, Config{Address: "0.0.0.0:0", Public: true}, &part{name: "public"})
}

func TestATokenGuardsMetricsAndNotHealth(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	addr, _ := join(t, Config{Address: "0.0.0.0:0", TokenFile: file}, &part{name: "guarded"})
	_, port, _ := net.SplitHostPort(addr)
	addr = "127.0.0.1:" + port
	for token, want := range map[string]int{"": 401, "Bearer no": 401, "Basic s3cret": 401, "Bearer s3cret": 200, "bearer s3cret": 200} {
		if code, _ := get(t, addr, "/metrics", func(r *http.Request) { r.Header.Set("Authorization", token) }); code != want {
			t.Errorf("%q: %d, want %d", token, code, want)
		}
	}
	if code, _ := get(t, addr, "/readyz", nil); code != 200 {
		t.Errorf("readyz: %d", code)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Join(Config{Address: "0.0.0.0:0", TokenFile: file}, &part{}); err == nil {
		t.Error("an empty token was taken")
	}
}

func TestAPageOfTheWebCannotReadLoopback(t *testing.T) {
	t.Parallel()
	addr, _ := join(t, Config{Address: "127.0.0.1:0"}, &part{name: "own"})
	for host, want := range map[string]int{"evil.example": 403, "127.0.0.1": 200, "localhost:99": 200, "[::1]:1": 200} {
		if code, _ := get(t, addr, "/metrics", func(r *http.Request) { r.Host = host }); code != want {
			t.Errorf("Host %s: %d, want %d", host, code, want)
		}
	}
	for _, method := range []string{"POST", "DELETE"} {
		if code, _ := get(t, addr, "/metrics", func(r *http.Request) { r.Method = method }); code != 405 {
			t.Errorf("%s: %d", method, code)
		}
	}
	if code, _ := get(t, addr, "/../../etc/passwd", nil); code != 404 {
		t.Errorf("another path: %d", code)
	}
}

func TestPagesAreCompressedForWhoAsks(t *testing.T) {
	t.Parallel()
	addr, _ := join(t, Config{Address: "127.0.0.1:0"}, &part{name: "zipped"})
	_, text := get(t, addr, "/metrics", func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip") })
	z, err := gzip.NewReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(z); err != nil || !strings.Contains(string(plain), "zipped") {
		t.Errorf("%v %q", err, plain)
	}
}

func TestAsk(t *testing.T) {
	t.Parallel()
	at := socket(t)
	p := &part{name: "asked"}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	if _, err := Ask(ctx, at, "/readyz"); err == nil || errors.Is(err, ErrUnwell) {
		t.Errorf("nobody is there: %v", err)
	}
	_, leave := join(t, Config{Address: at}, p)
	if said, err := Ask(ctx, at, "/readyz"); err != nil || said != "ok" {
		t.Errorf("%q, %v", said, err)
	}
	p.ill.Store(true)
	if said, err := Ask(ctx, at, "/readyz"); !errors.Is(err, ErrUnwell) || said != "asked is ill" {
		t.Errorf("%q, %v", said, err)
	}
	if _, err := Ask(ctx, at, "/other"); err == nil || errors.Is(err, ErrUnwell) {
		t.Errorf("another path: %v", err)
	}
	leave()
	if _, err := os.Stat(at); err == nil {
		t.Error("the socket is left behind")
	}
}

func TestManyClientsAreServedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	addr, _ := join(t, Config{Address: "127.0.0.1:0"}, &part{name: "busy"})
	var idle []net.Conn
	for range 3 * atOnce { // who says nothing
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, c)
	}
	for _, c := range idle {
		c.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for { // their places are free again soon
		_, err := Ask(ctx, addr, "/livez")
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

func BenchmarkAsk(b *testing.B) {
	leave, addr, err := Join(Config{Address: "127.0.0.1:0"}, &part{name: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	defer leave()
	for b.Loop() {
		if _, err := Ask(context.Background(), addr, "/readyz"); err != nil {
			b.Fatal(err)
		}
	}
}
