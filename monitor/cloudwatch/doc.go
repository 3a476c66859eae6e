// Package cloudwatch tells Amazon CloudWatch of a fleet, as the monitor knows it: the broker by the names that Amazon MQ uses, each queue
// (which Amazon MQ does not tell of RabbitMQ 4), tasks, and how many workers a queue wants.
//
//	fleet, events ─► Collector ─► []Datum ─► API (PutMetricData, in batches) or Lines (embedded metric format, on standard output)
package cloudwatch
