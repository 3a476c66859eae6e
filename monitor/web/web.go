// Package web holds the pages: HTML, one stylesheet and ES modules, as they are written. They hold no data; what they show they
// ask of the API.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed page
var files embed.FS

// A file is one that is served.
type file struct {
	text []byte
	kind string
	tag  string
}

// kinds of files. Those of the system are not asked: they differ, and a wrong one breaks the page under nosniff.
var kinds = map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml"}

// Handler serves the pages beneath a prefix such as "/umbel", or "" for none. Every path that is no file is the one page, which
// looks at the address itself.
func Handler(prefix string) http.Handler {
	served := make(map[string]file)
	_ = fs.WalkDir(files, "page", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		if path.Ext(name) == ".html" {
			text = []byte(strings.ReplaceAll(string(text), "PREFIX", prefix))
		}
		kind := kinds[path.Ext(name)]
		if kind == "" {
			kind = mime.TypeByExtension(path.Ext(name))
		}
		sum := sha256.Sum256(text)
		served["/static/"+strings.TrimPrefix(name, "page/")] = file{text, kind, `"` + hex.EncodeToString(sum[:12]) + `"`}
		return nil
	})
	page := served["/static/index.html"]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "pages are only read", http.StatusMethodNotAllowed)
			return
		}
		f, ok := served[r.URL.Path]
		if !ok {
			if strings.HasPrefix(r.URL.Path, "/static/") {
				http.NotFound(w, r)
				return
			}
			f = page
		}
		h := w.Header()
		h.Set("Content-Type", f.kind)
		h.Set("Cache-Control", "no-cache") // asked for again each time, and answered with 304
		h.Set("ETag", f.tag)
		if r.Header.Get("If-None-Match") == f.tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(f.text)
	})
}
