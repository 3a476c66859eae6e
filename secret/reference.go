package secret

import (
	"errors"
	"fmt"
	"strings"
)

// A Reference names a secret.
type Reference struct {
	Scheme string // "secretsmanager", "ssm" or "file"
	Name   string // of the secret there: a name, an ARN, a path
	Key    string // of a secret that is a JSON object; "" for the whole

	// Stage and Version choose another than the current version. Only the ARNs that ECS writes have them.
	Stage, Version string
}

// schemes are those that a text may begin with, each with the package to import for it.
var schemes = map[string]string{
	"secretsmanager": "github.com/umbel-go/umbel/secret/aws",
	"ssm":            "github.com/umbel-go/umbel/secret/aws",
	"file":           "",
}

// Is reports whether text names a secret, rather than being one.
func Is(text string) bool { return schemeOf(text) != "" }

func schemeOf(text string) string {
	if strings.HasPrefix(text, "file:") {
		return "file"
	}
	if service, ok := arn(text); ok {
		return service
	}
	scheme, _, ok := strings.Cut(text, "://")
	scheme = strings.ToLower(scheme)
	if _, known := schemes[scheme]; ok && known {
		return scheme
	}
	return ""
}

// arn tells the service of an ARN that names a secret.
func arn(text string) (service string, ok bool) {
	parts := strings.SplitN(text, ":", 4)
	if len(parts) < 4 || parts[0] != "arn" || !strings.HasPrefix(parts[1], "aws") {
		return "", false
	}
	return parts[2], parts[2] == "secretsmanager" || parts[2] == "ssm"
}

// Parse reads a reference. The error does not quote what is no reference: it may be the secret itself.
func Parse(text string) (Reference, error) {
	r := Reference{Scheme: schemeOf(text)}
	if r.Scheme == "" {
		return r, errors.New("this names no secret: write secretsmanager://NAME#KEY, ssm://NAME or file:PATH")
	}
	rest := text
	if service, is := arn(text); !is || service != r.Scheme {
		_, rest, _ = strings.Cut(text, ":")
		if r.Scheme != "file" || strings.HasPrefix(rest, "///") {
			rest = strings.TrimPrefix(rest, "//")
		}
	}
	r.Name = rest
	if i := strings.LastIndexByte(rest, '#'); i >= 0 {
		r.Name, r.Key = rest[:i], rest[i+1:]
		if r.Key == "" {
			return r, fmt.Errorf("%s: no key follows the #", text)
		}
	}
	if r.Scheme == "secretsmanager" {
		if err := r.splitARN(); err != nil {
			return r, fmt.Errorf("%s: %w", text, err)
		}
	}
	if strings.Trim(r.Name, "/") == "" {
		return r, fmt.Errorf("%s: it names nothing", text)
	}
	return r, nil
}

// splitARN takes apart what ECS appends to the ARN of a secret: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME:KEY:STAGE:VERSION.
func (r *Reference) splitARN() error {
	parts := strings.Split(r.Name, ":")
	if parts[0] != "arn" {
		return nil
	}
	if len(parts) < 7 || len(parts) > 10 || parts[5] != "secret" || parts[6] == "" {
		return errors.New("an ARN of a secret is arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME, and :KEY:STAGE:VERSION may follow")
	}
	r.Name = strings.Join(parts[:7], ":")
	rest := append(parts[7:], "", "", "")
	if rest[0] != "" && r.Key != "" {
		return errors.New("it has two keys: one after the #, one in the ARN")
	}
	if rest[0] != "" {
		r.Key = rest[0]
	}
	r.Stage, r.Version = rest[1], rest[2]
	return nil
}

// String is the reference as it may be shown.
func (r Reference) String() string {
	text := r.whole()
	if r.Key != "" {
		text += "#" + r.Key
	}
	return text
}

// whole is the reference without its key: what is read and kept once.
func (r Reference) whole() string {
	text := r.Scheme + "://" + r.Name
	if r.Scheme == "file" {
		text = "file:" + r.Name
	}
	if r.Stage != "" || r.Version != "" {
		text += "::" + r.Stage + ":" + r.Version
	}
	return text
}

// Region is the AWS region that an ARN names, "" where there is none.
func (r Reference) Region() string {
	if parts := strings.SplitN(r.Name, ":", 5); len(parts) == 5 && parts[0] == "arn" {
		return parts[3]
	}
	return ""
}
