package fetch

// WithDefaults shows what New makes of a configuration.
func WithDefaults(c Config) Config { return c.withDefaults() }
