package engine

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSegment(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"npol_1":     "npol_1",
		"../x":       "..%2Fx",
		"a/b":        "a%2Fb",
		"a?b":        "a%3Fb",
		"a#b":        "a%23b",
		"a b":        "a%20b",
		"a%2Fb":      "a%252Fb",
		"%2e%2e%2fx": "%252e%252e%252fx",
		"...":        "...",
		"é":          "%C3%A9",
		"a+b":        "a+b",
		"a;b":        "a%3Bb",
	} {
		got, err := segment(s)
		require.NoError(t, err, s)
		assert.Equal(t, want, got)
	}
}

func TestSegmentRejectsOtherPaths(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", " ", "\t", ".", "..", "%2e", "%2E%2e", ".%2e", "%2E.", "a\x00", "a\nb", "\x7f", "\u0085", "\xff", "a\xc3"} {
		segment, err := segment(s)
		assert.Error(t, err, "%q", s)
		assert.Empty(t, segment)
	}
}

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

// A large buffer would stay in memory for small responses.
func TestALargeBodyIsNotKept(t *testing.T) {
	t.Parallel()
	r := new(bodyReader)
	r.buf.Write(make([]byte, 2*firstRead+1))
	r.release()
	assert.Equal(t, 2*firstRead+1, r.buf.Len(), "a buffer that is kept is reset")
}
