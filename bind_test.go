package umbel

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

type order struct {
	ID    int64      `json:"order_id"`
	Total float64    `json:"total"`
	Note  string     `json:"note,omitempty"`
	Due   *time.Time `json:"due"`
	address
	secret string //lint:ignore U1000 it is there to be left alone
	Skip   string `json:"-"`
}

type address struct {
	City string `json:"city,omitzero"`
}

// bodyOf reads args and kwargs as JSON text, the way they come off the wire.
func bodyOf(t *testing.T, args, kwargs string) *protocol.Body {
	t.Helper()
	a, err := codec.SplitArray([]byte(args))
	if err != nil {
		t.Fatal(err)
	}
	k, err := codec.SplitObject([]byte(kwargs))
	if err != nil {
		t.Fatal(err)
	}
	return &protocol.Body{Args: a, Kwargs: k}
}

func TestBindStruct(t *testing.T) {
	due := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		args, kwargs string
		want         order
		err          string
	}{
		"keyword arguments by json name":      {`[]`, `{"order_id": 7, "total": 42.5}`, order{ID: 7, Total: 42.5}, ""},
		"positional arguments by field order": {`[7, 42.5, "hi"]`, `{}`, order{ID: 7, Total: 42.5, Note: "hi"}, ""},
		"both":                                {`[7]`, `{"total": 1, "city": "Ulm"}`, order{ID: 7, Total: 1, address: address{City: "Ulm"}}, ""},
		"a kombu datetime": {`[7, 1]`, `{"due": {"__type__": "datetime", "__value__": "2026-11-23T10:00:00+00:00"}}`,
			order{ID: 7, Total: 1, Due: &due}, ""},
		"missing":                {`[7]`, `{}`, order{}, `t() argument "total": missing 1 required argument: total`},
		"missing two":            {`[]`, `{}`, order{}, `missing 2 required arguments: order_id, total`},
		"too many":               {`[1, 2, "", null, "", 6]`, `{}`, order{}, "takes 5 positional arguments but 6 were given"},
		"unknown keyword":        {`[1, 2]`, `{"totl": 3}`, order{}, `argument "totl": got an unexpected keyword argument; known are order_id, total, note, due, city`},
		"twice":                  {`[1, 2]`, `{"total": 3}`, order{}, `argument "total": got multiple values`},
		"mistyped":               {`["seven", 2]`, `{}`, order{}, `argument "order_id"`},
		"fraction in an integer": {`[7.5, 2]`, `{}`, order{}, `argument "order_id"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got order
			err := bind("t", shapeOf(reflect.TypeFor[order]()), bodyOf(t, tt.args, tt.kwargs), reflect.ValueOf(&got))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want one with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got, cmp.AllowUnexported(order{}, address{})); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestBindOtherInputs(t *testing.T) {
	ctx := context.Background()
	app := New("test", WithConfig(Config{}))
	double := Register(app, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	sum := Register(app, "sum", func(_ context.Context, xs []float64) (float64, error) {
		var s float64
		for _, x := range xs {
			s += x
		}
		return s, nil
	})
	when := Register(app, "when", func(_ context.Context, at time.Time) (string, error) { return at.UTC().Format(time.RFC3339), nil })
	raw := Register(app, "raw", func(_ context.Context, args Args) (int, error) { return len(args), nil })
	none := Register(app, "none", func(context.Context, struct{}) (string, error) { return "ran", nil })

	if got, err := double.Call(ctx, 21); err != nil || got != 42 {
		t.Errorf("double: %v, %v", got, err)
	}
	if got, err := sum.Call(ctx, []float64{1, 2.5}); err != nil || got != 3.5 {
		t.Errorf("sum: %v, %v", got, err)
	}
	if got, err := when.Call(ctx, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)); err != nil || got != "2026-01-02T03:04:05Z" {
		t.Errorf("when: %v, %v", got, err)
	}
	if got, err := raw.Call(ctx, Args{1, "two", Kwargs{"three": 3}}); err != nil || got != 3 {
		t.Errorf("raw: %v, %v", got, err)
	}
	if got, err := none.Call(ctx, struct{}{}); err != nil || got != "ran" {
		t.Errorf("none: %v, %v", got, err)
	}
	for _, tt := range []struct {
		d            *Definition
		args, kwargs string
		want         string
	}{
		{double.def, `[]`, `{}`, "double() takes 1 positional argument but 0 were given"},
		{double.def, `[1, 2]`, `{}`, "double() takes 1 positional argument but 2 were given"},
		{double.def, `[]`, `{"n": 1}`, `double() argument "n": got an unexpected keyword argument`},
		{none.def, `[1]`, `{}`, "none() takes 0 positional arguments but 1 was given"},
	} {
		_, err := tt.d.run(ctx, bodyOf(t, tt.args, tt.kwargs))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s%s%s: error %v, want %q", tt.d.name, tt.args, tt.kwargs, err, tt.want)
		}
	}
}

func TestUnbindIsTheOtherDirection(t *testing.T) {
	due := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	want := order{ID: 7, Total: 42.5, Note: "x", Due: &due, address: address{City: "Ulm"}}
	body := unbind(want)
	if len(body.Args) != 0 || len(body.Kwargs) != 5 || body.Kwargs[0].Name != "order_id" {
		t.Fatalf("a struct is sent as %d args and kwargs %v, want keyword arguments in field order", len(body.Args), body.Kwargs)
	}
	var got order
	if err := bind("t", shapeOf(reflect.TypeFor[order]()), body, reflect.ValueOf(&got)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(order{}, address{})); d != "" {
		t.Error(d)
	}
	if body := unbind(order{ID: 1}); len(body.Kwargs) != 3 {
		t.Errorf("omitempty fields that are zero are left out: sent %v", body.Kwargs)
	}
}

func TestAPointerToAStructIsBoundAsTheStruct(t *testing.T) {
	app := New("test", WithConfig(Config{}))
	app.Eager(true)
	task := Register(app, "t", func(_ context.Context, o *order) (float64, error) { return o.Total + float64(o.ID), nil })
	empty := Register(app, "empty", func(_ context.Context, in *struct{}) (bool, error) { return in != nil, nil })
	for name, body := range map[string]*protocol.Body{
		"positional": bodyOf(t, `[7, 42.5]`, `{}`),
		"keywords":   bodyOf(t, `[]`, `{"order_id": 7, "total": 42.5}`),
	} {
		got, err := task.Decode(body)
		if err != nil || got == nil || got.ID != 7 || got.Total != 42.5 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := task.Decode(bodyOf(t, `[]`, `{"order_id": 7}`)); err == nil || !strings.Contains(err.Error(), "missing 1 required argument: total") {
		t.Errorf("a missing argument: %v", err)
	}
	if _, err := task.Decode(bodyOf(t, `[null]`, `{}`)); err == nil {
		t.Error("null for the first field was taken")
	}
	if got := task.Definition().Input(); len(got) == 0 || got[0] != "order_id" {
		t.Errorf("its arguments are %q", got)
	}
	r, err := task.Send(t.Context(), &order{ID: 1, Total: 2})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Get(t.Context()); got != 3 || err != nil {
		t.Errorf("sent and run: %v, %v", got, err)
	}
	e, err := empty.Send(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := e.Get(t.Context()); !got || err != nil {
		t.Errorf("a nil pointer where nothing is wanted: %v, %v", got, err)
	}
	single := Register(app, "single", func(_ context.Context, at *time.Time) (bool, error) { return at == nil, nil })
	if got, err := single.Decode(bodyOf(t, `[null]`, `{}`)); got != nil || err != nil {
		t.Errorf("a pointer to a single value: %v, %v", got, err)
	}
}
