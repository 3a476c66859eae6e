// Package standard links every driver: import it for its effect to open any broker and result store by its URL, and to read any
// secret.
//
//	import _ "github.com/umbel-go/umbel/standard"
package standard

import (
	_ "github.com/umbel-go/umbel/backend/database"
	_ "github.com/umbel-go/umbel/backend/memory"
	_ "github.com/umbel-go/umbel/backend/redis"
	_ "github.com/umbel-go/umbel/backend/rpc"
	_ "github.com/umbel-go/umbel/broker/amqp"
	_ "github.com/umbel-go/umbel/broker/memory"
	_ "github.com/umbel-go/umbel/broker/sqlite"
	_ "github.com/umbel-go/umbel/secret/aws"
	_ "github.com/umbel-go/umbel/tracing/otlp"
)
