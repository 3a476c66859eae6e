package protocol

import (
	"time"

	"github.com/umbel-go/umbel/codec"
)

// DecodeOptions bound and guard decoding.
type DecodeOptions struct {
	Limit  int64        // decompressed size in bytes. Defaults to codec.DefaultLimit
	Accept codec.Accept // the zero value accepts JSON only. Celery: accept_content
}

func (o DecodeOptions) limit() int64 {
	if o.Limit <= 0 {
		return codec.DefaultLimit
	}
	return o.Limit
}

// EncodeOptions say how a task message is written.
type EncodeOptions struct {
	Serializer  string    // alias or content type. Defaults to "json". Celery: task_serializer
	Compression string    // alias or MIME type; "" is none. Celery: task_compression
	CompressMin int       // bytes; bodies that are smaller are left as they are
	Protocol    int       // 2 (default) or 1. Celery: task_protocol
	Extra       Table     // the caller's own headers, merged on top
	Now         time.Time // for the expiration property; required when the task expires
}
