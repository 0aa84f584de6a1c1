package engine

import (
	"crypto/rand"
	"fmt"
)

// NewRequestID returns a random UUID, version 4 of RFC 9562.
func NewRequestID() string {
	var u [16]byte
	rand.Read(u[:]) // never returns an error
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
