// Package amqpwire spares the AMQP client library the headers of messages.
//
// The library decodes a header table field by field, each with allocations of its own: a Celery message has twenty, and
// a third of a worker's processor time went there. A Reader stands between the socket and the library and moves each table
// that it understands to the front of the message's body, which the library collects without a look inside. Whoever gets
// the message takes them apart with Split, and reads the table with a Decoder.
//
//	socket:   header{properties, table} body{…}
//	library:  header{properties}        body{mark, table} body{…}   ─► Split ─► table, body
//
// What a Reader does not understand (a malformed table, a type nobody sends, a frame larger than any peer must take)
// goes on as it came, and is the library's affair as before.
package amqpwire
