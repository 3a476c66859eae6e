package testenv

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
)

// An MQ answers as the API of Amazon MQ does, and refuses what that refuses. It is written from AWS's reference and knows nothing of
// package amazonmq, so that each checks the other.
type MQ struct {
	server *httptest.Server

	mu       sync.Mutex
	brokers  map[string]map[string]any // by id, as DescribeBroker tells them
	states   map[string][]string       // of a broker that is being made: what the next looks see
	configs  map[string]string         // ID:REVISION → text
	requests []map[string]any          // bodies of CreateBroker that were taken
	fail     int                       // status of the next answer; 0 for none
}

// NewMQ starts an account without brokers.
func NewMQ() *MQ {
	m := &MQ{brokers: make(map[string]map[string]any), states: make(map[string][]string), configs: make(map[string]string)}
	m.server = httptest.NewServer(http.HandlerFunc(m.serve))
	return m
}

// Close ends it.
func (m *MQ) Close() { m.server.Close() }

// Environ are the variables that point an AWS SDK at it.
func (m *MQ) Environ() []string {
	return []string{"AWS_ENDPOINT_URL_MQ=" + m.server.URL, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=example",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null"}
}

// Put adds a broker as DescribeBroker tells it, by its brokerId.
func (m *MQ) Put(broker map[string]any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.brokers[broker["brokerId"].(string)] = broker
}

// Configure adds a configuration's text under ID:REVISION.
func (m *MQ) Configure(id, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.configs[id] = text
}

// Made says which states the looks at a new broker see before RUNNING.
func (m *MQ) Made(states ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.states[""] = states
}

// FailNext answers the next request with this status.
func (m *MQ) FailNext(status int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = status
}

// Created are the requests to create a broker that were taken.
func (m *MQ) Created() []map[string]any {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.requests)
}

func (m *MQ) serve(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/mq/aws4_request") {
		m.refuse(w, http.StatusForbidden, "ForbiddenException", "", "Credential should be scoped to a valid region and service.")
		return
	}
	if m.fail != 0 {
		m.refuse(w, m.fail, "InternalServerErrorException", "", "as the test wants it")
		m.fail = 0
		return
	}
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.Method == http.MethodPost && len(path) == 2 && path[1] == "brokers":
		m.create(w, r)
	case r.Method == http.MethodGet && len(path) == 2 && path[1] == "brokers":
		list := []any{}
		for _, b := range m.brokers {
			list = append(list, map[string]any{"brokerId": b["brokerId"], "brokerName": b["brokerName"], "brokerState": b["brokerState"],
				"deploymentMode": b["deploymentMode"], "engineType": "RabbitMQ", "brokerArn": b["brokerArn"]})
		}
		m.answer(w, http.StatusOK, map[string]any{"brokerSummaries": list})
	case r.Method == http.MethodGet && len(path) == 3 && path[1] == "brokers":
		m.describe(w, path[2])
	case r.Method == http.MethodGet && len(path) == 5 && path[1] == "configurations" && path[3] == "revisions":
		text, ok := m.configs[path[2]+":"+path[4]]
		if !ok {
			m.refuse(w, http.StatusNotFound, "NotFoundException", "configuration-id", "Can't find requested configuration. Make sure your configuration exists.")
			return
		}
		m.answer(w, http.StatusOK, map[string]any{"configurationId": path[2], "data": base64.StdEncoding.EncodeToString([]byte(text)), "description": ""})
	default:
		m.refuse(w, http.StatusNotFound, "NotFoundException", "", r.Method+" "+r.URL.Path)
	}
}

func (m *MQ) describe(w http.ResponseWriter, id string) {
	b, ok := m.brokers[id]
	if !ok {
		m.refuse(w, http.StatusNotFound, "NotFoundException", "broker-id", fmt.Sprintf("Can't find requested broker [%s]. Make sure your broker exists.", id))
		return
	}
	if next := m.states[id]; len(next) > 0 {
		b["brokerState"], m.states[id] = next[0], next[1:]
		if len(next) == 1 && next[0] == "RUNNING" {
			at := "amqps://" + id + ".mq.eu-west-1.amazonaws.com:5671"
			b["brokerInstances"] = []any{map[string]any{"consoleURL": "https://" + id + ".mq.eu-west-1.amazonaws.com", "endpoints": []any{at}}}
		}
	}
	m.answer(w, http.StatusOK, b)
}

func (m *MQ) create(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	var in map[string]any
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	if err != nil {
		m.refuse(w, http.StatusBadRequest, "BadRequestException", "", err.Error())
		return
	}
	if attribute, why := refusal(in); why != "" {
		m.refuse(w, http.StatusBadRequest, "BadRequestException", attribute, why)
		return
	}
	for _, b := range m.brokers {
		if b["brokerName"] == in["brokerName"] {
			m.refuse(w, http.StatusConflict, "ConflictException", "broker-name", fmt.Sprintf("Broker name [%s] already in use. Try another name.", in["brokerName"]))
			return
		}
	}
	m.requests = append(m.requests, in)
	id := fmt.Sprintf("b-%08d-0000-4000-8000-000000000000", len(m.requests))
	user := in["users"].([]any)[0].(map[string]any)
	b := map[string]any{"brokerId": id, "brokerArn": "arn:aws:mq:eu-west-1:123456789012:broker:" + in["brokerName"].(string) + ":" + id,
		"brokerState": "CREATION_IN_PROGRESS", "created": "2026-11-26T00:00:00Z", "users": []any{map[string]any{"username": user["username"]}}}
	for _, k := range []string{"brokerName", "engineType", "engineVersion", "hostInstanceType", "deploymentMode", "publiclyAccessible", "subnetIds",
		"securityGroups", "tags", "autoMinorVersionUpgrade", "maintenanceWindowStartTime"} {
		if in[k] != nil {
			b[k] = in[k]
		}
	}
	if logs, ok := in["logs"].(map[string]any); ok {
		b["logs"] = map[string]any{"general": logs["general"], "generalLogGroup": "/aws/amazonmq/broker/" + id + "/general"}
	}
	m.brokers[id] = b
	m.states[id] = append(slices.Clone(m.states[""]), "RUNNING")
	m.answer(w, http.StatusOK, map[string]any{"brokerArn": b["brokerArn"], "brokerId": id})
}

// refusal is what AWS has against a request: the attribute, and why.
func refusal(in map[string]any) (attribute, why string) {
	text := func(k string) string { s, _ := in[k].(string); return s }
	list := func(k string) []any { l, _ := in[k].([]any); return l }
	public, said := in["publiclyAccessible"].(bool)
	version, kind, mode := text("engineVersion"), text("hostInstanceType"), text("deploymentMode")
	switch {
	case !said:
		return "publiclyAccessible", "Invalid request: publiclyAccessible is required."
	case text("engineType") != "RABBITMQ" && text("engineType") != "RabbitMQ":
		return "engineType", "Broker engine type [" + text("engineType") + "] is invalid."
	case text("brokerName") == "" || len(text("brokerName")) > 50 || strings.ContainsAny(text("brokerName"), " []()*?/,;:@#%&!äöü"):
		return "brokerName", "Broker name [" + text("brokerName") + "] is invalid."
	case !slices.Contains([]string{"4.3", "4.2", "3.13"}, version):
		return "engineVersion", "Broker engine version [" + version + "] is invalid. Valid values: [4.3, 4.2, 3.13]"
	case mode != "SINGLE_INSTANCE" && mode != "CLUSTER_MULTI_AZ":
		return "deploymentMode", "Deployment mode [" + mode + "] is invalid for RabbitMQ."
	case !strings.HasPrefix(kind, "mq.m7g.") && !(version == "3.13" && (strings.HasPrefix(kind, "mq.m5.") || kind == "mq.t3.micro")):
		return "hostInstanceType", "Broker host instance type [" + kind + "] is invalid for engine version [" + version + "]."
	case kind == "mq.t3.micro" && mode == "CLUSTER_MULTI_AZ":
		return "hostInstanceType", "mq.t3.micro is not supported for CLUSTER_MULTI_AZ."
	case in["autoMinorVersionUpgrade"] != true:
		return "autoMinorVersionUpgrade", "autoMinorVersionUpgrade must be true for this engine version."
	case !public && len(list("subnetIds")) == 0, mode == "SINGLE_INSTANCE" && len(list("subnetIds")) > 1:
		return "subnetIds", fmt.Sprintf("The number of subnets [%d] is invalid for %s.", len(list("subnetIds")), mode)
	case public && len(list("securityGroups")) > 0:
		return "securityGroups", "Security groups are not supported for publicly accessible RabbitMQ brokers."
	case len(list("securityGroups")) > 5:
		return "securityGroups", "At most 5 security groups can be given."
	case len(list("users")) != 1:
		return "users", "One user is required."
	}
	if tags, _ := in["tags"].(map[string]any); len(tags) > 50 {
		return "tags", "At most 50 tags can be given."
	}
	if logs, _ := in["logs"].(map[string]any); logs["audit"] != nil {
		return "logs", "Audit logging is not supported for RabbitMQ."
	}
	user, _ := list("users")[0].(map[string]any)
	name, _ := user["username"].(string)
	password, _ := user["password"].(string)
	distinct := make(map[rune]bool)
	for _, r := range password {
		distinct[r] = true
	}
	switch {
	case len(name) < 2 || strings.Contains(name, "~") || name == "guest":
		return "username", "The username is invalid."
	case len(password) < 12 || len(distinct) < 4 || strings.ContainsAny(password, ",:="):
		return "password", "The password must be at least 12 characters long, contain at least 4 unique characters and no commas, colons or equal signs."
	}
	return "", ""
}

func (m *MQ) refuse(w http.ResponseWriter, status int, code, attribute, message string) {
	w.Header().Set("X-Amzn-ErrorType", code)
	m.answer(w, status, map[string]any{"errorAttribute": attribute, "message": message})
}

func (m *MQ) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
