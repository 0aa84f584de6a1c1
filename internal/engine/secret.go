package engine

// A Secret is an API key, hidden in a function: fmt and reflection print the contents of fields
// and pointers, but not what a function returns.
type Secret struct {
	reveal func() string
}

// NewSecret returns a Secret with the value.
func NewSecret(value string) Secret {
	return Secret{reveal: func() string { return value }}
}

// Reveal returns the value. It is empty for the zero Secret.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}
