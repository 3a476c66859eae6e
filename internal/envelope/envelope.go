// Package envelope writes messages and field tables as bytes, every type kept: for files and for pipes between processes.
package envelope

import (
	"encoding/binary"
	"fmt"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// version begins every written envelope.
const version byte = 1

// Presence bits of the properties that are rarely set.
const (
	hasPriority = 1 << iota
	hasCorrelationID
	hasReplyTo
	hasExpiration
	hasMessageID
	hasTimestamp
	hasType
	hasUserID
	hasAppID
	hasHeaders
)

// Encode writes the address, properties and headers of a message: all of it but the body.
func Encode(m *broker.Message) ([]byte, error) {
	p := &m.Properties
	flags := uint64(0)
	set := func(bit uint64, yes bool) {
		if yes {
			flags |= bit
		}
	}
	set(hasPriority, p.HasPriority)
	set(hasCorrelationID, p.CorrelationID != "")
	set(hasReplyTo, p.ReplyTo != "")
	set(hasExpiration, p.Expiration != "")
	set(hasMessageID, p.MessageID != "")
	set(hasTimestamp, !p.Timestamp.IsZero())
	set(hasType, p.Type != "")
	set(hasUserID, p.UserID != "")
	set(hasAppID, p.AppID != "")
	set(hasHeaders, m.Headers != nil)

	dst := make([]byte, 0, 512)
	dst = append(dst, version)
	dst = binary.AppendUvarint(dst, flags)
	dst = appendString(dst, m.Exchange)
	dst = appendString(dst, m.RoutingKey)
	dst = appendString(dst, p.ContentType)
	dst = appendString(dst, p.ContentEncoding)
	dst = append(dst, p.DeliveryMode)
	if flags&hasPriority != 0 {
		dst = append(dst, p.Priority)
	}
	for _, f := range texts(p, flags) {
		dst = appendString(dst, *f)
	}
	if flags&hasTimestamp != 0 {
		dst = appendTime(dst, p.Timestamp)
	}
	if flags&hasHeaders == 0 {
		return dst, nil
	}
	dst, err := appendTable(dst, m.Headers, false, 0)
	if err != nil {
		return nil, fmt.Errorf("headers: %w", err)
	}
	return dst, nil
}

// Decode reads what Encode wrote.
func Decode(b []byte, m *broker.Message) error {
	s := &scanner{rest: b}
	if v := s.byte(); s.err == nil && v != version {
		return fmt.Errorf("stored message has version %d: a newer program wrote it", v)
	}
	flags := s.uvarint()
	m.Exchange = s.string()
	m.RoutingKey = s.string()
	p := &m.Properties
	p.ContentType = s.string()
	p.ContentEncoding = s.string()
	p.DeliveryMode = s.byte()
	if flags&hasPriority != 0 {
		p.Priority, p.HasPriority = s.byte(), true
	}
	for _, f := range texts(p, flags) {
		*f = s.string()
	}
	if flags&hasTimestamp != 0 {
		p.Timestamp = s.time()
	}
	if flags&hasHeaders != 0 {
		m.Headers = s.table(0)
	}
	return s.err
}

// texts are the optional text properties that flags names, in their order in the file.
func texts(p *protocol.Properties, flags uint64) []*string {
	var list [8]*string
	n := 0
	for _, f := range [...]struct {
		bit  uint64
		text *string
	}{
		{hasCorrelationID, &p.CorrelationID}, {hasReplyTo, &p.ReplyTo}, {hasExpiration, &p.Expiration},
		{hasMessageID, &p.MessageID}, {hasType, &p.Type}, {hasUserID, &p.UserID}, {hasAppID, &p.AppID},
	} {
		if flags&f.bit != 0 {
			list[n] = f.text
			n++
		}
	}
	return list[:n]
}
