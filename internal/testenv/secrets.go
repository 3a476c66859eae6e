package testenv

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// A SecretStore answers as AWS Secrets Manager and as the Parameter Store of AWS Systems Manager do: JSON 1.1, told apart by
// X-Amz-Target. It wants a signature for the right service and region, and does not verify it.
type SecretStore struct {
	server *httptest.Server

	mu      sync.Mutex
	secrets map[string]string // by name
	asked   map[string]int
	fail    string // a code; "" for none
}

// Secrets starts an empty store, and points the AWS SDK of this process at it: a test that calls it cannot be parallel.
func Secrets(t *testing.T) *SecretStore {
	t.Helper()
	s := NewSecrets()
	t.Cleanup(s.Close)
	for _, v := range s.Environ() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	return s
}

// NewSecrets starts an empty store for tests that say by Environ who asks it.
func NewSecrets() *SecretStore {
	s := &SecretStore{secrets: make(map[string]string), asked: make(map[string]int)}
	s.server = httptest.NewServer(http.HandlerFunc(s.serve))
	return s
}

// Close ends the store.
func (s *SecretStore) Close() { s.server.Close() }

// Environ are the variables that point an AWS SDK at the store.
func (s *SecretStore) Environ() []string {
	return []string{"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + s.server.URL, "AWS_ENDPOINT_URL_SSM=" + s.server.URL, "AWS_REGION=eu-west-1",
		"AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=example", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null"}
}

// Put keeps a value under a name, in place of the one before.
func (s *SecretStore) Put(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets[name] = value
}

// Fail answers every request with an error of this code from now on; "" ends that.
func (s *SecretStore) Fail(code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = code
}

// Asked is how often a name was asked for.
func (s *SecretStore) Asked(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[name]
}

// ARN is the ARN of the secret of that name in a region.
func (s *SecretStore) ARN(region, name string) string {
	return "arn:aws:secretsmanager:" + region + ":123456789012:secret:" + name
}

func (s *SecretStore) serve(w http.ResponseWriter, r *http.Request) {
	target := r.Header.Get("X-Amz-Target")
	var in struct {
		SecretId, VersionStage, VersionId, Name string
		WithDecryption                          bool
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	if err != nil {
		s.refuse(w, "SerializationException", err.Error())
		return
	}
	service, missing, region := "secretsmanager", "ResourceNotFoundException", "eu-west-1"
	name := in.SecretId
	if parts := strings.Split(name, ":"); len(parts) == 7 && parts[0] == "arn" {
		region, name = parts[3], parts[6]
	}
	if target == "AmazonSSM.GetParameter" {
		service, missing, name = "ssm", "ParameterNotFound", in.Name
	} else if target != "secretsmanager.GetSecretValue" {
		s.refuse(w, "UnknownOperationException", target)
		return
	}
	if scope := fmt.Sprintf("/%s/%s/aws4_request", region, service); !strings.Contains(r.Header.Get("Authorization"), scope) {
		s.refuse(w, "InvalidSignatureException", "the credential is not scoped to "+scope)
		return
	}
	s.mu.Lock()
	s.asked[name]++
	value, ok := s.secrets[name]
	if in.VersionStage == "AWSPREVIOUS" {
		value, ok = s.secrets[name+"@AWSPREVIOUS"]
	}
	fail := s.fail
	s.mu.Unlock()
	switch {
	case fail != "":
		s.refuse(w, fail, "as the test wants it")
	case !ok:
		s.refuse(w, missing, "there is no "+name)
	case service == "ssm" && !in.WithDecryption:
		s.answer(w, http.StatusOK, map[string]any{"Parameter": map[string]any{"Name": name, "Type": "SecureString", "Value": "AQICAH encrypted"}})
	case service == "ssm":
		s.answer(w, http.StatusOK, map[string]any{"Parameter": map[string]any{"Name": name, "Type": "SecureString", "Value": value}})
	default:
		s.answer(w, http.StatusOK, map[string]any{"ARN": s.ARN(region, name), "Name": name, "SecretString": value, "VersionStages": []string{"AWSCURRENT"}})
	}
}

func (s *SecretStore) refuse(w http.ResponseWriter, code, message string) {
	w.Header().Set("X-Amzn-ErrorType", code)
	s.answer(w, http.StatusBadRequest, map[string]any{"__type": code, "message": message})
}

func (s *SecretStore) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
