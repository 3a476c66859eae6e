package account

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/mq"
	"github.com/aws/aws-sdk-go-v2/service/mq/types"
	"github.com/aws/smithy-go"
	"github.com/google/uuid"

	"github.com/umbel-go/umbel/internal/amazonmq"
	"github.com/umbel-go/umbel/internal/management"
)

// requestTimeout bounds one request; the SDK repeats what may be repeated, three times at most.
const requestTimeout = 15 * time.Second

// An Account is the way to one account of AWS in one region.
type Account struct {
	client *mq.Client
	region string
}

// Open finds region and credentials. region "" is the SDK's.
func Open(ctx context.Context, region string) (*Account, error) {
	options := []func(*awsconfig.LoadOptions) error{awsconfig.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(requestTimeout))}
	if region != "" {
		options = append(options, awsconfig.WithRegion(region))
	}
	c, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("aws: %w", err)
	}
	if c.Region == "" {
		return nil, errors.New("aws: no region: set AWS_REGION, or say --region")
	}
	return &Account{client: mq.NewFromConfig(c), region: c.Region}, nil
}

// Region is where the account's brokers are looked for.
func (a *Account) Region() string { return a.region }

// Create asks for a broker and returns its id. It is made in the next quarter of an hour.
func (a *Account) Create(ctx context.Context, p amazonmq.Plan, password string) (id string, err error) {
	in := &mq.CreateBrokerInput{
		BrokerName: &p.Name, EngineType: types.EngineTypeRabbitmq, EngineVersion: &p.Version, HostInstanceType: &p.Instance,
		DeploymentMode: types.DeploymentMode(p.Mode), PubliclyAccessible: p.Public, AutoMinorVersionUpgrade: aws.Bool(true),
		SubnetIds: p.Subnets, SecurityGroups: p.SecurityGroups, Tags: p.Tags,
		Logs:             &types.Logs{General: &p.Logs},
		Users:            []types.User{{Username: &p.User, Password: &password}},
		CreatorRequestId: aws.String(uuid.NewString()), // a repetition makes no second broker
	}
	if p.KMSKey != "" {
		in.EncryptionOptions = &types.EncryptionOptions{KmsKeyId: &p.KMSKey, UseAwsOwnedKey: aws.Bool(false)}
	}
	if w := p.Window; w != nil {
		in.MaintenanceWindowStartTime = &types.WeeklyStartTime{DayOfWeek: types.DayOfWeek(w.Day), TimeOfDay: &w.Time, TimeZone: &w.Zone}
	}
	if p.Configuration != "" {
		id, revision, has := strings.Cut(p.Configuration, ":")
		in.Configuration = &types.ConfigurationId{Id: &id}
		if n, err := strconv.ParseInt(revision, 10, 32); has && err == nil {
			in.Configuration.Revision = aws.Int32(int32(n))
		}
	}
	out, err := a.client.CreateBroker(ctx, in)
	if err != nil {
		return "", a.explain("create broker "+strconv.Quote(p.Name), "mq:CreateBroker", err)
	}
	return aws.ToString(out.BrokerId), nil
}

// Describe looks at a broker by its id or its name.
func (a *Account) Describe(ctx context.Context, broker string) (*amazonmq.Broker, error) {
	id := broker
	if !strings.HasPrefix(id, "b-") {
		var err error
		if id, err = a.find(ctx, broker); err != nil {
			return nil, err
		}
	}
	out, err := a.client.DescribeBroker(ctx, &mq.DescribeBrokerInput{BrokerId: &id})
	if err != nil {
		return nil, a.explain("describe broker "+strconv.Quote(broker), "mq:DescribeBroker", err)
	}
	return brokerOf(out), nil
}

// find looks for the id of a broker by its name.
func (a *Account) find(ctx context.Context, name string) (string, error) {
	var known []string
	pages := mq.NewListBrokersPaginator(a.client, &mq.ListBrokersInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", a.explain("list brokers", "mq:ListBrokers", err)
		}
		for _, b := range page.BrokerSummaries {
			if aws.ToString(b.BrokerName) == name {
				return aws.ToString(b.BrokerId), nil
			}
			known = append(known, aws.ToString(b.BrokerName))
		}
	}
	if len(known) == 0 {
		return "", fmt.Errorf("there is no broker %q in %s, nor any other", name, a.region)
	}
	slices.Sort(known)
	return "", fmt.Errorf("there is no broker %q in %s: there are %s", name, a.region, strings.Join(known, ", "))
}

func brokerOf(out *mq.DescribeBrokerOutput) *amazonmq.Broker {
	b := &amazonmq.Broker{
		ID: aws.ToString(out.BrokerId), ARN: aws.ToString(out.BrokerArn), Name: aws.ToString(out.BrokerName), State: string(out.BrokerState),
		Engine: string(out.EngineType), Version: aws.ToString(out.EngineVersion), Instance: aws.ToString(out.HostInstanceType),
		Mode: string(out.DeploymentMode), Public: aws.ToBool(out.PubliclyAccessible), Subnets: out.SubnetIds, SecurityGroups: out.SecurityGroups,
		Patches: aws.ToBool(out.AutoMinorVersionUpgrade), Created: aws.ToTime(out.Created), Tags: out.Tags,
	}
	for _, i := range out.BrokerInstances {
		b.Endpoints = append(b.Endpoints, i.Endpoints...)
		if u := aws.ToString(i.ConsoleURL); u != "" && !slices.Contains(b.Console, u) {
			b.Console = append(b.Console, u)
		}
	}
	if len(b.Endpoints) > 0 {
		if u, err := url.Parse(b.Endpoints[0]); err == nil {
			b.Management = management.Beside(u)
		}
	}
	for _, u := range out.Users {
		b.Users = append(b.Users, aws.ToString(u.Username))
		if u.PendingChange != "" {
			b.Pending = append(b.Pending, fmt.Sprintf("user %s: %s", aws.ToString(u.Username), u.PendingChange))
		}
	}
	if l := out.Logs; l != nil {
		b.Logs, b.LogGroup = aws.ToBool(l.General), aws.ToString(l.GeneralLogGroup)
		if l.Pending != nil && aws.ToBool(l.Pending.General) != b.Logs {
			b.Pending = append(b.Pending, fmt.Sprintf("general logs: %v", aws.ToBool(l.Pending.General)))
		}
	}
	if w := out.MaintenanceWindowStartTime; w != nil {
		b.Window = &amazonmq.Window{Day: string(w.DayOfWeek), Time: aws.ToString(w.TimeOfDay), Zone: aws.ToString(w.TimeZone)}
	}
	if e := out.EncryptionOptions; e != nil && !aws.ToBool(e.UseAwsOwnedKey) {
		b.KMSKey = aws.ToString(e.KmsKeyId)
	}
	if c := out.Configurations; c != nil {
		b.Configuration = configurationOf(c.Current)
		if c.Pending != nil {
			b.Pending = append(b.Pending, "configuration "+configurationOf(c.Pending))
		}
	}
	if v := aws.ToString(out.PendingEngineVersion); v != "" && v != b.Version {
		b.Pending = append(b.Pending, "version "+v)
	}
	if i := aws.ToString(out.PendingHostInstanceType); i != "" && i != b.Instance {
		b.Pending = append(b.Pending, "instance type "+i)
	}
	if len(out.PendingSecurityGroups) > 0 {
		b.Pending = append(b.Pending, "security groups "+strings.Join(out.PendingSecurityGroups, ", "))
	}
	for _, act := range out.ActionsRequired {
		text := aws.ToString(act.ActionRequiredCode)
		if info := aws.ToString(act.ActionRequiredInfo); info != "" {
			text += " (" + info + ")"
		}
		b.Actions = append(b.Actions, text)
	}
	return b
}

func configurationOf(c *types.ConfigurationId) string {
	if c == nil || c.Id == nil {
		return ""
	}
	return fmt.Sprintf("%s:%d", *c.Id, aws.ToInt32(c.Revision))
}

// Configure fills in the settings of the broker's configuration.
func (a *Account) Configure(ctx context.Context, b *amazonmq.Broker) error {
	id, revision, ok := strings.Cut(b.Configuration, ":")
	if !ok {
		b.Settings = map[string]string{}
		return nil
	}
	out, err := a.client.DescribeConfigurationRevision(ctx, &mq.DescribeConfigurationRevisionInput{ConfigurationId: &id, ConfigurationRevision: &revision})
	if err != nil {
		return a.explain("describe configuration "+b.Configuration, "mq:DescribeConfigurationRevision", err)
	}
	text, err := base64.StdEncoding.DecodeString(aws.ToString(out.Data))
	if err != nil {
		return fmt.Errorf("describe configuration %s: it is not base64: %w", b.Configuration, err)
	}
	b.Settings = amazonmq.ParseSettings(string(text), b.Instance, b.Mode)
	return nil
}

// Pauses between two looks at a broker that is being made.
type Pauses struct {
	First, Most time.Duration // doubled from the first to the most
	Within      time.Duration // in all
}

// DefaultPauses suit a broker, which is made in five to twenty minutes.
var DefaultPauses = Pauses{First: 5 * time.Second, Most: 30 * time.Second, Within: 45 * time.Minute}

// Wait looks at a broker until it runs, and tells each state once. A broker whose creation has failed is an error.
func (a *Account) Wait(ctx context.Context, id string, pauses Pauses, tell func(state string, since time.Duration)) (*amazonmq.Broker, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, pauses.Within, fmt.Errorf("it was not running within %v", pauses.Within))
	defer cancel()
	begun, state, pause := time.Now(), "", pauses.First
	for {
		b, err := a.Describe(ctx, id)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, fmt.Errorf("wait for broker %s: %w", id, context.Cause(ctx))
		case err != nil && !passing(err):
			return nil, err
		case err == nil:
			if b.State != state {
				state = b.State
				tell(state, time.Since(begun))
			}
			if b.Running() {
				return b, nil
			}
			if state == "CREATION_FAILED" || state == "DELETION_IN_PROGRESS" || state == "CRITICAL_ACTION_REQUIRED" {
				return b, fmt.Errorf("broker %s is %s: %s", id, state, strings.Join(append(b.Actions, "see it in AWS's console"), "; "))
			}
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("wait for broker %s, which is %s: %w", id, state, context.Cause(ctx))
		}
		pause = min(2*pause, pauses.Most)
	}
}

// passing reports whether a look may succeed later: AWS was busy or out of reach.
func passing(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return true
	}
	return api.ErrorFault() == smithy.FaultServer || strings.Contains(api.ErrorCode(), "TooMany") || strings.Contains(api.ErrorCode(), "Throttl")
}

// explain makes one line of the SDK's error.
func (a *Account) explain(what, action string, err error) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		var op *smithy.OperationError
		if errors.As(err, &op) {
			err = op.Err
		}
		if text := err.Error(); strings.Contains(text, "get credentials") || strings.Contains(text, "get identity") {
			return fmt.Errorf("%s: no AWS credentials are found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: %w", what, err)
		}
		var u *url.Error
		if errors.As(err, &u) {
			return fmt.Errorf("%s: AWS in %s is out of reach: %w", what, a.region, u.Err)
		}
		return fmt.Errorf("%s in %s: %w", what, a.region, err)
	}
	text := fmt.Errorf("%s in %s: AWS refuses: %s: %w", what, a.region, api.ErrorMessage(), &refusal{api})
	switch code := api.ErrorCode(); {
	case strings.Contains(code, "Forbidden") || strings.Contains(code, "AccessDenied"):
		return fmt.Errorf("%w: your role needs %s", text, action)
	case code == "NotFoundException":
		return fmt.Errorf("%w: is it in another region?", text)
	}
	return text
}

// A refusal is AWS's code, which stays in the chain of the error.
type refusal struct{ smithy.APIError }

func (r *refusal) Error() string { return r.ErrorCode() }
func (r *refusal) Unwrap() error { return r.APIError }
