package secret

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

var errEmpty = errors.New("it is empty")

// most is how much of a file is read, bytes. AWS keeps at most 64 KiB.
const most = 64 << 10

// pick takes one key out of a secret that is a JSON object, or the whole of one that is plain text. What it says of a fault names
// keys and no values.
func pick(whole, key string) (string, error) {
	text := strings.TrimSpace(whole)
	var object map[string]json.RawMessage
	if !strings.HasPrefix(text, "{") || json.Unmarshal([]byte(text), &object) != nil {
		if key != "" {
			return "", fmt.Errorf("it is plain text and has no keys: leave out #%s", key)
		}
		return whole, nil
	}
	keys := make([]string, 0, len(object))
	for k := range object {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	has := "it has " + strings.Join(keys, ", ")
	if len(keys) == 0 {
		has = "it has none"
	}
	if key == "" {
		return "", fmt.Errorf("it is a JSON object: append # and one of its keys: %s", has)
	}
	raw, ok := object[key]
	if !ok {
		return "", fmt.Errorf("there is no key %q: %s", key, has)
	}
	var value string
	if json.Unmarshal(raw, &value) != nil {
		if raw = json.RawMessage(strings.TrimSpace(string(raw))); strings.ContainsAny(string(raw[:1]), `{[`) {
			return "", fmt.Errorf("key %q holds neither text nor a number", key)
		}
		value = string(raw) // a number: a port
	}
	if value == "" {
		return "", fmt.Errorf("key %q is empty", key)
	}
	return value, nil
}

// readFile reads a secret that is mounted as a file. Its last line break is not part of it.
func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > most:
		return "", fmt.Errorf("it is larger than %d KiB", most>>10)
	}
	value := strings.TrimRight(string(text), "\r\n")
	if value == "" {
		return "", errEmpty
	}
	return value, nil
}
