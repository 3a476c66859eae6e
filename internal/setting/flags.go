package setting

// LoadFlags reads setting=value pairs alone: no file and no variables. The error is an *Error with every problem in them.
func LoadFlags(flags map[string]string) (*Settings, error) {
	l := loader{values: make(map[string]written)}
	l.flags(flags)
	out := &Settings{Values: make(map[string]Value)}
	for i := range table {
		if w, ok := l.values[table[i].Name]; ok {
			l.read(out, &table[i], w)
		}
	}
	if len(l.problems) > 0 {
		return nil, &Error{Problems: byPlace(l.problems)}
	}
	out.Warnings = l.warnings
	return out, nil
}
