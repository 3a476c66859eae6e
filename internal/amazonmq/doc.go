// Package amazonmq knows what Amazon MQ for RabbitMQ offers: versions, instance types, limits, deployment modes. These are
// AWS's facts of 2026, which change a few times a year; each table says in its comment where AWS writes it down.
package amazonmq
