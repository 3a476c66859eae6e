package monitor_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/monitor/api"
	"github.com/umbel-go/umbel/protocol"
)

// A schema is the part of JSON Schema that our document uses.
type schema struct {
	Ref        string             `json:"$ref"`
	Type       any                `json:"type"`
	Properties map[string]*schema `json:"properties"`
	Required   []string           `json:"required"`
	Additional *bool              `json:"additionalProperties"`
	Items      *schema            `json:"items"`
	AnyOf      []*schema          `json:"anyOf"`
	Enum       []string           `json:"enum"`
}

type document struct {
	Paths map[string]map[string]struct {
		Responses map[string]struct {
			Content map[string]struct{ Schema *schema }
		}
	}
	Components struct{ Schemas map[string]*schema }
}

// fits reports what in a value is not as the schema says.
func (d *document) fits(s *schema, v any, at string) []string {
	if s == nil {
		return []string{at + ": there is no schema"}
	}
	if s.Ref != "" {
		return d.fits(d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")], v, at)
	}
	if len(s.AnyOf) > 0 {
		var all []string
		for _, a := range s.AnyOf {
			wrong := d.fits(a, v, at)
			if wrong == nil {
				return nil
			}
			all = append(all, wrong...)
		}
		return all
	}
	kind := map[bool]string{true: "integer", false: "number"}
	is := ""
	switch v := v.(type) {
	case nil:
		is = "null"
	case bool:
		is = "boolean"
	case float64:
		is = kind[v == float64(int64(v))]
	case string:
		is = "string"
	case []any:
		is = "array"
	case map[string]any:
		is = "object"
	}
	var may []string
	switch t := s.Type.(type) {
	case string:
		may = []string{t}
	case []any:
		for _, one := range t {
			may = append(may, one.(string))
		}
	}
	if !slices.Contains(may, is) && (is != "integer" || !slices.Contains(may, "number")) {
		return []string{fmt.Sprintf("%s is %s, want %v", at, is, may)}
	}
	var wrong []string
	switch v := v.(type) {
	case string:
		if s.Enum != nil && !slices.Contains(s.Enum, v) {
			wrong = append(wrong, fmt.Sprintf("%s is %q, want one of %v", at, v, s.Enum))
		}
	case []any:
		for i, x := range v {
			wrong = append(wrong, d.fits(s.Items, x, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case map[string]any:
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				wrong = append(wrong, at+" has no "+name)
			}
		}
		for name, x := range v {
			if p := s.Properties[name]; p != nil {
				wrong = append(wrong, d.fits(p, x, at+"."+name)...)
			} else if s.Additional != nil && !*s.Additional {
				wrong = append(wrong, at+" has "+name+", which the document does not know")
			}
		}
	}
	return wrong
}

func TestTheRunningServerAnswersAsItsDocumentSays(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Access: access.Config{Anonymous: access.Owner}, Schedules: newDesk()})
	r.say(heartbeat())
	r.say(life("task-1", "shop.pay")...)
	r.say(&protocol.TaskReceived{UUID: "task-2", Name: "x", RootID: "task-1", ParentID: "task-1"}, &protocol.TaskRetried{UUID: "task-2", Exception: "E"})
	var doc document
	r.get("/api/v1/openapi.json", &doc)
	r.await("there is something of everything", func() bool {
		var s struct {
			Lines []struct{ Metric string }
		}
		r.get("/api/v1/series?metric=wait&metric=runtime&metric=workers&metric=retried", &s)
		return len(s.Lines) == 4 && r.send("GET", "/api/v1/workers/w1@host", nil, nil).StatusCode == 200
	})
	if len(doc.Paths) < 10 {
		t.Fatalf("the document has %d paths", len(doc.Paths))
	}
	for path, ops := range doc.Paths {
		for method := range ops {
			if method != "get" || path == "/api/v1/stream" {
				continue // those that act have tests of their own
			}
			for _, real := range examples(path) {
				a := r.send("GET", real, nil, nil)
				resp, ok := ops[method].Responses[fmt.Sprint(a.StatusCode)]
				if !ok {
					t.Errorf("%s: %s is not in the document: %s", real, a.Status, a.body)
					continue
				}
				var v any
				a.into(t, &v)
				for _, w := range doc.fits(resp.Content["application/json"].Schema, v, real) {
					t.Error(w)
				}
			}
		}
	}
}

// examples are requests for a path: one that works, and some that do not.
func examples(path string) []string {
	switch {
	case strings.Contains(path, "{id}"):
		return []string{strings.Replace(path, "{id}", "task-2", 1), strings.Replace(path, "{id}", "nobody", 1)}
	case strings.Contains(path, "/schedules/{name}"):
		return []string{strings.Replace(path, "{name}", "nightly-report", 1), strings.Replace(path, "{name}", "misspelt", 1), strings.Replace(path, "{name}", "nobody", 1)}
	case strings.Contains(path, "{name}"):
		return []string{strings.Replace(path, "{name}", "w1@host", 1), strings.Replace(path, "{name}", "nobody", 1)}
	case strings.HasSuffix(path, "/tasks"):
		return []string{path, path + "?state=success,retry&text=pears&since=2020-01-01T00:00:00Z", path + "?stat=x", path + "?since=noon", path + "?limit=0", path + "?id=x"}
	case strings.HasSuffix(path, "/series"):
		return []string{path + "?metric=runtime&metric=ready&metric=failed", path, path + "?metric=joy", path + "?metric=ready&since=5&until=4"}
	case strings.HasSuffix(path, "/audit"):
		return []string{path, path + "?before=x"}
	}
	return []string{path}
}

func TestEveryRouteIsInTheDocumentAndTheOtherWayRound(t *testing.T) {
	var doc document
	if err := json.Unmarshal(api.Document, &doc); err != nil {
		t.Fatal(err)
	}
	var told []string
	for path, ops := range doc.Paths {
		for method := range maps.Keys(ops) {
			told = append(told, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(told)
	routes := api.Routes()
	slices.Sort(routes)
	if !slices.Equal(told, routes) {
		t.Errorf("the document tells of\n%s\nand served are\n%s", strings.Join(told, "\n"), strings.Join(routes, "\n"))
	}
}
