package engine

// A Secret is an API key. It sits behind a function, because fmt and reflection
// print what fields and pointers hold, but not what a function returns.
type Secret struct {
	reveal func() string
}

// NewSecret hides value.
func NewSecret(value string) Secret {
	return Secret{reveal: func() string { return value }}
}

// Reveal returns the hidden value, "" of the zero Secret.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}
