package engine_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

func TestInvalidStatuses(t *testing.T) {
	t.Parallel()
	for _, status := range []int{-1, 0, 1, 99, 100, 101, 103, 199} {
		for _, call := range clienttest.PolicyCalls {
			err := clienttest.FailWith(t, call, clienttest.Respond(status, call.Success))
			require.ErrorIs(t, err, runloop.ErrInvalidResponse)
			e := clienttest.AsAPIError(t, err)
			assert.Equal(t, status, e.StatusCode)
			assert.Equal(t, call.IsWrite(), e.MaybeApplied)
			assert.Contains(t, err.Error(), fmt.Sprintf("invalid response: status %03d", status))
		}
	}
}

// After a switch of protocols, the body is the connection, which no time limit applies to.
func TestASwitchOfProtocolsIsAnInvalidResponse(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server, client := newServer(t, wiretest.Stall("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n"))

		require.ErrorIs(t, clienttest.GetPolicy(t.Context(), client), runloop.ErrInvalidResponse)

		assert.Zero(t, server.Now())
	})(t)
}

func TestUnknownStatuses(t *testing.T) {
	t.Parallel()
	for _, status := range []int{600, 666, 999, 123456} {
		err := clienttest.FailWith(t, clienttest.GetCall, clienttest.Respond(status, clienttest.PolicyJSON))
		assert.Equal(t, status, clienttest.AsAPIError(t, err).StatusCode)
		assert.ErrorIs(t, err, runloop.ErrServer)
	}
	for _, status := range []int{207, 226, 299} {
		api, client := clienttest.NewAPI(t)
		api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(status, clienttest.PolicyJSON))
		policy, err := clienttest.GetCall.Policy(t.Context(), client)
		require.NoError(t, err, status)
		assert.Equal(t, "npol_1", policy.ID)
	}
}

// A RoundTripper that breaks its contract causes neither a panic nor a leak.
func TestARoundTripperThatBreaksItsContract(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		response *http.Response
		err      error
		want     string
		is       error
	}{
		"neither response nor error": {nil, nil, "no usable response (4 attempts): the RoundTripper returned neither a response nor an error", nil},
		"a response and an error":    {&http.Response{StatusCode: 200, Body: http.NoBody}, broken, "no usable response (4 attempts): broken", broken},
		"no body":                    {&http.Response{StatusCode: 200}, nil, `200 OK: invalid response: content type "": the body is empty (4 attempts)`, runloop.ErrInvalidResponse},
		"no header":                  {&http.Response{StatusCode: 404, Body: http.NoBody}, nil, "404 Not Found (1 attempt)", runloop.ErrNotFound},
		"neither body nor header":    {&http.Response{StatusCode: 404}, nil, "404 Not Found (1 attempt)", runloop.ErrNotFound},
		"a false length":             {&http.Response{StatusCode: 404, ContentLength: 1 << 60, Body: http.NoBody}, nil, "404 Not Found (1 attempt)", runloop.ErrNotFound},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			open := 0
			client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(*http.Request) (*http.Response, error) {
				if tt.response == nil {
					return nil, tt.err
				}
				resp := *tt.response
				if resp.Body != nil {
					open++
					resp.Body = struct {
						io.Reader
						closer
					}{strings.NewReader(""), func() { open-- }}
				}
				return &resp, tt.err
			}))

			err := clienttest.GetPolicy(t.Context(), client)

			require.EqualError(t, err, "runloop: get network policy: "+tt.want)
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
			assert.Zero(t, open, "every body is closed")
		}))
	}
}

type closer func()

func (f closer) Close() error {
	f()
	return nil
}
