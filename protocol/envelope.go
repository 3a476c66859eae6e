package protocol

import "time"

// Table is an AMQP field table. Values are nil, bool, int32, int64, float64, string, []byte, time.Time, []any and
// nested Tables; drivers convert what their client library uses instead.
type Table = map[string]any

// Delivery modes of a message.
const (
	Transient  uint8 = 1
	Persistent uint8 = 2
)

// Properties are AMQP's basic properties: those that travel beside the headers.
type Properties struct {
	ContentType     string // MIME type of the serialized body
	ContentEncoding string // "utf-8" or "binary"
	DeliveryMode    uint8  // Transient or Persistent
	Priority        uint8  // meaningful when HasPriority
	HasPriority     bool   // false: the property is absent, which Celery reads as null
	CorrelationID   string // the task id
	ReplyTo         string // queue of an rpc:// client, else Celery's per-process oid
	Expiration      string // decimal milliseconds until the broker drops the message; "" is never
	MessageID       string
	Timestamp       time.Time
	Type            string
	UserID          string
	AppID           string
}

// An Envelope is a message without its address: properties, headers and the serialized, perhaps compressed, body.
type Envelope struct {
	Properties Properties
	Headers    Table
	Body       []byte
}
