package engine_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

func TestAConnectionThatIsReset(t *testing.T) {
	t.Parallel()
	requests := 0
	server := wiretest.NewLoopback(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests++; requests == 1 {
			wiretest.Reset(w)
			return
		}
		_, _ = w.Write([]byte(clienttest.PolicyJSON))
	})
	client := clienttest.NewClientOver(t, server.Client().Transport, runloop.WithBaseURL(server.URL))

	require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))

	assert.Equal(t, 2, server.Requests())
	assert.Equal(t, 2, server.Conns())
}

func TestInterimResponsesAreSkipped(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		_, client := newServer(t, wiretest.Raw("HTTP/1.1 100 Continue\r\n\r\n"+
			"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"+wiretest.Response(200, clienttest.PolicyJSON)))

		require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))
	})(t)
}

// Bytes after a response are not the response to the next request.
func TestBytesAfterTheBody(t *testing.T) {
	t.Parallel()
	for name, extra := range map[string]string{
		"garbage":          "\r\n<!-- served by proxy 7 -->",
		"another response": wiretest.Response(200, strings.Replace(clienttest.PolicyJSON, "build", "smuggled", 1)),
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server, client := newServer(t, wiretest.Raw(wiretest.Response(200, clienttest.PolicyJSON)+extra), policyOK)

			for range 2 {
				policy, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
				require.NoError(t, err)
				assert.Equal(t, "build", policy.Name)
				synctest.Wait()
			}

			assert.Equal(t, 2, server.Dials(), "the connection is not used again")
		}))
	}
}

// The client's own pool reads at most 1 MiB of headers. Longer ones would come again. (Over
// HTTP/2, net/http reports more than twice its limit as a broken connection.)
func TestHeadersOverOneMebibyte(t *testing.T) {
	t.Parallel()
	for text, isHTTP2 := range map[string]bool{
		"server response headers exceeded 1048576 bytes":    false,
		"response header list larger than advertised limit": true,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			server := wiretest.NewLoopback(t, func(w http.ResponseWriter, _ *http.Request) {
				for range 3 {
					w.Header().Add("X-Padding", strings.Repeat("x", 400<<10))
				}
			}, func(s *httptest.Server) {
				if isHTTP2 {
					wiretest.NeedHTTP2(t)
					s.EnableHTTP2 = true
					s.StartTLS()
				}
			})
			options := []runloop.Option{runloop.WithAPIKey(clienttest.APIKey), runloop.WithBaseURL(server.URL)}
			if isHTTP2 { // whose certificate the pool does not trust
				server.Client().Transport.(*http.Transport).MaxResponseHeaderBytes = 1 << 20
				options = append(options, runloop.WithHTTPClient(server.Client()))
			}
			client, err := runloop.NewClient(options...)
			require.NoError(t, err)
			t.Cleanup(client.CloseIdleConnections)

			err = clienttest.UpdatePolicy(t.Context(), client)

			require.ErrorContains(t, err, text)
			assert.Equal(t, 1, clienttest.AsTransportError(t, err).Attempts)
			assert.True(t, clienttest.MaybeApplied(err))
			assert.Equal(t, 1, server.Requests())
		})
	}
}
