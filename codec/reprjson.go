package codec

import "bytes"

// json writes JSON text without decoding more of it than is shown.
func (w *reprWriter) json(raw []byte) {
	s := scanner{data: raw}
	if err := w.scan(&s); err != nil && !w.full {
		w.token("<invalid JSON>")
	}
}

func (w *reprWriter) scan(s *scanner) error {
	s.space()
	start := s.pos
	k, err := s.scalar()
	if err != nil {
		return err
	}
	text := s.data[start:s.pos]
	switch k {
	case kindNull:
		w.token("None")
	case kindTrue, kindFalse:
		w.token(pythonBool(k == kindTrue))
	case kindString:
		w.quotedJSON(text)
	case kindInt:
		if string(text) == "-0" {
			text = text[1:]
		}
		w.token(string(text))
	case kindFloat:
		w.token(pythonFloat(parseFloat(text), 64))
	case kindArray:
		return w.scanArray(s)
	case kindObject:
		return w.scanObject(s)
	}
	return nil
}

func (w *reprWriter) scanArray(s *scanner) error {
	if w.level >= reprLevels {
		w.deep("[", "]")
		return s.skip()
	}
	if err := s.open(); err != nil {
		return err
	}
	w.open("[")
	defer w.close("]")
	for first := true; ; first = false {
		more, err := s.next(']', first)
		if err != nil || !more {
			return err
		}
		if !first {
			w.literal(", ")
		}
		if w.full {
			return nil
		}
		if err := w.scan(s); err != nil {
			return err
		}
		if w.full {
			return nil
		}
	}
}

func (w *reprWriter) scanObject(s *scanner) error {
	start := s.pos
	if startsEnvelope(s.data[start:]) {
		if err := s.skip(); err != nil {
			return err
		}
		v, err := readJSON(s.data[start:s.pos], true)
		if err != nil {
			return err
		}
		w.value(v, 0)
		return nil
	}
	if w.level >= reprLevels {
		w.deep("{", "}")
		return s.skip()
	}
	if err := s.open(); err != nil {
		return err
	}
	w.open("{")
	defer w.close("}")
	for first := true; ; first = false {
		more, err := s.next('}', first)
		if err != nil || !more {
			return err
		}
		s.space()
		at := s.pos
		if err := s.name(); err != nil {
			return err
		}
		if !first {
			w.literal(", ")
		}
		w.quotedJSON(trimName(s.data[at:s.pos]))
		w.literal(": ")
		if w.full {
			return nil
		}
		if err := w.scan(s); err != nil {
			return err
		}
		if w.full {
			return nil
		}
	}
}

// startsEnvelope says whether an object's first name is one of an envelope's two.
func startsEnvelope(text []byte) bool {
	rest := bytes.TrimLeft(text[1:], " \n\t\r")
	return bytes.HasPrefix(rest, []byte(`"`+envelopeType+`"`)) || bytes.HasPrefix(rest, []byte(`"`+envelopeValue+`"`))
}

// quotedJSON writes a JSON string. One without escapes, as most are, is not copied on the way.
func (w *reprWriter) quotedJSON(text []byte) {
	if bytes.IndexByte(text, '\\') < 0 {
		w.quoted(string(text[1 : len(text)-1]))
		return
	}
	w.quoted(unquote(text))
}
