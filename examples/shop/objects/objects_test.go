package objects_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/examples/shop/objects"
	"github.com/umbel-go/umbel/internal/testenv/objectserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// In a folder and in a bucket the same must hold.
var suite = map[string]func(*testing.T, objects.Store){
	"what is put is read":                    testRead,
	"an object never changes":                testOnce,
	"of many writers of one name one wins":   testRace,
	"a writer that fails leaves nothing":     testFailure,
	"a long object goes up in parts":         testLong,
	"objects are listed, removed, and gone":  testRemove,
	"names stay within the folder or bucket": testNames,
}

func TestStores(t *testing.T) {
	for name, open := range map[string]func(*testing.T) string{
		"folder": func(t *testing.T) string { return filepath.Join(t.TempDir(), "reports") },
		"s3": func(t *testing.T) string {
			return fake(t).URL("some/prefix")
		},
	} {
		t.Run(name, func(t *testing.T) {
			for name, test := range suite {
				t.Run(name, func(t *testing.T) {
					s, err := objects.Open(open(t))
					if err != nil {
						t.Fatal(err)
					}
					test(t, s)
				})
			}
		})
	}
}

// fake is an S3 server in this process.
func fake(t *testing.T) *objectserver.Server {
	t.Helper()
	for _, v := range objectserver.Environ() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	return objectserver.Start(t)
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func read(t *testing.T, s objects.Store, name string) string {
	t.Helper()
	r, size, err := s.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all, err := io.ReadAll(r)
	if err != nil || int64(len(all)) != size {
		t.Fatalf("read %d bytes of %d, %v", len(all), size, err)
	}
	return string(all)
}

func list(t *testing.T, s objects.Store) (all []string) {
	t.Helper()
	err := s.Each(t.Context(), func(o objects.Object) error {
		if time.Since(o.Made) > time.Hour || time.Until(o.Made) > time.Hour {
			t.Errorf("%s is of %v", o.Name, o.Made)
		}
		all = append(all, fmt.Sprintf("%s:%d", o.Name, o.Size))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func testRead(t *testing.T, s objects.Store) {
	for name, body := range map[string]string{"a.csv": "order,total\n1,2\n", "empty.csv": ""} {
		if err := s.Put(t.Context(), name, text(body)); err != nil {
			t.Fatal(err)
		}
		if got := read(t, s, name); got != body {
			t.Errorf("%s: %q", name, got)
		}
	}
	if _, _, err := s.Open(t.Context(), "none.csv"); !errors.Is(err, objects.ErrNotFound) {
		t.Errorf("an object that does not exist: %v", err)
	}
}

func testOnce(t *testing.T, s objects.Store) {
	if err := s.Put(t.Context(), "a.csv", text("first")); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "a.csv", text("second")); !errors.Is(err, objects.ErrExists) {
		t.Errorf("a second of the name: %v", err)
	}
	if got := read(t, s, "a.csv"); got != "first" {
		t.Errorf("it holds %q", got)
	}
}

func testRace(t *testing.T, s objects.Store) {
	const writers = 5
	var begun, wg sync.WaitGroup
	begun.Add(writers)
	won := make(chan string, writers)
	for i := range writers {
		wg.Go(func() {
			body := strings.Repeat(fmt.Sprint(i), 100+i)
			err := s.Put(t.Context(), "a.csv", func(w io.Writer) error {
				begun.Done()
				begun.Wait() // all have found the name free
				return text(body)(w)
			})
			if err == nil {
				won <- body
			} else if !errors.Is(err, objects.ErrExists) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	close(won)
	var all []string
	for body := range won {
		all = append(all, body)
	}
	if len(all) != 1 || read(t, s, "a.csv") != all[0] {
		t.Errorf("%d writers won", len(all))
	}
}

func testFailure(t *testing.T, s objects.Store) {
	broken := errors.New("broken")
	for name, size := range map[string]int{"short.csv": 10, "long.csv": 20 << 20} {
		err := s.Put(t.Context(), name, func(w io.Writer) error {
			if _, err := w.Write(make([]byte, size)); err != nil {
				return err
			}
			return broken
		})
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, err := s.Open(t.Context(), name); !errors.Is(err, objects.ErrNotFound) {
			t.Errorf("%s can be read: %v", name, err)
		}
	}
	if n, err := s.Sweep(t.Context(), time.Now().Add(time.Hour)); err != nil || n != 0 {
		t.Errorf("%d unfinished, %v, want none left behind", n, err)
	}
}

func testLong(t *testing.T, s objects.Store) {
	const rows = 600_000 // 19 MB, of which a few parts are in memory
	err := s.Put(t.Context(), "long.csv", func(w io.Writer) error {
		buffer := bufio.NewWriterSize(w, 64<<10)
		for i := range rows {
			fmt.Fprintf(buffer, "%031d\n", i)
		}
		return buffer.Flush()
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, "long.csv"); len(got) != rows*32 || !strings.HasSuffix(got, fmt.Sprintf("%031d\n", rows-1)) {
		t.Errorf("%d bytes", len(got))
	}
	again := s.Put(t.Context(), "long.csv", func(w io.Writer) error { _, err := w.Write(bytes.Repeat([]byte("x"), 9<<20)); return err })
	if !errors.Is(again, objects.ErrExists) {
		t.Errorf("a second of the name: %v", again)
	}
}

func testRemove(t *testing.T, s objects.Store) {
	if got := list(t, s); len(got) != 0 {
		t.Errorf("a new store holds %v", got)
	}
	for _, name := range []string{"a.csv", "b.csv"} {
		if err := s.Put(t.Context(), name, text(name)); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(list(t, s), " "); got != "a.csv:5 b.csv:5" {
		t.Errorf("it holds %s", got)
	}
	for range 2 { // gone already is no error
		if err := s.Remove(t.Context(), "a.csv"); err != nil {
			t.Error(err)
		}
	}
	if got := strings.Join(list(t, s), " "); got != "b.csv:5" {
		t.Errorf("it holds %s", got)
	}
	stop := errors.New("stop")
	if err := s.Each(t.Context(), func(objects.Object) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("listing went on: %v", err)
	}
}

func testNames(t *testing.T, s objects.Store) {
	for _, name := range []string{"", "../x", "a/b", ".hidden", "A.csv", strings.Repeat("x", 200), "a\x00b"} {
		if err := s.Put(t.Context(), name, text("x")); err == nil || errors.Is(err, objects.ErrExists) {
			t.Errorf("%q was taken: %v", name, err)
		}
		if _, _, err := s.Open(t.Context(), name); err == nil || errors.Is(err, objects.ErrNotFound) {
			t.Errorf("%q was looked for: %v", name, err)
		}
		if err := s.Remove(t.Context(), name); err == nil {
			t.Errorf("%q was removed", name)
		}
	}
}

func TestLocationsThatMakeNoSense(t *testing.T) {
	for location, want := range map[string]string{"s3://": "names no bucket", "s3://b?region=x&secret=y": `"secret" is not known`} {
		if _, err := objects.Open(location); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", location, err, want)
		}
	}
}

// Whoever's key the server does not know, or whose secret is another one, is told so, and nothing of theirs is taken.
func TestAWrongKeyIsRefusedAndTheReasonTold(t *testing.T) {
	server := fake(t)
	for name, c := range map[string]struct{ id, secret, want string }{
		"secret": {objectserver.KeyID, "another-one", "SignatureDoesNotMatch"},
		"id":     {"AKIDNOBODY", objectserver.Secret, "InvalidAccessKeyId"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_ACCESS_KEY_ID", c.id)
			t.Setenv("AWS_SECRET_ACCESS_KEY", c.secret)
			s, err := objects.Open(server.URL("reports"))
			if err != nil {
				t.Fatal(err)
			}
			_, _, open := s.Open(t.Context(), "a.csv")
			_, sweep := s.Sweep(t.Context(), time.Now())
			for verb, err := range map[string]error{"put": s.Put(t.Context(), "a.csv", text("x")), "open": open, "remove": s.Remove(t.Context(), "a.csv"),
				"list": s.Each(t.Context(), func(objects.Object) error { return nil }), "sweep": sweep} {
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "s3://bucket/reports/") ||
					!strings.Contains(err.Error(), "AWS_SECRET_ACCESS_KEY") || strings.Contains(err.Error(), c.secret) {
					t.Errorf("%s: %v, want %s, where, and what to look at", verb, err, c.want)
				}
			}
		})
	}
	s, err := objects.Open(server.URL("reports"))
	if err != nil {
		t.Fatal(err)
	}
	if got := list(t, s); len(got) != 0 {
		t.Errorf("the bucket has %v", got)
	}
}

// What was altered on its way does not become an object: each part goes with its sum.
func TestAByteThatWasAlteredOnItsWayIsNoticed(t *testing.T) {
	server := fake(t)
	behind, err := url.Parse(server.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	var altered atomic.Int64
	wire := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(behind)
		r.Out.Host = r.In.Host // which is signed
		if body, err := io.ReadAll(r.In.Body); err == nil {
			if at := bytes.IndexByte(body, '!'); at >= 0 {
				body[at]++
				altered.Add(1)
			}
			r.Out.Body = io.NopCloser(bytes.NewReader(body))
		}
	}})
	t.Cleanup(wire.Close)
	s, err := objects.Open("s3://" + objectserver.Bucket + "/reports?region=eu-west-1&path_style=true&endpoint=" + url.QueryEscape(wire.URL))
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("order,total\n", 1<<20) // 12 MB: two parts
	for name, body := range map[string]string{"short.csv": "order,total\n!", "long.csv": long + "!"} {
		if err := s.Put(t.Context(), name, text(body)); err == nil || errors.Is(err, objects.ErrExists) {
			t.Errorf("%s with an altered byte: %v, want it refused", name, err)
		}
	}
	if got := list(t, s); len(got) != 0 || altered.Load() < 2 {
		t.Errorf("the bucket has %v; %d bodies were altered", got, altered.Load())
	}
	if err := s.Put(t.Context(), "long.csv", text(long)); err != nil || read(t, s, "long.csv") != long {
		t.Errorf("the same by the same way, unaltered: %v", err)
	}
}

// A writer that is killed in the middle of a long object leaves parts, which take room until they are swept.
func TestPartsOfADeadWriterAreSwept(t *testing.T) {
	server := fake(t)
	s, err := objects.Open(server.URL("reports"))
	if err != nil {
		t.Fatal(err)
	}
	client := s3.New(s3.Options{Region: "eu-west-1", BaseEndpoint: aws.String(server.Endpoint()), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(objectserver.KeyID, objectserver.Secret, "")})
	for _, key := range []string{"reports/report-1.csv", "others/report-1.csv"} {
		_, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String(objectserver.Bucket), Key: aws.String(key)})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		before time.Time
		want   int
	}{{time.Now().Add(-time.Hour), 0}, {time.Now().Add(time.Hour), 1}, {time.Now().Add(time.Hour), 0}} {
		if n, err := s.Sweep(t.Context(), c.before); err != nil || n != c.want {
			t.Errorf("%d unfinished of before %v, %v, want %d", n, c.before, err, c.want)
		}
	}
}
