package codec

// SplitArray cuts a JSON array into its items without decoding them. The whole text is checked: syntax, UTF-8, MaxDepth.
// The items share raw's memory. Errors are *SyntaxError, or *TypeError when the text is no array.
func SplitArray(raw []byte) ([]Value, error) {
	s, err := splitter(raw, kindArray)
	if err != nil {
		return nil, err
	}
	items := []Value{} // positional arguments are mostly none
	for first := true; ; first = false {
		more, err := s.next(']', first)
		if err != nil {
			return nil, err
		}
		if !more {
			return items, s.end()
		}
		v, err := s.cut()
		if err != nil {
			return nil, err
		}
		if len(items) == 0 {
			items = make([]Value, 0, 4)
		}
		items = append(items, v)
	}
}

// SplitObject cuts a JSON object into its members, in the order of the text, without decoding them. Of members with one
// name the last wins, in the place of the first, as in a Python dict. Checks and errors are SplitArray's.
func SplitObject(raw []byte) ([]NamedValue, error) {
	s, err := splitter(raw, kindObject)
	if err != nil {
		return nil, err
	}
	members := []NamedValue{}
	for first := true; ; first = false {
		more, err := s.next('}', first)
		if err != nil {
			return nil, err
		}
		if !more {
			return lastWins(members, func(m NamedValue) string { return m.Name }), s.end()
		}
		s.space()
		at := s.pos
		if err := s.name(); err != nil {
			return nil, err
		}
		name := unquote(trimName(s.data[at:s.pos]))
		v, err := s.cut()
		if err != nil {
			return nil, err
		}
		if len(members) == 0 {
			members = make([]NamedValue, 0, 2)
		}
		members = append(members, NamedValue{name, v})
	}
}

// splitter stands inside the array or object that raw must be.
func splitter(raw []byte, want kind) (*scanner, error) {
	if err := checkUTF8("JSON", raw); err != nil {
		return nil, err
	}
	s := &scanner{data: raw}
	got, err := s.scalar()
	if err != nil {
		return nil, err
	}
	if got != want {
		if err := checkJSON(raw); err != nil {
			return nil, err
		}
		return nil, &TypeError{Want: kindNames[want], Got: kindNames[got]}
	}
	return s, s.open()
}

// cut passes one value and returns its text.
func (s *scanner) cut() (Value, error) {
	s.space()
	start := s.pos
	if err := s.skip(); err != nil {
		return Value{}, err
	}
	return Value{raw: s.data[start:s.pos:s.pos]}, nil
}

var kindNames = [...]string{
	kindNull: "null", kindTrue: "boolean", kindFalse: "boolean", kindString: "string",
	kindInt: "number", kindFloat: "number", kindArray: "array", kindObject: "object",
}
