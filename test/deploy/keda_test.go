package deploy

import (
	"bytes"
	"encoding/json"
	"os"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"
)

// scaledObject is the schema of ScaledObject in KEDA's own definition, which testdata holds as KEDA ships it. Fields that it
// does not know are errors here; the API server would drop them without a word.
var scaledObject = sync.OnceValues(func() (*jsonschema.Schema, error) {
	text, err := os.ReadFile("testdata/keda.sh_scaledobjects.yaml")
	if err != nil {
		return nil, err
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		return nil, err
	}
	root := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	closeObjects(root)
	root["properties"].(map[string]any)["metadata"] = map[string]any{"type": "object"}
	raw, err := json.Marshal(root)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("scaledobject.json", doc); err != nil {
		return nil, err
	}
	return c.Compile("scaledobject.json")
})

func closeObjects(v any) {
	switch v := v.(type) {
	case map[string]any:
		if p, ok := v["properties"].(map[string]any); ok && v["additionalProperties"] == nil && len(p) > 0 {
			v["additionalProperties"] = false
		}
		delete(v, "format") // int32: numbers have their types in Go already
		for _, x := range v {
			closeObjects(x)
		}
	case []any:
		for _, x := range v {
			closeObjects(x)
		}
	}
}

func keda(t *testing.T, o map[string]any) {
	t.Helper()
	schema, err := scaledObject()
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(plain(t, o)); err != nil {
		t.Errorf("ScaledObject: %v", err)
	}
}

// plain is a value as JSON has it.
func plain(t *testing.T, v any) any {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTheSchemaOfKEDARefuses(t *testing.T) {
	t.Parallel()
	schema, err := scaledObject()
	if err != nil {
		t.Fatal(err)
	}
	good := read(t, golden(t, "keda")["shop.yaml"]).scaled[0]
	for what, spoil := range map[string]func(spec map[string]any){
		"an unknown field":   func(spec map[string]any) { spec["minReplicas"] = 1 },
		"a missing target":   func(spec map[string]any) { delete(spec, "scaleTargetRef") },
		"a number as text":   func(spec map[string]any) { spec["maxReplicaCount"] = "10" },
		"an unknown trigger": func(spec map[string]any) { spec["triggers"].([]any)[0].(map[string]any)["kind"] = "prometheus" },
	} {
		raw, err := json.Marshal(good)
		if err != nil {
			t.Fatal(err)
		}
		var o map[string]any
		if err := json.Unmarshal(raw, &o); err != nil {
			t.Fatal(err)
		}
		spoil(o["spec"].(map[string]any))
		if schema.Validate(plain(t, o)) == nil {
			t.Errorf("%s is taken", what)
		}
	}
}
