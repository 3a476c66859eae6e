package web

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/umbel-go/umbel/examples/shop/store"
)

func (s *site) audit(w http.ResponseWriter, r *http.Request) {
	before, limit, err := page(r, 50)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	entries, err := s.Store.Audit(r.Context(), r.URL.Query().Get("object"), before, limit)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	if entries == nil {
		entries = []store.Entry{}
	}
	answer(w, http.StatusOK, map[string]any{"entries": entries})
}

// export is the whole trail, one line of JSON for each entry, oldest first. It is itself an entry.
func (s *site) export(w http.ResponseWriter, r *http.Request) {
	if err := s.Store.Note(r.Context(), store.AuditExported, "", "begun"); err != nil {
		s.refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Content-Disposition", `attachment; filename="audit.jsonl"`)
	enc := json.NewEncoder(w)
	for e, err := range s.Store.Trail(r.Context()) {
		if err != nil {
			s.log().Error("an export of the audit trail broke off", "error", err)
			panic(http.ErrAbortHandler) // so that the client does not take a part for the whole
		}
		if err := enc.Encode(e); err != nil {
			return
		}
	}
}

func (s *site) auditPage(w http.ResponseWriter, r *http.Request) {
	before, _, err := page(r, perPage)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	object := r.URL.Query().Get("object")
	entries, err := s.Store.Audit(r.Context(), object, before, perPage)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	more := ""
	if len(entries) == perPage {
		more = fmt.Sprint(entries[perPage-1].Seq)
	}
	s.show(w, r, http.StatusOK, "audit", map[string]any{"Entries": entries, "Object": object, "More": more, "Before": before})
}
