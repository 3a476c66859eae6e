package deploy

import (
	"os"
	"path/filepath"
	"testing"
)

// golden are the files of one platform, by name, as internal/render's tests hold them.
func golden(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	out := make(map[string][]byte)
	files, err := filepath.Glob(filepath.Join("../../internal/render/testdata", folder, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(path)] = text
	}
	return out
}
