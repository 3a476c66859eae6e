package account

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/internal/amazonmq"
	"github.com/umbel-go/umbel/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open is an account at a stand-in for AWS. It sets variables: no test is parallel.
func open(t *testing.T) (*Account, *testenv.MQ) {
	t.Helper()
	mq := testenv.NewMQ()
	t.Cleanup(mq.Close)
	for _, v := range mq.Environ() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	a, err := Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return a, mq
}

func plan() amazonmq.Plan {
	return amazonmq.Plan{Name: "orders-prod", Version: "4.2", Instance: "mq.m7g.large", Mode: amazonmq.Cluster, Public: new(false),
		Subnets: []string{"subnet-0a1b2c3d", "subnet-1a2b3c4d"}, SecurityGroups: []string{"sg-0a1b2c3d"}, User: "admin", Logs: true,
		Window: &amazonmq.Window{Day: "SUNDAY", Time: "02:00", Zone: "UTC"}, Tags: map[string]string{"Environment": "production"},
		Configuration: "c-1234abcd-12ab-34cd-56ef-1234567890ab:3"}
}

const password = "SecurePassword123!"

// quick are pauses for a stand-in.
var quick = Pauses{First: time.Millisecond, Most: 4 * time.Millisecond, Within: time.Minute}

func TestABrokerIsCreatedAsPlanned(t *testing.T) {
	a, mq := open(t)
	mq.Made("CREATION_IN_PROGRESS", "CREATION_IN_PROGRESS")
	id, err := a.Create(t.Context(), plan(), password)
	if err != nil {
		t.Fatal(err)
	}
	in := mq.Created()[0]
	if token, _ := in["creatorRequestId"].(string); len(token) != 36 {
		t.Errorf("a repetition would make a second one: %q", token)
	}
	delete(in, "creatorRequestId")
	want := map[string]any{
		"brokerName": "orders-prod", "engineType": "RABBITMQ", "engineVersion": "4.2", "hostInstanceType": "mq.m7g.large", "deploymentMode": "CLUSTER_MULTI_AZ",
		"publiclyAccessible": false, "autoMinorVersionUpgrade": true, "subnetIds": []any{"subnet-0a1b2c3d", "subnet-1a2b3c4d"}, "securityGroups": []any{"sg-0a1b2c3d"},
		"logs": map[string]any{"general": true}, "users": []any{map[string]any{"username": "admin", "password": password}},
		"maintenanceWindowStartTime": map[string]any{"dayOfWeek": "SUNDAY", "timeOfDay": "02:00", "timeZone": "UTC"},
		"tags":                       map[string]any{"Environment": "production"},
		"configuration":              map[string]any{"id": "c-1234abcd-12ab-34cd-56ef-1234567890ab", "revision": float64(3)},
	}
	if !reflect.DeepEqual(in, want) {
		t.Errorf("AWS was asked for\n%v\nwant\n%v", in, want)
	}
	var states []string
	mq.FailNext(500) // the SDK repeats it
	b, err := a.Wait(t.Context(), id, quick, func(s string, _ time.Duration) { states = append(states, s) })
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(states) != "[CREATION_IN_PROGRESS RUNNING]" {
		t.Errorf("states told: %v", states)
	}
	if b.Endpoints[0] != "amqps://"+id+".mq.eu-west-1.amazonaws.com:5671" || b.Management != "https://"+id+".mq.eu-west-1.amazonaws.com/api" ||
		!b.Logs || b.Version != "4.2" || b.Window.String() != "SUNDAY 02:00 UTC" || b.Users[0] != "admin" {
		t.Errorf("%+v", b)
	}
	if byName, err := a.Describe(t.Context(), "orders-prod"); err != nil || byName.ID != id {
		t.Errorf("by name: %+v, %v", byName, err)
	}
	if _, err := a.Create(t.Context(), plan(), password); err == nil || !strings.Contains(err.Error(), "already in use") {
		t.Errorf("a second of that name: %v", err)
	}
}

// Whatever a plan's own rules let pass, AWS takes, and the other way round.
func TestThePlanRefusesWhatAWSRefuses(t *testing.T) {
	a, mq := open(t)
	made := 0
	for _, change := range []func(*amazonmq.Plan){
		func(*amazonmq.Plan) {},
		func(p *amazonmq.Plan) { p.Name = "" },
		func(p *amazonmq.Plan) { p.Name = strings.Repeat("n", 51) },
		func(p *amazonmq.Plan) { p.Name = "a b" },
		func(p *amazonmq.Plan) { p.Version = "3.11" },
		func(p *amazonmq.Plan) { p.Version = "3.12" },
		func(p *amazonmq.Plan) { p.Version = "4.2.1" },
		func(p *amazonmq.Plan) { p.Version = "4.3" },
		func(p *amazonmq.Plan) { p.Version = "3.13" },
		func(p *amazonmq.Plan) { p.Instance = "mq.m5.large" },
		func(p *amazonmq.Plan) { p.Version, p.Instance = "3.13", "mq.m5.large" },
		func(p *amazonmq.Plan) { p.Version, p.Instance = "3.13", "mq.t3.micro" },
		func(p *amazonmq.Plan) { p.Mode = "ACTIVE_STANDBY_MULTI_AZ" },
		func(p *amazonmq.Plan) { p.Mode = amazonmq.Single },
		func(p *amazonmq.Plan) { p.Mode, p.Subnets = amazonmq.Single, p.Subnets[:1] },
		func(p *amazonmq.Plan) { p.Public = nil },
		func(p *amazonmq.Plan) { p.Public = new(true) },
		func(p *amazonmq.Plan) { p.Public, p.SecurityGroups = new(true), nil },
		func(p *amazonmq.Plan) { p.Subnets = nil },
		func(p *amazonmq.Plan) {
			p.SecurityGroups = strings.Fields("sg-00000001 sg-00000002 sg-00000003 sg-00000004 sg-00000005 sg-00000006")
		},
		func(p *amazonmq.Plan) { p.User = "guest" },
		func(p *amazonmq.Plan) {
			p.Tags = map[string]string{}
			for i := range 51 {
				p.Tags[fmt.Sprint(i)] = "x"
			}
		},
	} {
		p := plan()
		p.Configuration = ""
		change(&p)
		if p.Name == "orders-prod" {
			p.Name = fmt.Sprint("orders-", made) // one broker of a name
		}
		refused := p.Refused()
		_, err := a.Create(t.Context(), p, password)
		if (err != nil) != (len(refused) > 0) {
			t.Errorf("the plan says %v, AWS %v: %+v", refused, err, p)
		}
		if err == nil {
			made++
		}
	}
	for _, word := range []string{password, "short1!", "aaaaaaaaaaaaab", "aabbaabbaabbaabb", "with,comma1234", "with:colon1234", "with=equal1234", "abcd12345678"} {
		p := plan()
		p.Configuration, p.Name = "", fmt.Sprint("orders-", made)
		_, err := a.Create(t.Context(), p, word)
		if why := amazonmq.CheckPassword(word); (err != nil) != (why != "") {
			t.Errorf("password %s: the check says %q, AWS %v", word, why, err)
		}
		if err == nil {
			made++
		} else if strings.Contains(err.Error(), word) {
			t.Errorf("the error tells the password: %v", err)
		}
	}
	if made != len(mq.Created()) || made < 6 {
		t.Errorf("%d were made", made)
	}
}

func TestWhatIsAskedOfAWSAndFails(t *testing.T) {
	a, mq := open(t)
	mq.Put(map[string]any{"brokerId": "b-1", "brokerName": "orders", "brokerState": "RUNNING", "deploymentMode": "SINGLE_INSTANCE"})
	if _, err := a.Describe(t.Context(), "b-2"); err == nil || !strings.Contains(err.Error(), "Can't find requested broker [b-2]") || !strings.Contains(err.Error(), "another region?") {
		t.Errorf("%v", err)
	}
	if _, err := a.Describe(t.Context(), "ordres"); err == nil || !strings.Contains(err.Error(), `there is no broker "ordres" in eu-west-1: there are orders`) {
		t.Errorf("%v", err)
	}
	mq.Put(map[string]any{"brokerId": "b-3", "brokerState": "CREATION_FAILED", "actionsRequired": []any{map[string]any{"actionRequiredCode": "INVALID_ENI"}}})
	if _, err := a.Wait(t.Context(), "b-3", quick, func(string, time.Duration) {}); err == nil || !strings.Contains(err.Error(), "CREATION_FAILED: INVALID_ENI") {
		t.Errorf("%v", err)
	}
	mq.Put(map[string]any{"brokerId": "b-4", "brokerState": "CREATION_IN_PROGRESS"})
	short := quick
	short.Within = 20 * time.Millisecond
	if _, err := a.Wait(t.Context(), "b-4", short, func(string, time.Duration) {}); err == nil || !strings.Contains(err.Error(), "not running within 20ms") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupted"))
	if _, err := a.Wait(ctx, "b-4", quick, func(string, time.Duration) {}); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("%v", err)
	}
	t.Setenv("AWS_REGION", "us-east-1") // the stand-in is in eu-west-1
	other, err := Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Describe(t.Context(), "b-1"); err == nil || !strings.Contains(err.Error(), "your role needs mq:DescribeBroker") {
		t.Errorf("%v", err)
	}
	os.Unsetenv("AWS_REGION")
	if _, err := Open(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "no region: set AWS_REGION") {
		t.Errorf("%v", err)
	}
}

func TestAllThatAWSSaysOfABroker(t *testing.T) {
	a, mq := open(t)
	id := "b-c8349341-ec91-4a78-ad9c-a57f23f235bb"
	mq.Put(map[string]any{"brokerId": id, "brokerName": "orders", "brokerState": "CRITICAL_ACTION_REQUIRED", "engineType": "RABBITMQ", "engineVersion": "3.11.28",
		"pendingEngineVersion": "3.13.2", "hostInstanceType": "mq.m5.large", "pendingHostInstanceType": "mq.m7g.large", "deploymentMode": "CLUSTER_MULTI_AZ",
		"publiclyAccessible": true, "pendingSecurityGroups": []any{"sg-1"}, "users": []any{map[string]any{"username": "admin", "pendingChange": "UPDATE"}},
		"logs":              map[string]any{"general": false, "pending": map[string]any{"general": true}},
		"encryptionOptions": map[string]any{"useAwsOwnedKey": false, "kmsKeyId": "arn:aws:kms:x"},
		"configurations":    map[string]any{"current": map[string]any{"id": "c-1", "revision": 2}, "pending": map[string]any{"id": "c-1", "revision": 3}},
		"actionsRequired":   []any{map[string]any{"actionRequiredCode": "RABBITMQ_MEMORY_ALARM", "actionRequiredInfo": "see the guide"}},
		"brokerInstances": []any{map[string]any{"consoleURL": "https://" + id + ".mq.eu-west-1.amazonaws.com",
			"endpoints": []any{"amqps://" + id + ".mq.eu-west-1.amazonaws.com:5671"}}}})
	mq.Configure("c-1:2", "consumer_timeout = 600000\n")
	b, err := a.Describe(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Configure(t.Context(), b); err != nil || b.Settings["consumer_timeout"] != "600000" {
		t.Errorf("%v, %v", b.Settings, err)
	}
	if fmt.Sprint(b.Pending) != "[user admin: UPDATE general logs: true configuration c-1:3 version 3.13.2 instance type mq.m7g.large security groups sg-1]" {
		t.Errorf("pending: %v", b.Pending)
	}
	if b.KMSKey != "arn:aws:kms:x" || fmt.Sprint(b.Actions) != "[RABBITMQ_MEMORY_ALARM (see the guide)]" || !b.Public || b.Running() {
		t.Errorf("%+v", b)
	}
}
