package runloop_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// How much of an answer is read. A pipe has no buffer, so what the server could
// write is what the client took in. From Go 1.27 on, that is up to 256 KiB more:
// net/http reads on for a moment to keep the connection.

// flood sends head, and then chunk for as long as the client reads. It counts
// the bytes.
func flood(head string, chunk func() []byte, sent *atomic.Int64) wiretest.Step {
	return wiretest.Do("endless", func(c *wiretest.Conn) {
		if c.Read() == nil || !c.Write(head) {
			return
		}
		for {
			data := chunk()
			if !c.Write(fmt.Sprintf("%x\r\n%s\r\n", len(data), data)) {
				break
			}
			sent.Add(int64(len(data)))
		}
		c.Close()
	})
}

const chunked = "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n%s\r\n"

func TestASuccessIsReadUpTo32MiB(t *testing.T) {
	inBubble(func(t *testing.T) {
		var sent atomic.Int64
		blanks := bytes.Repeat([]byte(" "), 1<<20)
		server := wiretest.NewServer(t, flood(fmt.Sprintf(chunked, 200, ""), func() []byte { return blanks }, &sent))
		server.Transport.ReadBufferSize = 1 << 20
		client := newWireClient(t, server)

		err := updatePolicy(t.Context(), client)

		require.ErrorIs(t, err, runloop.ErrResponseTooLarge)
		e := asTransportError(t, err)
		assert.Equal(t, 1, e.Attempts)
		assert.True(t, e.MaybeApplied)
		assert.Less(t, sent.Load(), int64(35<<20))
	})(t)
}

func TestASuccessOf32MiBIsRead(t *testing.T) {
	t.Parallel()
	body := policyJSON + strings.Repeat(" ", 32<<20-len(policyJSON))
	client := newClientOver(t, roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}))

	require.NoError(t, getPolicy(t.Context(), client))
	body += " "
	require.ErrorIs(t, getPolicy(t.Context(), client), runloop.ErrResponseTooLarge)
}

func TestAnErrorIsReadUpTo64KiB(t *testing.T) {
	inBubble(func(t *testing.T) {
		var sent atomic.Int64
		page := bytes.Repeat([]byte("<p>"), 1000)
		server := wiretest.NewServer(t, flood(fmt.Sprintf(chunked, 403, ""), func() []byte { return page }, &sent))
		client := newWireClient(t, server)

		err := getPolicy(t.Context(), client)

		require.ErrorIs(t, err, runloop.ErrForbidden)
		assert.LessOrEqual(t, len(asAPIError(t, err).Body), 64<<10)
		assert.Less(t, sent.Load(), int64(400<<10))
	})(t)
}

// N5: net/http unpacks gzip unseen, many times as much as came over the wire.
func TestTheLimitsAreThoseAfterUnpacking(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		want   error
		packed int64 // at most, to reach the limit
	}{
		"a success": {200, runloop.ErrResponseTooLarge, 3 << 20},
		"an error":  {403, runloop.ErrForbidden, 400 << 10},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			var sent atomic.Int64
			server := wiretest.NewServer(t,
				flood(fmt.Sprintf(chunked, tt.status, "Content-Encoding: gzip\r\n"), newBomb(), &sent))
			client := newWireClient(t, server)

			err := getPolicy(t.Context(), client)

			require.ErrorIs(t, err, tt.want)
			assert.Less(t, sent.Load(), tt.packed)
			assert.Len(t, server.Requests(), 1)
			assert.Equal(t, "gzip", server.Requests()[0].Header.Get("Accept-Encoding"))
		}))
	}
}

// newBomb returns the parts of an endless gzip stream, of 64 KiB each that unpack to
// a megabyte.
func newBomb() func() []byte {
	noise := make([]byte, 64<<10)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	blanks := make([]byte, 1<<20-len(noise))
	var parts [2][]byte // the beginning, and what can follow for ever
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	for i := range parts {
		_, _ = w.Write(noise)
		_, _ = w.Write(blanks)
		_ = w.Flush()
		parts[i] = bytes.Clone(packed.Bytes())
		packed.Reset()
	}
	next := 0
	return func() []byte {
		part := parts[next]
		next = 1
		return part
	}
}

func TestThePoolReadsHeadersUpToAMegabyte(t *testing.T) {
	inBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Cut("HTTP/1.1 200 OK\r\nX-Long: "+strings.Repeat("x", 1<<20)))
		client := newPoolClient(t, server)

		err := updatePolicy(t.Context(), client)

		e := asTransportError(t, err)
		assert.Equal(t, 1, e.Attempts, "the next answer would be as long")
		assert.True(t, e.MaybeApplied)
		assert.ErrorContains(t, err, "headers exceeded")
	})(t)
}
