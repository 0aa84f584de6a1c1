package engine

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRequestIDsAreRandomUUIDs(t *testing.T) {
	t.Parallel()
	const n = 100_000
	seen := make(map[string]bool, n)
	for range n {
		id := NewRequestID()
		require.Len(t, id, 36)
		require.Equal(t, byte('4'), id[14], "version")
		require.Contains(t, "89ab", id[19:20], "variant")
		seen[id] = true
	}
	assert.Len(t, seen, n)
	assert.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, NewRequestID())
}
