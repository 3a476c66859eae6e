package amazonmq

import "strings"

// ParseSettings reads the configuration of a RabbitMQ broker, lines of name = value. Sections, [INSTANCE_TYPE] or
// [INSTANCE_TYPE/MODE], hold what is set for that kind of broker alone; those of others are passed over.
func ParseSettings(text, instance, mode string) map[string]string {
	out := make(map[string]string)
	own := make(map[string]string)
	ours, section := true, false
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			section = true
			name := strings.ToLower(line[1 : len(line)-1])
			ours = strings.Contains(name, strings.ToLower(instance)) && (!strings.ContainsAny(name, "/:,") || strings.Contains(name, strings.ToLower(mode)))
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || !ours {
			continue
		}
		to := out
		if section {
			to = own
		}
		to[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	for k, v := range own {
		out[k] = v
	}
	return out
}
