package engine_test

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
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// How much of a response is read. A pipe has no buffer, so the client took in what the server
// could write. From Go 1.27 on, that is up to 256 KiB more: net/http reads on for a moment to
// keep the connection.

// flood sends chunks until the client hangs up, and counts their bytes.
func flood(status int, header string, chunk func() []byte, sent *atomic.Int64) wiretest.Step {
	return wiretest.Do("flood", func(c *wiretest.Conn) {
		c.Read()
		c.Write(fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n%s\r\n", status, header))
		for data := chunk(); c.Write(fmt.Sprintf("%x\r\n%s\r\n", len(data), data)); data = chunk() {
			sent.Add(int64(len(data)))
		}
		c.Close()
	})
}

func TestASuccessIsReadUpTo32MiB(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		var sent atomic.Int64
		blanks := bytes.Repeat([]byte(" "), 64<<10)
		server, client := newServer(t, flood(200, "", func() []byte { return blanks }, &sent))
		server.Transport.ReadBufferSize = 64 << 10

		err := clienttest.UpdatePolicy(t.Context(), client)

		assert.Equal(t, []string{"ErrResponseTooLarge"}, clienttest.Sentinels(err))
		require.ErrorContains(t, err, "runloop: PUT /v1/network-policies/npol_1: 200 OK: response too large: more than 32 MiB (1 attempt; request ")
		e := clienttest.AsAPIError(t, err)
		assert.Equal(t, 200, e.StatusCode)
		assert.Equal(t, server.Requests()[0].Header.Get("X-Request-Id"), e.RequestID)
		assert.Len(t, e.Body, 64<<10)
		assert.Equal(t, 1, e.Attempts)
		assert.True(t, e.MaybeApplied)
		assert.InDelta(t, 32<<20, sent.Load(), 1<<20)
	})(t)
}

func TestASuccessOf32MiBIsRead(t *testing.T) {
	t.Parallel()
	body := clienttest.PolicyJSON + strings.Repeat(" ", 32<<20-len(clienttest.PolicyJSON))
	client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body))}, nil
	}))

	require.NoError(t, clienttest.GetPolicy(t.Context(), client))
	body += " "
	require.ErrorIs(t, clienttest.GetPolicy(t.Context(), client), runloop.ErrResponseTooLarge)
}

func TestAnErrorIsReadUpTo64KiB(t *testing.T) {
	t.Parallel()
	for name, length := range map[string]int64{"the limit": 64 << 10, "one byte more": 64<<10 + 1, "ten megabytes": 10 << 20, "endless": 1 << 40} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rest := &io.LimitedReader{R: endless{}, N: length}

			err := clienttest.FailWith(t, clienttest.GetCall, func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 403, Header: http.Header{}, Body: io.NopCloser(rest)}, nil
			})

			require.ErrorIs(t, err, runloop.ErrForbidden)
			assert.Equal(t, strings.Repeat("x", 64<<10), string(clienttest.AsAPIError(t, err).Body))
			assert.Less(t, length-rest.N, int64(128<<10), "the rest is not read")
			assert.Less(t, len(err.Error()), 300)
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// net/http unpacks gzip by itself, to many times the bytes on the wire.
func TestTheLimitsApplyAfterUnpacking(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		want   error
		packed int64 // at most, to reach the limit
	}{
		"a success": {200, runloop.ErrResponseTooLarge, 3 << 20},
		"an error":  {403, runloop.ErrForbidden, 400 << 10},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			var sent atomic.Int64
			server, client := newServer(t, flood(tt.status, "Content-Encoding: gzip\r\n", newBomb(), &sent))

			err := clienttest.GetPolicy(t.Context(), client)

			require.ErrorIs(t, err, tt.want)
			assert.Less(t, sent.Load(), tt.packed)
			assert.Len(t, server.Requests(), 1)
			assert.Equal(t, "gzip", server.Requests()[0].Header.Get("Accept-Encoding"))
		}))
	}
}

// newBomb returns the parts of an endless gzip stream: each has 64 KiB and unpacks to 1 MiB.
func newBomb() func() []byte {
	data := bytes.Repeat([]byte(" "), 1<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data[:64<<10])
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	return func() []byte {
		packed.Reset()
		_, _ = w.Write(data)
		_ = w.Flush()
		return packed.Bytes()
	}
}
