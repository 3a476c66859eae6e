package deploy

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// release is what make release makes for this machine, from the source in a folder.
func release(t *testing.T, tools, source string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "dist")
	cmd := exec.Command("go", "run", "-C", tools, "./release", "-source", source, "-out", out, "-version", "v1.2.3", "-platforms", "linux/amd64")
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000", "GOWORK=off")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

const repository = "../.."

var first = sync.OnceValues(func() (string, error) { return filepath.Abs(repository) })

// The same source in another folder and at another time is the same, byte for byte.
func TestReleasesAreReproducible(t *testing.T) {
	root, err := first()
	if err != nil {
		t.Fatal(err)
	}
	one := release(t, filepath.Join(root, "tools"), root)
	other := filepath.Join(t.TempDir(), "elsewhere")
	clone(t, root, other)
	two := release(t, filepath.Join(root, "tools"), other)
	want, err := os.ReadFile(filepath.Join(one, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(two, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got) || strings.Count(string(want), "\n") != 2 {
		t.Errorf("two builds differ:\n%s\n%s", want, got)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(want)), "\n") {
		sum, name, _ := strings.Cut(line, "  ")
		text, err := os.ReadFile(filepath.Join(one, name))
		if err != nil || fmt.Sprintf("%x", sha256.Sum256(text)) != sum {
			t.Errorf("%s is not what the sums say: %v", name, err)
		}
	}
	bill(t, filepath.Join(one, "umbel_1.2.3_linux_amd64.cdx.json"))
	archived(t, filepath.Join(one, "umbel_1.2.3_linux_amd64.tar.gz"), filepath.Join(one, "umbel_1.2.3_linux_amd64.cdx.json"))
}

// clone copies the files that git knows, or would take in, as they are now.
func clone(t *testing.T, from, to string) {
	t.Helper()
	list, err := exec.Command("git", "-C", from, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Skip("this is no clone of the repository:", err)
	}
	for _, name := range strings.Split(strings.TrimRight(string(list), "\x00"), "\x00") {
		if strings.HasPrefix(name, "test/") || strings.Contains(name, "testdata/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(from, name))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// archived unpacks with tar, runs what is in it, and looks for the terms of each module of the bill.
func archived(t *testing.T, path, bill string) {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("tar", "-xzf", path, "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(filepath.Join(dir, "umbel_1.2.3_linux_amd64", "umbel"), "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "umbel v1.2.3 ") {
		t.Errorf("%q, %v", out, err)
	}
	notices, err := os.ReadFile(filepath.Join(dir, "umbel_1.2.3_linux_amd64", "NOTICES"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(bill)
	if err != nil {
		t.Fatal(err)
	}
	var listed struct {
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(text, &listed); err != nil {
		t.Fatal(err)
	}
	for _, c := range listed.Components {
		head := "\n==== " + c.Name + " " + c.Version + ": "
		if c.Name == "std" {
			head = "\n==== std: LICENSE"
		}
		if !strings.Contains(string(notices), head) {
			t.Errorf("the terms of %s %s are not passed on", c.Name, c.Version)
		}
	}
}

// bill holds a bill of materials to CycloneDX's own schema and reader, and to what is linked.
func bill(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	schema := cyclone(t)
	if err := schema.Validate(doc); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	doc.(map[string]any)["components"].([]any)[0].(map[string]any)["type"] = "module" // which is none of CycloneDX's
	if schema.Validate(doc) == nil {
		t.Error("the schema takes everything")
	}
	var b cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(bytes.NewReader(text), cyclonedx.BOMFileFormatJSON).Decode(&b); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range *b.Components {
		names = append(names, c.Name)
		if c.Version == "" || c.PackageURL == "" {
			t.Errorf("%+v", c)
		}
	}
	for _, want := range []string{"std", "github.com/rabbitmq/amqp091-go", "github.com/redis/rueidis", "modernc.org/sqlite"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s among %v", want, names)
		}
	}
	if slices.Contains(names, "go.uber.org/goleak") {
		t.Error("a library of the tests is linked")
	}
}

// cyclone is the schema of CycloneDX 1.6, as the library of CycloneDX holds it.
func cyclone(t *testing.T) *jsonschema.Schema {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	for _, name := range []string{"bom-1.6.schema.json", "spdx.schema.json", "jsf-0.82.schema.json"} {
		matches, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "schema", strings.TrimSuffix(name, ".json")+"*"))
		if err != nil || len(matches) == 0 {
			t.Fatal(name, err)
		}
		f, err := os.Open(matches[0])
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		_ = f.Close()
		if err != nil || !json.Valid(text) {
			t.Fatal(name, err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource("http://cyclonedx.org/schema/"+name, doc); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}
