// Package crontab reads Celery's crontab expressions and says when they are due. It reads no clock.
//
// A field is a list, with commas, of
//
//   - every value          */n    every n-th, from the field's first
//     a        one value            a-b    a range; it wraps around when b is before a: 22-2, fri-mon
//     a-b/n    every n-th of a range, from a
//
// Days of the week are 0 (Sunday) to 6 or names, months 1 to 12 or names; of a name the first three letters count. All five
// fields must match: unlike in cron, a day must satisfy day of month and day of week. "1-7" with "mon" is the first Monday.
//
// Celery: celery/schedules.py, crontab and crontab_parser.
package crontab
