package aws

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"github.com/umbel-go/umbel/secret"
)

func init() { secret.Register(read, "secretsmanager", "ssm") }

// requestTimeout bounds one request: the store is asked up to three times within secret.Timeout.
const requestTimeout = 4 * time.Second

// accounts are the ways to AWS by region; "" is the default one. Credentials are found once and renewed by the SDK.
var accounts struct {
	sync.Mutex
	m map[string]aws.Config
}

// account is the way to AWS in a region. known says that it was found before.
func account(ctx context.Context, region string) (c aws.Config, known bool, err error) {
	accounts.Lock()
	defer accounts.Unlock()
	if c, ok := accounts.m[region]; ok {
		return c, true, nil
	}
	options := []func(*awsconfig.LoadOptions) error{awsconfig.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(requestTimeout))}
	if region != "" {
		options = append(options, awsconfig.WithRegion(region))
	}
	c, err = awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return c, false, err
	}
	if c.Region == "" {
		return c, false, errors.New("no AWS region: set AWS_REGION, or name the secret by its ARN")
	}
	if accounts.m == nil {
		accounts.m = make(map[string]aws.Config)
	}
	accounts.m[region] = c
	return c, false, nil
}

// forget has the way to a region looked for again.
func forget(region string) {
	accounts.Lock()
	defer accounts.Unlock()
	delete(accounts.m, region)
}

func read(ctx context.Context, r secret.Reference) (string, error) {
	for {
		c, known, err := account(ctx, r.Region())
		if err != nil {
			return "", err
		}
		ask := value
		if r.Scheme == "ssm" {
			ask = parameter
		}
		text, err := ask(ctx, c, r)
		if err == nil {
			return text, nil
		}
		if api := (smithy.APIError)(nil); errors.As(err, &api) || ctx.Err() != nil || errors.Is(err, errNoText) {
			return "", explain(err, r, c.Region)
		}
		// AWS was not reached, or there are no credentials: what was found when this process was young may have changed since.
		forget(r.Region())
		if !known {
			return "", explain(err, r, c.Region)
		}
	}
}

var errNoText = errors.New("AWS has no text for it")

func value(ctx context.Context, c aws.Config, r secret.Reference) (string, error) {
	in := &secretsmanager.GetSecretValueInput{SecretId: aws.String(r.Name)}
	if r.Stage != "" {
		in.VersionStage = aws.String(r.Stage)
	}
	if r.Version != "" {
		in.VersionId = aws.String(r.Version)
	}
	out, err := secretsmanager.NewFromConfig(c).GetSecretValue(ctx, in)
	switch {
	case err != nil:
		return "", err
	case out.SecretString != nil:
		return *out.SecretString, nil
	case utf8.Valid(out.SecretBinary):
		return string(out.SecretBinary), nil
	}
	return "", fmt.Errorf("%w: it is binary", errNoText)
}

func parameter(ctx context.Context, c aws.Config, r secret.Reference) (string, error) {
	out, err := ssm.NewFromConfig(c).GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(r.Name), WithDecryption: aws.Bool(true)})
	if err != nil {
		return "", err
	}
	if out.Parameter == nil || out.Parameter.Value == nil {
		return "", errNoText
	}
	return *out.Parameter.Value, nil
}

// explain makes one line of the SDK's error and says what to do.
func explain(err error, r secret.Reference, region string) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		if text := err.Error(); strings.Contains(text, "get credentials") || strings.Contains(text, "refresh cached credentials") {
			return fmt.Errorf("no AWS credentials are found: give this process a role, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: %w", cause(err))
		}
		return fmt.Errorf("ask AWS in %s: %w", region, cause(err))
	}
	said := fmt.Errorf("%s: %s", api.ErrorCode(), api.ErrorMessage())
	action := "secretsmanager:GetSecretValue"
	if r.Scheme == "ssm" {
		action = "ssm:GetParameter"
	}
	switch code := api.ErrorCode(); {
	case code == "ResourceNotFoundException" || code == "ParameterNotFound":
		return fmt.Errorf("there is none of that name in %s: check name and region (%w)", region, said)
	case strings.Contains(code, "AccessDenied"):
		return fmt.Errorf("allow the role of this process %s, and kms:Decrypt if the secret has a key of its own (%w)", action, said)
	case code == "DecryptionFailure" || code == "InvalidKeyId":
		return fmt.Errorf("its key cannot be used: allow the role of this process kms:Decrypt (%w)", said)
	case code == "UnrecognizedClientException" || code == "InvalidSignatureException" || strings.HasPrefix(code, "ExpiredToken"):
		return fmt.Errorf("AWS does not accept this process's credentials (%w)", said)
	}
	return said
}

// cause leaves out what the SDK says of its own steps before the reason.
func cause(err error) error {
	var op *smithy.OperationError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
