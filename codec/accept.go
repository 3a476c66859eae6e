package codec

import (
	"fmt"
	"slices"
	"strings"
)

// An Accept is the set of content types a receiver decodes. The zero value accepts JSON only, Celery's default.
// application/data and application/text are never decoded, and so always pass. Celery: accept_content.
type Accept struct {
	types []string // content types; nil means JSON
}

// NewAccept builds the set out of aliases (json, msgpack, yaml) and content types. No names mean JSON. pickle is an error
// that is ErrPickle; so is an alias nobody knows.
func NewAccept(names ...string) (Accept, error) {
	var a Accept
	for _, name := range names {
		if isPickle(name) {
			return Accept{}, fmt.Errorf("accept_content %q: %w", name, ErrPickle)
		}
		s := serializerNamed(name)
		switch {
		case s != nil:
			a.types = append(a.types, s.contentType)
		case strings.Contains(name, "/"):
			a.types = append(a.types, mediaType(name))
		default:
			return Accept{}, fmt.Errorf("accept_content %q: no such serializer; known are %s, or give a content type", name, serializerNames())
		}
	}
	return a, nil
}

// Check says whether the content type may be decoded: nil, or a *DisallowedError whose text is kombu's, and which is
// ErrPickle where the content is a pickle. An empty content type is application/data.
func (a Accept) Check(contentType string) error {
	mt := mediaType(contentType)
	switch {
	case mt == "", mt == typeData, mt == typeText:
		return nil
	case isPickle(mt):
	case a.types == nil && mt == typeJSON, slices.Contains(a.types, mt):
		return nil
	}
	e := &DisallowedError{Name: contentType, ContentType: contentType}
	if s := serializerNamed(mt); s != nil {
		e.Name = s.name
	} else if isPickle(mt) {
		e.Name = "pickle"
	}
	return e
}

// Names lists the content types of the set.
func (a Accept) Names() []string {
	if a.types == nil {
		return []string{typeJSON}
	}
	return slices.Clone(a.types)
}

// isPickle knows pickle by its alias and by every content type it goes by.
func isPickle(name string) bool {
	switch mediaType(name) {
	case "pickle", "application/x-python-serialize", "application/x-pickle", "application/x-python-pickle",
		"application/python-pickle", "application/pickle", "application/x-python-serialized":
		return true
	}
	return false
}
