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

// How much of a response is read. A pipe has no buffer, so what the server could
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
	clienttest.InBubble(func(t *testing.T) {
		var sent atomic.Int64
		blanks := bytes.Repeat([]byte(" "), 64<<10)
		server := wiretest.NewServer(t, flood(fmt.Sprintf(chunked, 200, ""), func() []byte { return blanks }, &sent))
		server.Transport.ReadBufferSize = 64 << 10
		client := clienttest.NewWireClient(t, server)

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
	client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}))

	require.NoError(t, clienttest.GetPolicy(t.Context(), client))
	body += " "
	require.ErrorIs(t, clienttest.GetPolicy(t.Context(), client), runloop.ErrResponseTooLarge)
}

func TestAnErrorIsReadUpTo64KiB(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		length int64
		kept   int
	}{
		"as long as the limit": {64 << 10, 64 << 10},
		"one byte longer":      {64<<10 + 1, 64 << 10},
		"ten megabytes":        {10 << 20, 64 << 10},
		"without an end":       {1 << 40, 64 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var read int64
			err := clienttest.FailWith(t, clienttest.GetCall, func(*http.Request) (*http.Response, error) {
				body := io.TeeReader(io.LimitReader(endless(strings.Repeat("x", 32<<10)), test.length), counter{&read})
				return &http.Response{StatusCode: 403, Header: http.Header{}, Body: io.NopCloser(body)}, nil
			})
			require.ErrorIs(t, err, runloop.ErrForbidden)
			body := clienttest.AsAPIError(t, err).Body
			assert.Len(t, body, test.kept)
			assert.Empty(t, strings.Trim(string(body), "x"))
			assert.Less(t, read, int64(128<<10), "the rest is not even read")
			assert.Less(t, len(err.Error()), 300)
		})
	}
}

// An endless reader repeats its text.
type endless string

func (e endless) Read(p []byte) (int, error) { return copy(p, e), nil }

// A counter counts what is written to it.
type counter struct{ n *int64 }

func (c counter) Write(p []byte) (int, error) {
	*c.n += int64(len(p))
	return len(p), nil
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
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			var sent atomic.Int64
			server := wiretest.NewServer(t,
				flood(fmt.Sprintf(chunked, tt.status, "Content-Encoding: gzip\r\n"), newBomb(), &sent))
			client := clienttest.NewWireClient(t, server)

			err := clienttest.GetPolicy(t.Context(), client)

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
