// Package metric counts, and shows what it has counted to Prometheus.
//
// An instrument (Counter, Histogram) is a few atomic words: counting takes no lock and allocates nothing. Series that are named by
// what comes from outside live in a Set, which holds so many and counts the rest together. A Page is what is shown: families with
// their samples, in the text format of Prometheus, version 0.0.4.
//
// The client library of Prometheus would do the same; it is not used because programs that are scraped by nobody would link
// and initialise it, and because a counter of ours is one addition.
package metric
