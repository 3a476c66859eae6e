package cli

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// unfold is a handler of text for people: a value of several lines (a traceback, stacks) is written below its line and
// set in, instead of in one line with \n for each end.
type unfold struct {
	inner slog.Handler // writes to page.text
	page  *page
}

// A page gathers what belongs to one record, so that it is written at once.
type page struct {
	out io.Writer

	mu   sync.Mutex // guards text and the order of records
	text bytes.Buffer
}

// newUnfold makes inner with the writer that it is to use.
func newUnfold(out io.Writer, inner func(io.Writer) slog.Handler) slog.Handler {
	p := &page{out: out}
	return &unfold{inner: inner(&p.text), page: p}
}

// Enabled implements slog.Handler.
func (u *unfold) Enabled(ctx context.Context, l slog.Level) bool { return u.inner.Enabled(ctx, l) }

// WithAttrs implements slog.Handler.
func (u *unfold) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &unfold{inner: u.inner.WithAttrs(attrs), page: u.page}
}

// WithGroup implements slog.Handler.
func (u *unfold) WithGroup(name string) slog.Handler {
	return &unfold{inner: u.inner.WithGroup(name), page: u.page}
}

// Handle implements slog.Handler.
func (u *unfold) Handle(ctx context.Context, r slog.Record) error {
	rest, blocks := r, []string(nil)
	r.Attrs(func(a slog.Attr) bool {
		if long(a) {
			blocks = append(blocks, a.Value.String())
		}
		return true
	})
	if blocks != nil {
		rest = slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
		r.Attrs(func(a slog.Attr) bool {
			if !long(a) {
				rest.AddAttrs(a)
			}
			return true
		})
	}
	p := u.page
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text.Reset()
	if err := u.inner.Handle(ctx, rest); err != nil {
		return err
	}
	for _, b := range blocks {
		p.text.WriteString(indent(strings.TrimRight(b, "\n"), 4) + "\n")
	}
	_, err := p.out.Write(p.text.Bytes())
	return err
}

func long(a slog.Attr) bool {
	return a.Value.Kind() == slog.KindString && strings.Contains(a.Value.String(), "\n")
}
