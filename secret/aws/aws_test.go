package aws

import (
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/secret"
)

// store is AWS for all tests here: the SDK's settings are read once per process and region.
var store *testenv.SecretStore

func TestMain(m *testing.M) {
	store = testenv.NewSecrets()
	for _, v := range store.Environ() {
		name, value, _ := strings.Cut(v, "=")
		os.Setenv(name, value)
	}
	code := m.Run()
	store.Close()
	if err := goleak.Find(); code == 0 && err != nil {
		println(err.Error())
		code = 1
	}
	os.Exit(code)
}

func TestSecretsAreReadFromAWS(t *testing.T) {
	store.Put("shop/broker", `{"url": "amqps://shop:hush@h//", "user": "shop"}`)
	store.Put("shop/plain", "hush")
	store.Put("/shop/redis", "rediss://h/0")
	store.Put("shop/old@AWSPREVIOUS", "before")
	for text, want := range map[string]string{
		"secretsmanager://shop/broker#user":                                   "shop",
		"secretsmanager://shop/plain":                                         "hush",
		store.ARN("us-east-2", "shop/broker") + ":url::":                      "amqps://shop:hush@h//",
		store.ARN("us-east-2", "shop/plain"):                                  "hush",
		"secretsmanager://" + store.ARN("us-east-2", "shop/broker") + "#user": "shop",
		store.ARN("us-east-2", "shop/old") + "::AWSPREVIOUS:":                 "before",
		"ssm:///shop/redis":                                                   "rediss://h/0",
	} {
		if got, err := secret.Read(t.Context(), text); got != want || err != nil {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

func TestWhatAWSRefusesIsExplained(t *testing.T) {
	store.Put("shop/json", `{"url": "hush"}`)
	for text, want := range map[string]string{
		"secretsmanager://shop/none":           "secret secretsmanager://shop/none: there is none of that name in eu-west-1",
		"ssm://none":                           "secret ssm://none: there is none of that name in eu-west-1",
		store.ARN("ap-south-1", "none") + "#k": "there is none of that name in ap-south-1",
		"secretsmanager://shop/json":           "append # and one of its keys: it has url",
		"secretsmanager://shop/json#password":  `there is no key "password": it has url`,
	} {
		if _, err := secret.Read(t.Context(), text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	for code, want := range map[string]string{
		"AccessDeniedException":       "allow the role of this process secretsmanager:GetSecretValue",
		"DecryptionFailure":           "kms:Decrypt",
		"UnrecognizedClientException": "does not accept this process's credentials",
		"InvalidRequestException":     "InvalidRequestException: as the test wants it",
	} {
		store.Fail(code)
		_, err := secret.Read(t.Context(), "secretsmanager://shop/refused")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", code, err, want)
		}
	}
	store.Fail("")
}
