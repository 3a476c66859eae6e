package umbel

// loaded is what LoadConfig keeps beside the values.
type loaded struct {
	warnings []string
}

// Warnings are what a user should be told once about the settings: those without effect, those translated.
func (c Config) Warnings() []string { return c.loaded.warnings }
