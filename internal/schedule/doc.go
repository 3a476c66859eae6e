// Package schedule holds the kinds of schedule that beat knows, and the text they are written in:
//
//	30  30s  1h30m            an interval: seconds, or a duration. Celery: schedule
//	0 4 * * mon-fri           a crontab: minute, hour, day of month, month, day of week. Celery: crontab
//	sunset 52.52 13.405       an event of the sun at a latitude and longitude. Celery: solar
//	2026-12-24T18:00:00Z      once, at that time
//
// It reads no clock.
package schedule
