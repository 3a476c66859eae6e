package setting

import (
	"regexp"
	"strings"
)

// secretQuery finds passwords among the options of a URL.
var secretQuery = regexp.MustCompile(`(?i)([?&;](?:[a-z_]*(?:password|passwd|secret|token))=)[^&#;]*`)

// nextURL finds where a further URL begins in a list separated by ";". A ";" inside a URL is part of it.
var nextURL = regexp.MustCompile(`;\s*[a-zA-Z][a-zA-Z0-9+.-]*://`)

// SplitURLs cuts a list of URLs separated by ";".
func SplitURLs(text string) []string {
	var urls []string
	start := 0
	for _, at := range nextURL.FindAllStringIndex(text, -1) {
		urls = append(urls, text[start:at[0]])
		start = at[0] + 1
	}
	urls = append(urls, text[start:])
	out := urls[:0]
	for _, u := range urls {
		if u = strings.Trim(u, "; \t\n"); u != "" {
			out = append(out, u)
		}
	}
	return out
}

// mask hides the passwords of a URL, or of several. Text that is no URL but looks like one whose scheme was forgotten is
// hidden up to its @.
func mask(text string) string {
	if !strings.ContainsAny(text, "@?") {
		return text
	}
	parts := SplitURLs(text)
	for i, p := range parts {
		parts[i] = secretQuery.ReplaceAllString(maskUser(p), "${1}**")
	}
	return strings.Join(parts, ";")
}

// maskUser hides what stands between the user's colon and the last @ that can belong to it: a password with an unescaped
// slash or @ is hidden whole.
func maskUser(u string) string {
	scheme, rest := "", u
	if i := strings.Index(u, "://"); i >= 0 {
		scheme, rest = u[:i+3], u[i+3:]
	}
	at := strings.LastIndexByte(rest, '@')
	user, _, has := strings.Cut(rest[:max(at, 0)], ":")
	if at < 0 || !has {
		return u
	}
	return scheme + user + ":**" + rest[at:]
}

// SecretName reports whether an option's name says that its value is a secret. The path of a file that holds one is none.
func SecretName(name string) bool {
	name = strings.ToLower(name)
	if strings.HasSuffix(name, "_file") {
		return false
	}
	for _, s := range []string{"password", "passwd", "secret", "token", "credential"} {
		if strings.Contains(name, s) {
			return true
		}
	}
	return false
}

// Mask is a value as it may be shown: passwords in URLs and options that are secret by name are replaced by **, and the
// whole value where the setting itself is secret.
func (s *Setting) Mask(v any) any {
	if s.Secret && v != nil && v != "" {
		return "**"
	}
	return maskAny(v)
}

func maskAny(v any) any {
	switch v := v.(type) {
	case string:
		return mask(v)
	case []string:
		out := make([]string, len(v))
		for i := range v {
			out[i] = mask(v[i])
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = maskAny(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			if SecretName(k) && x != nil && x != "" {
				out[k] = "**"
			} else {
				out[k] = maskAny(x)
			}
		}
		return out
	}
	return v
}
