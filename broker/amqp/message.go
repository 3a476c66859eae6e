package amqp

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/amqpwire"
	"github.com/umbel-go/umbel/internal/delayed"
)

// shortString is the longest text that fits most AMQP fields, in bytes.
const shortString = 255

// mostHeader bounds a message's headers: RabbitMQ takes properties and headers in one frame only and closes the whole
// connection when they do not fit. The rest is left to the other properties (nine short strings and change).
const mostHeader = frameSize - 4096

// prepare checks m and converts it. What AMQP cannot express is an error here: the library would notice halfway
// through writing, and drop the connection for it.
func prepare(p *prepared, m *broker.Message) error {
	q := &m.Properties
	if err := shortStrings(m); err != nil {
		return notSent(err)
	}
	for _, c := range []byte(q.Expiration) {
		if c < '0' || c > '9' {
			return notSent(fmt.Errorf("expiration %q is no decimal number of milliseconds", q.Expiration))
		}
	}
	expiration := q.Expiration
	if len(expiration) > 9 && !fits32(expiration) {
		expiration = "" // RabbitMQ closes the channel for more than 32 bits, 49 days: the header says when to whoever runs it
	}
	headers, size, err := encodeTable(m.Headers)
	if err != nil {
		return notSent(err)
	}
	if size > mostHeader {
		return tooLargeError(m, fmt.Sprintf("headers of %d bytes, at most %d fit into one frame", size, mostHeader))
	}
	p.m = m
	p.pub = amqp091.Publishing{
		Headers:         headers,
		ContentType:     q.ContentType,
		ContentEncoding: q.ContentEncoding,
		DeliveryMode:    q.DeliveryMode,
		CorrelationId:   q.CorrelationID,
		ReplyTo:         q.ReplyTo,
		Expiration:      expiration,
		MessageId:       q.MessageID,
		Timestamp:       q.Timestamp,
		Type:            q.Type,
		UserId:          q.UserID,
		AppId:           q.AppID,
		Body:            m.Body,
	}
	if q.HasPriority {
		p.pub.Priority = q.Priority
	}
	// What the broker may refuse by closing the channel goes alone.
	p.alone = len(m.Body) >= largeBody || q.UserID != ""
	if !p.alone && m.Headers != nil {
		_, cc := m.Headers["CC"]
		_, bcc := m.Headers["BCC"]
		p.alone = cc || bcc
	}
	return nil
}

// fits32 reports whether a decimal number fits into 32 bits.
func fits32(decimal string) bool {
	_, err := strconv.ParseUint(decimal, 10, 32)
	return err == nil
}

func shortStrings(m *broker.Message) error {
	q := &m.Properties
	// One sum spares an ordinary message the comparisons: if all fit together, each fits.
	if len(m.Exchange)+len(m.RoutingKey)+len(q.ContentType)+len(q.ContentEncoding)+len(q.CorrelationID)+len(q.ReplyTo)+
		len(q.Expiration)+len(q.MessageID)+len(q.Type)+len(q.UserID)+len(q.AppID) <= shortString {
		return nil
	}
	for _, f := range [...]struct{ name, value string }{
		{"exchange", m.Exchange}, {"routing key", m.RoutingKey}, {"content type", q.ContentType},
		{"content encoding", q.ContentEncoding}, {"correlation id", q.CorrelationID}, {"reply to", q.ReplyTo},
		{"expiration", q.Expiration}, {"message id", q.MessageID}, {"type", q.Type}, {"user id", q.UserID}, {"app id", q.AppID},
	} {
		if len(f.value) > shortString {
			return fmt.Errorf("%s is %d bytes long: AMQP takes at most %d", f.name, len(f.value), shortString)
		}
	}
	return nil
}

// received converts a delivery of the library. The body and the headers are ours: the library keeps neither. headers
// belongs to whoever takes the deliveries.
func received(d *amqp091.Delivery, headers *amqpwire.Decoder, queue string, settler broker.Settler) *broker.Delivery {
	out := &broker.Delivery{
		Queue:       queue,
		Redelivered: d.Redelivered,
		Tag:         d.DeliveryTag,
		Settler:     settler,
	}
	out.Exchange, out.RoutingKey = d.Exchange, d.RoutingKey
	if table, body, ok := amqpwire.Split(d.Body); ok {
		if len(table) > len(body)/4 {
			body = bytes.Clone(body) // a task may keep it for hours: not the table with it
		}
		out.Headers, out.Body = headers.Decode(table), body
	} else {
		out.Headers, out.Body = decodeTable(d.Headers), d.Body
	}
	if strings.HasPrefix(d.Exchange, delayed.Prefix) {
		arrived(out)
	}
	q := &out.Properties
	q.ContentType = d.ContentType
	q.ContentEncoding = d.ContentEncoding
	q.DeliveryMode = d.DeliveryMode
	q.Priority = d.Priority
	q.HasPriority = d.Priority > 0 // the library does not tell an absent priority from 0, nor does RabbitMQ
	q.CorrelationID = d.CorrelationId
	q.ReplyTo = d.ReplyTo
	q.Expiration = d.Expiration
	q.MessageID = d.MessageId
	q.Timestamp = d.Timestamp
	q.Type = d.Type
	q.UserID = d.UserId
	q.AppID = d.AppId
	if n, ok := out.Headers["x-delivery-count"]; ok {
		switch n := n.(type) {
		case int64:
			out.Deliveries = int(n)
		case int32:
			out.Deliveries = int(n)
		}
	}
	return out
}
