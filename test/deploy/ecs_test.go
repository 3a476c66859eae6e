package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"
)

// An amazon is an endpoint of ECS that keeps what it is asked.
type amazon struct {
	mu    sync.Mutex
	asked map[string][]byte // the last body by operation
}

func (a *amazon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if err != nil || operation == "" || !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/ecs/aws4_request") {
		http.Error(w, fmt.Sprint(operation, err), http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	a.asked[operation] = body
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_, _ = io.WriteString(w, `{"taskDefinition":{"taskDefinitionArn":"arn:aws:ecs:eu-west-1:123456789012:task-definition/x:1"},"service":{"serviceName":"x"}}`)
}

func endpoint(t *testing.T) (*ecs.Client, *amazon) {
	a := &amazon{asked: make(map[string][]byte)}
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	return ecs.New(ecs.Options{Region: "eu-west-1", BaseEndpoint: aws.String(s.URL), HTTPClient: s.Client(), Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "")}), a
}

// decode takes JSON into one of the SDK's inputs, and refuses what it does not know, and values that are none of an enumeration.
func decode(t *testing.T, name string, text []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	enumerations(t, name, reflect.ValueOf(into).Elem())
}

func enumerations(t *testing.T, at string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			enumerations(t, at, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				enumerations(t, at+"."+v.Type().Field(i).Name, v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			enumerations(t, fmt.Sprintf("%s[%d]", at, i), v.Index(i))
		}
	case reflect.String:
		values := v.MethodByName("Values")
		if !values.IsValid() || v.String() == "" {
			return
		}
		known := values.Call(nil)[0]
		for i := range known.Len() {
			if known.Index(i).String() == v.String() {
				return
			}
		}
		t.Errorf("%s: %q is none of %v", at, v.String(), known)
	}
}

// same compares what was written with what reached Amazon.
func same(t *testing.T, name string, written, asked []byte) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal(written, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(asked, &b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("%s: written and sent differ:\n%s", name, diff)
	}
}

func TestTaskDefinitionsAreWhatECSTakes(t *testing.T) {
	client, a := endpoint(t)
	families := make(map[string]bool)
	for name, text := range golden(t, "ecs") {
		switch {
		case strings.HasSuffix(name, ".task.json"):
			var in ecs.RegisterTaskDefinitionInput
			decode(t, name, text, &in)
			if _, err := client.RegisterTaskDefinition(context.Background(), &in); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			same(t, name, text, a.asked["RegisterTaskDefinition"])
			families[*in.Family] = true
			definition(t, name, &in)
		case strings.HasSuffix(name, ".service.json"):
			var in ecs.CreateServiceInput
			decode(t, name, text, &in)
			if _, err := client.CreateService(context.Background(), &in); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			same(t, name, text, a.asked["CreateService"])
			if (in.LaunchType == "") == (len(in.CapacityProviderStrategy) == 0) {
				t.Errorf("%s: want a launch type or a capacity provider, and not both", name)
			}
		default:
			t.Errorf("%s: what is it?", name)
		}
	}
	if len(families) != 6 {
		t.Errorf("families %v", families)
	}
	for name, text := range golden(t, "ecs") {
		var in ecs.CreateServiceInput
		if strings.HasSuffix(name, ".service.json") {
			decode(t, name, text, &in)
			if !families[*in.TaskDefinition] {
				t.Errorf("%s: nobody defines %s", name, *in.TaskDefinition)
			}
		}
	}
}

// definition holds a task definition to what AWS checks on its side, and to what rows F1 to F13 of the guide ask.
func definition(t *testing.T, name string, in *ecs.RegisterTaskDefinitionInput) {
	t.Helper()
	for what, missing := range map[string]bool{
		"cpu": in.Cpu == nil, "memory": in.Memory == nil, "networkMode": in.NetworkMode != "awsvpc", "requiresCompatibilities": len(in.RequiresCompatibilities) != 1,
		"executionRoleArn": in.ExecutionRoleArn == nil, "taskRoleArn": in.TaskRoleArn == nil, "runtimePlatform": in.RuntimePlatform == nil,
	} {
		if missing {
			t.Errorf("%s: no %s, or not what Fargate wants", name, what)
		}
	}
	for _, c := range in.ContainerDefinitions {
		if len(*c.Name) > 255 || c.LogConfiguration == nil || c.HealthCheck == nil || c.HealthCheck.Command[0] != "CMD" || !*c.ReadonlyRootFilesystem || *c.User != "65532:65532" {
			t.Errorf("%s: %+v", name, c)
		}
		if *c.StopTimeout < 15 || *c.StopTimeout > 120 {
			t.Errorf("%s: Fargate takes no stopTimeout of %d", name, *c.StopTimeout)
		}
		for _, option := range []string{"awslogs-group", "awslogs-region", "awslogs-stream-prefix"} {
			if c.LogConfiguration.Options[option] == "" {
				t.Errorf("%s: no %s", name, option)
			}
		}
		var secrets []string
		for _, s := range c.Secrets {
			secrets = append(secrets, *s.Name)
			if arn := strings.Split(*s.ValueFrom, ":"); len(arn) != 10 || arn[7] == "" { // …:secret:NAME:KEY:STAGE:VERSION
				t.Errorf("%s: %s is no ARN with a key", name, *s.ValueFrom)
			}
		}
		for _, want := range []string{"CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"} {
			if !slices.Contains(secrets, want) {
				t.Errorf("%s: no secret %s", name, want)
			}
		}
		for _, v := range c.MountPoints {
			if !slices.ContainsFunc(in.Volumes, func(x types.Volume) bool { return *x.Name == *v.SourceVolume }) {
				t.Errorf("%s: no volume %s", name, *v.SourceVolume)
			}
		}
	}
}
