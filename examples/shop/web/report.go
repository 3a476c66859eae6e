package web

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"strconv"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/examples/shop/store"
)

// A reportRequest is the body of POST /api/reports. Days are those of UTC.
type reportRequest struct {
	Since string `json:"since"` // first day, such as 2026-01-02; "" is from the beginning
	Until string `json:"until"` // last day; "" is up to now
	Email string `json:"email"` // who is told when it is ready; "" is nobody
}

func (in reportRequest) report(now time.Time) (r store.Report, err error) {
	r.Since, r.Until = time.Unix(0, 0), now.Add(time.Second).Truncate(time.Second)
	if in.Since != "" {
		if r.Since, err = time.Parse(time.DateOnly, in.Since); err != nil {
			return r, bad("since=%q: want a day such as 2026-01-02", in.Since)
		}
	}
	if in.Until != "" {
		if r.Until, err = time.Parse(time.DateOnly, in.Until); err != nil {
			return r, bad("until=%q: want a day such as 2026-01-02", in.Until)
		}
		r.Until = r.Until.AddDate(0, 0, 1)
	}
	if !r.Since.Before(r.Until) {
		return r, bad("the first day, %s, is after the last, %s", in.Since, in.Until)
	}
	if in.Email != "" {
		to, err := mail.ParseAddress(in.Email)
		if err != nil {
			return r, bad("email: %q is no mail address", in.Email)
		}
		r.Email = to.Address
	}
	return r, nil
}

// asked is a context under which the audit trail knows the request by the hash of its body.
func asked(r *http.Request, k store.Key) context.Context {
	a := store.ActorOf(r.Context())
	a.Args = k.Hash
	return store.As(r.Context(), a)
}

func (s *site) requestReport(w http.ResponseWriter, r *http.Request) {
	var in reportRequest
	body, err := decode(r, &in)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	k, err := key(r, body)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	id, err := s.request(r, in, k)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	row, err := s.Store.Report(r.Context(), id)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	w.Header().Set("Location", fmt.Sprintf("/api/reports/%d", id))
	answer(w, http.StatusAccepted, viewReport(row))
}

// request writes a report down with its task, and returns its id.
func (s *site) request(r *http.Request, in reportRequest, k store.Key) (int64, error) {
	wanted, err := in.report(time.Now().UTC())
	if err != nil {
		return 0, err
	}
	id, _, err := s.Store.RequestReport(asked(r, k), wanted, k)
	if err == nil {
		s.publish()
	}
	return id, err
}

// row is the report that a path names.
func (s *site) row(r *http.Request) (store.Report, error) {
	id, err := number(r)
	if err != nil {
		return store.Report{}, err
	}
	return s.Store.Report(r.Context(), id)
}

func (s *site) getReport(w http.ResponseWriter, r *http.Request) {
	row, err := s.row(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	answer(w, http.StatusOK, s.progress(r.Context(), viewReport(row)))
}

func (s *site) listReports(w http.ResponseWriter, r *http.Request) {
	before, limit, err := page(r, 50)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	all, err := s.Store.LatestReports(r.Context(), before, limit)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"reports": viewReports(all)})
}

func viewReports(all []store.Report) []reportView {
	list := make([]reportView, len(all))
	for i, row := range all {
		list[i] = viewReport(row)
	}
	return list
}

func (s *site) cancelReport(w http.ResponseWriter, r *http.Request) {
	row, err := s.cancel(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	answer(w, http.StatusOK, viewReport(row))
}

// cancel notes that nobody wants a report any more, and ends its task: what comes first, the note or the worker, decides.
func (s *site) cancel(r *http.Request) (store.Report, error) {
	row, err := s.row(r)
	if err != nil {
		return row, err
	}
	ended, err := s.Store.CancelReport(r.Context(), row.ID)
	if err != nil {
		return row, err
	}
	if !ended {
		return row, &badRequest{http.StatusConflict, fmt.Sprintf("report %d is %s: there is nothing to cancel", row.ID, row.State)}
	}
	if err := s.App.Revoke(r.Context(), []string{row.Task}, umbel.Terminate()); err != nil {
		s.log().Warn("a cancelled report may still be written, and will be thrown away", "report", row.ID, "task", row.Task, "error", err)
	}
	return s.Store.Report(r.Context(), row.ID)
}

// file hands the report over. Its sum is in the header Repr-Digest (RFC 9530), for clients that want to be sure.
func (s *site) file(w http.ResponseWriter, r *http.Request) {
	row, err := s.row(r)
	if err == nil && row.State != store.Ready {
		err = &badRequest{http.StatusConflict, fmt.Sprintf("report %d is %s: there is no file", row.ID, row.State)}
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	f, size, err := s.Files.Open(r.Context(), row.File)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	defer f.Close()
	if err := s.Store.Note(r.Context(), store.ReportFetched, fmt.Sprintf("report/%d", row.ID), "opened"); err != nil {
		s.refuse(w, r, err) // nothing is handed out that the trail does not know of
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+row.File+`"`)
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	if sum, err := hex.DecodeString(row.SHA256); err == nil {
		h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum)+":")
	}
	from := &source{Reader: f}
	if _, err := io.Copy(w, from); err != nil && from.err != nil && r.Context().Err() == nil { // else it is the client that broke off
		s.log().Error("a download broke off", "report", row.ID, "error", from.err)
	}
}

// A source remembers why it could not be read.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
