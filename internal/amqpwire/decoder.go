package amqpwire

import (
	"bytes"
	"maps"

	"github.com/umbel-go/umbel/protocol"
)

// A Decoder decodes header tables that a Reader has moved. Messages of a queue are much alike: a Decoder remembers one, and
// decodes of others what differs from it, whatever the order of their fields. One goroutine may use it at a time; the zero
// Decoder is ready.
type Decoder struct {
	raw    []byte
	table  protocol.Table // of raw, without what can be changed by whoever has it; never handed out
	fields []field        // of raw
	index  map[string]int // of fields, by name
	turn   int            // counts tables decoded since raw was remembered
}

// A field is one of the table that is remembered.
type field struct {
	name string
	raw  []byte // type and value
	turn int    // the last one in which it was met
}

// turns is for how many tables a Decoder remembers one, so that it resembles those that come.
const turns = 256

// Decode returns the fields of a table. Whole numbers become int32 or int64, whichever holds all of their type, other
// numbers float64. It keeps nothing of table.
func (d *Decoder) Decode(table []byte) protocol.Table {
	if d.turn == 0 || d.turn == turns {
		d.remember(table)
	}
	d.turn++
	t := maps.Clone(d.table)
	met := 0
	s := scanner{rest: table}
	for len(s.rest) > 0 {
		name := s.short()
		raw := s.next()
		i, known := d.index[string(name)]
		if !known {
			t[intern(name)] = decode(raw)
			continue
		}
		f := &d.fields[i]
		again := f.turn == d.turn // of fields with the same name the last one holds
		if !again {
			f.turn = d.turn
			met++
		}
		if again || !constant(raw) || !bytes.Equal(raw, f.raw) {
			t[f.name] = decode(raw)
		}
	}
	if met == len(d.fields) {
		return t
	}
	for i := range d.fields {
		if f := &d.fields[i]; f.turn != d.turn {
			delete(t, f.name)
		}
	}
	if met < len(d.fields)/2 {
		d.turn = 0 // the next may resemble this one
	}
	return t
}

// remember keeps a table for comparison.
func (d *Decoder) remember(table []byte) {
	d.raw = append(d.raw[:0], table...)
	d.turn, d.fields = 0, d.fields[:0]
	s := scanner{rest: d.raw}
	n := s.count('F')
	d.table, d.index = make(protocol.Table, n), make(map[string]int, n)
	for len(s.rest) > 0 {
		name := intern(s.short())
		raw := s.next()
		i, twice := d.index[name]
		if !twice {
			i = len(d.fields)
			d.index[name], d.fields = i, append(d.fields, field{name: name})
		}
		d.fields[i].raw = raw
		d.table[name] = nil
		if constant(raw) {
			d.table[name] = decode(raw)
		}
	}
}

// decode returns a value that has its type in front.
func decode(raw []byte) any {
	s := scanner{rest: raw}
	return s.value(0)
}

// constant reports whether nobody can change what a value is decoded to.
func constant(raw []byte) bool {
	return len(raw) > 0 && raw[0] != 'F' && raw[0] != 'A' && raw[0] != 'x'
}
