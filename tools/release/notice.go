package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// terms are files of a module that say under which terms it may be passed on.
var terms = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|copyright)([.-].*)?$`)

// notices are the terms of all that is linked into a program beside our own: most of them want to be passed on with it. The
// order is that of the modules' names.
func (r *release) notices(env []string) ([]byte, error) {
	folders, err := r.linked(env)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("What is linked into this program beside its own code, and under which terms.\n")
	for _, name := range slices.Sorted(maps.Keys(folders)) {
		entries, err := os.ReadDir(folders[name])
		if err != nil {
			return nil, err
		}
		found := false
		for _, e := range entries { // by name
			if e.IsDir() || !terms.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
				continue
			}
			text, err := os.ReadFile(filepath.Join(folders[name], e.Name()))
			if err != nil {
				return nil, err
			}
			found = true
			fmt.Fprintf(&b, "\n\n==== %s: %s ====\n\n%s\n", name, e.Name(), bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))))
		}
		if !found {
			return nil, fmt.Errorf("%s says nothing of its terms: it cannot be passed on", name)
		}
	}
	return b.Bytes(), nil
}

// linked are the folders of the modules of which something is linked, by name and version; Go's own library is std.
func (r *release) linked(env []string) (map[string]string, error) {
	cmd := exec.Command("go", "list", "-C", r.source, "-deps", "-tags", tags, "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{or .Dir .Replace.Dir}}{{end}}{{end}}", r.pkg)
	cmd.Env, cmd.Stderr = env, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	root, err := exec.Command("go", "env", "-C", r.source, "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	folders := map[string]string{"std": strings.TrimSpace(string(root))}
	for line := range strings.Lines(string(out)) {
		if name, folder, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			folders[name] = folder
		}
	}
	return folders, nil
}
