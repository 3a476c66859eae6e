package codec

// decodeScalar stores JSON text of the most ordinary kinds, text of printable ASCII and short whole numbers, without
// encoding/json, which needs a stack three times as deep for them. false leaves *dst alone: somebody else must decode.
func decodeScalar(raw []byte, dst any) bool {
	switch dst := dst.(type) {
	case *string:
		if dst == nil || !isASCIIText(raw) {
			return false
		}
		*dst = string(raw[1 : len(raw)-1])
		return true
	case *int:
		n, ok := plainInt(raw)
		if !ok || dst == nil {
			return false
		}
		*dst = int(n)
		return true
	case *int64:
		n, ok := plainInt(raw)
		if !ok || dst == nil {
			return false
		}
		*dst = n
		return true
	}
	return false
}

// isASCIIText reports whether raw is a JSON string in which every byte is itself.
func isASCIIText(raw []byte) bool {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return false
	}
	for _, c := range raw[1 : len(raw)-1] {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// plainInt reads a whole number that fits 31 bits, as int does everywhere.
func plainInt(raw []byte) (n int64, ok bool) {
	digits := raw
	if len(raw) > 0 && raw[0] == '-' {
		digits = raw[1:]
	}
	if len(digits) == 0 || len(digits) > 9 || digits[0] == '0' && len(raw) > 1 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	if len(digits) < len(raw) {
		n = -n
	}
	return n, true
}
