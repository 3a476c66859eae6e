package setting

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxFile bounds a settings file and a file named by a _FILE variable.
const maxFile = 4 << 20

// extensions of settings files, in the order they are looked for.
var extensions = []string{".yaml", ".yml", ".toml", ".json"}

// findFile says which settings file to read: "" when none is asked for and none is there.
func findFile(dir, name string) (string, error) {
	asked := name != ""
	if !asked {
		name = "umbel"
	}
	if !filepath.IsAbs(name) && dir != "" {
		name = filepath.Join(dir, name)
	}
	if slices.Contains(extensions, strings.ToLower(filepath.Ext(name))) {
		return name, nil
	}
	var found, tried []string
	for _, ext := range extensions {
		tried = append(tried, name+ext)
		if _, err := os.Stat(name + ext); err == nil {
			found = append(found, name+ext)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("cannot be read: %w", err)
		}
	}
	switch {
	case len(found) > 1:
		return "", fmt.Errorf("there are %s: keep one, or name it", strings.Join(found, " and "))
	case len(found) == 1:
		return found[0], nil
	case asked:
		return "", fmt.Errorf("no settings file: there is no %s", strings.Join(tried, ", "))
	}
	return "", nil
}

// readFile reads a file of at most maxFile bytes.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d MiB: is it a settings file?", path, maxFile>>20)
	}
	return text, nil
}

// parseFile reads a file by its name's end.
func parseFile(path string, text []byte) (*Node, []Problem) {
	if strings.EqualFold(filepath.Ext(path), ".toml") {
		return readTOML(path, text)
	}
	return readYAML(path, text)
}

// file reads the settings of one file.
func (l *loader) file(path string) {
	text, err := readFile(path)
	if err != nil {
		if pathError, ok := errors.AsType[*fs.PathError](err); ok {
			err = pathError.Err
		}
		l.problem(Place{File: path}, "", "cannot read the settings file: %v", err)
		return
	}
	l.text(path, text)
}

// text reads what a settings file holds.
func (l *loader) text(path string, text []byte) {
	root, problems := parseFile(path, text)
	l.problems = append(l.problems, problems...)
	if root == nil || root.Kind == Null {
		return
	}
	if root.Kind != Mapping {
		l.problem(root.Place, "", "the file holds %s: write settings as name: value", root.Kind)
		return
	}
	written := make(map[string]Member)
	for _, m := range root.Members {
		s, ok := Lookup(m.Name)
		if !ok {
			l.problem(m.Place, m.Name, "%s", unknown(m.Name))
			continue
		}
		if before, twice := written[s.Name]; twice {
			l.problem(m.Place, m.Name, "it is set already in line %d, as %s: keep one", before.Place.Line, before.Name)
			continue
		}
		written[s.Name] = m
		m.Value.Place = orElse(m.Value.Place, m.Place)
		l.set(s, m.Name, m.Value)
	}
}

func orElse(a, b Place) Place {
	if a.Line > 0 {
		return a
	}
	return b
}
