package web

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/umbel-go/umbel/examples/shop/store"
)

// pages are the templates, each within the layout, by name.
type pages map[string]*template.Template

var words = template.FuncMap{
	"state": func(v any) string { return strings.ReplaceAll(fmt.Sprint(v), "_", " ") },
	"count": count,
	"when":  func(t time.Time) string { return t.UTC().Format("2 Jan 15:04:05") },
	"exact": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"size":  size,
	"key":   rand.Text,
	"short": func(s string) string { return s[:min(len(s), 12)] },
}

func readPages() (pages, error) {
	p := make(pages)
	for _, name := range []string{"overview", "orders", "order", "reports", "report", "audit", "fault"} {
		t, err := template.New("layout.html").Funcs(words).ParseFS(files, "page/layout.html", "page/part.html", "page/"+name+".html")
		if err != nil {
			return nil, err
		}
		p[name] = t
	}
	return p, nil
}

// show draws a page whole before it sends a byte, so that half a page is never seen.
func (s *site) show(w http.ResponseWriter, r *http.Request, status int, name string, v any) {
	var b bytes.Buffer
	here := "/" + strings.Split(r.URL.Path, "/")[1]
	if err := s.pages[name].Execute(&b, map[string]any{"Here": here, "V": v}); err != nil {
		s.log().Error("a page cannot be drawn", "page", name, "error", err)
		http.Error(w, "this page cannot be drawn", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// kinds of files. Those of the system are not asked: a wrong one breaks the page under nosniff.
var kinds = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// static serves the stylesheet, the script and the icon; a browser asks each time, and is told when they are the same.
func static() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/static/")
		text, err := files.ReadFile("page/" + name)
		kind := kinds[path.Ext(name)]
		if err != nil || kind == "" {
			http.NotFound(w, r)
			return
		}
		sum := sha256.Sum256(text)
		tag := `"` + hex.EncodeToString(sum[:8]) + `"`
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(text)
	})
}

func (s *site) overview(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	totals, err := s.Store.Totals(ctx, 0)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	all := 0
	for _, n := range totals.Orders {
		all += n
	}
	waiting, oldest, err := s.Store.Outbox(ctx)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	orders, err := s.Store.LatestOrders(ctx, 0, 8)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	reports, err := s.Store.LatestReports(ctx, 0, 5)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	articles, err := s.Store.Articles(ctx)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	late := waiting > 0 && time.Since(oldest) > 10*time.Second
	s.show(w, r, http.StatusOK, "overview", map[string]any{"All": all, "Open": totals.Orders[store.Placed] + totals.Orders[store.Reserved],
		"Paid": totals.Orders[store.Paid], "SoldOut": totals.Orders[store.SoldOut], "Taken": totals.Taken, "Waiting": waiting, "Late": late,
		"Orders": viewOrders(orders), "Reports": s.views(r, reports), "Articles": articles})
}

// views are reports with their progress.
func (s *site) views(r *http.Request, rows []store.Report) []reportView {
	list := viewReports(rows)
	for i := range list {
		list[i] = s.progress(r.Context(), list[i])
	}
	return list
}

const perPage = 50

func (s *site) ordersPage(w http.ResponseWriter, r *http.Request) {
	before, _, err := page(r, perPage)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	orders, err := s.Store.LatestOrders(r.Context(), before, perPage)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	articles, err := s.Store.Articles(r.Context())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	more := int64(0)
	if len(orders) == perPage {
		more = orders[perPage-1].ID
	}
	s.show(w, r, http.StatusOK, "orders", map[string]any{"Orders": viewOrders(orders), "Articles": articles, "More": more, "Before": before})
}

func (s *site) orderForm(w http.ResponseWriter, r *http.Request) {
	quantity, err := strconv.Atoi(r.FormValue("quantity"))
	if err != nil {
		s.refuse(w, r, bad("quantity %q: want a number", r.FormValue("quantity")))
		return
	}
	id, err := s.place(r, orderRequest{Customer: r.FormValue("customer"), SKU: r.FormValue("sku"), Quantity: quantity}, formKey(r))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	http.Redirect(w, r, fmt.Sprintf("/orders/%d", id), http.StatusSeeOther)
}

// formKey is the idempotency key that the page gave its form: sent twice by an impatient finger, it is one request.
func formKey(r *http.Request) store.Key {
	text := r.FormValue("key")
	if text == "" || len(text) > 255 {
		return store.Key{Hash: store.Hash([]byte(r.PostForm.Encode()))}
	}
	return store.Key{Text: "form " + text, Hash: store.Hash([]byte(r.PostForm.Encode()))}
}

func (s *site) orderPage(w http.ResponseWriter, r *http.Request) {
	id, err := number(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	o, err := s.Store.Order(r.Context(), id)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	entries, err := s.Store.Audit(r.Context(), fmt.Sprintf("order/%d", id), 0, 50)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, "order", map[string]any{"Order": viewOrder(o), "Entries": entries})
}

func (s *site) reportsPage(w http.ResponseWriter, r *http.Request) {
	before, _, err := page(r, perPage)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	rows, err := s.Store.LatestReports(r.Context(), before, perPage)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	more := int64(0)
	if len(rows) == perPage {
		more = rows[perPage-1].ID
	}
	s.show(w, r, http.StatusOK, "reports", map[string]any{"Reports": s.views(r, rows), "More": more, "Before": before})
}

func (s *site) reportForm(w http.ResponseWriter, r *http.Request) {
	in := reportRequest{Since: r.FormValue("since"), Until: r.FormValue("until"), Email: r.FormValue("email")}
	id, err := s.request(r, in, formKey(r))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	http.Redirect(w, r, fmt.Sprintf("/reports/%d", id), http.StatusSeeOther)
}

func (s *site) cancelForm(w http.ResponseWriter, r *http.Request) {
	row, err := s.cancel(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	http.Redirect(w, r, fmt.Sprintf("/reports/%d", row.ID), http.StatusSeeOther)
}

func (s *site) reportPage(w http.ResponseWriter, r *http.Request) {
	row, err := s.row(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	entries, err := s.Store.Audit(r.Context(), fmt.Sprintf("report/%d", row.ID), 0, 50)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, "report", map[string]any{"Report": s.progress(r.Context(), viewReport(row)), "Entries": entries})
}

// count writes 12345 as 12,345.
func count(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func size(bytes int64) string {
	switch {
	case bytes < 1000:
		return fmt.Sprintf("%d bytes", bytes)
	case bytes < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(bytes)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
}
