package engine_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

func TestResponseInto(t *testing.T) {
	t.Parallel()
	type row struct {
		call   clienttest.PolicyCall
		status int
		body   string
		is     error
	}
	tests := map[string]row{
		"an error":            {clienttest.GetCall, 404, `{"message": "Network policy not found"}`, runloop.ErrNotFound},
		"an invalid response": {clienttest.GetCall, 200, `<html>`, runloop.ErrInvalidResponse},
	}
	for _, call := range clienttest.PolicyCalls {
		tests[call.Op] = row{call, 200, call.Success, nil}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			api.On(tt.call.Method, tt.call.Path, clienttest.RespondWith(tt.status, tt.body, http.Header{"X-Served-By": {"eu-1"}}))

			var response *http.Response
			_, err := tt.call.Do(t.Context(), client, runloop.WithResponseInto(&response))

			require.ErrorIs(t, err, tt.is)
			assert.Equal(t, tt.status, response.StatusCode)
			assert.Equal(t, "eu-1", response.Header.Get("X-Served-By"))
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			assert.Equal(t, tt.body, string(body), "it can be read again")
			require.NoError(t, response.Body.Close())
			assert.Equal(t, tt.call.Method, response.Request.Method)
			assert.Equal(t, tt.call.Path, response.Request.URL.Path)
			assert.Empty(t, response.Request.Header, "it had the key")
		})
	}
}

func TestResponseIntoIsUnchangedWithoutAResponse(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t, runloop.WithMaxRetries(0))
	api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Fail("connection refused"))
	before := &http.Response{StatusCode: 299}
	for _, id := range []string{"npol_1", ""} {
		response := before
		_, err := client.NetworkPolicies.Get(t.Context(), id, runloop.WithResponseInto(&response))
		require.Error(t, err)
		assert.Same(t, before, response)
	}
}

// Users dump responses into their logs, which must work and not show the key.
func TestAResponseCanBeDumped(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status int
		body   string
	}{
		"success":               {200, clienttest.PolicyJSON},
		"error":                 {404, `{"message": "not found"}`},
		"error with the key":    {401, `{"message": "bad key ` + clienttest.APIKey + `"}`},
		"success with the key":  {200, `{"id": "npol_1", "name": "build", "egress": {}, "debug": "` + clienttest.APIKey + `"}`},
		"body beyond the limit": {500, strings.Repeat("x", 100<<10)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t, runloop.WithMaxRetries(0))
			api.On(http.MethodGet, clienttest.PolicyPath, func(*http.Request) (*http.Response, error) {
				r := httpmock.NewStringResponse(tt.status, tt.body)
				r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
				r.Status = fmt.Sprintf("%d no such key: %s", tt.status, clienttest.APIKey)
				r.ContentLength = int64(len(tt.body))
				r.Header = http.Header{"X-Echo": {"Bearer " + clienttest.APIKey}}
				r.Trailer = r.Header
				return r, nil
			})
			var response *http.Response
			_ = clienttest.GetPolicy(t.Context(), client, runloop.WithResponseInto(&response))
			dump, err := httputil.DumpResponse(response, true)
			require.NoError(t, err)
			assert.Contains(t, string(dump), fmt.Sprintf("HTTP/1.1 %d", tt.status))
			assert.Contains(t, string(dump), "X-Echo: Bearer [REDACTED]")
			assert.NotContains(t, string(dump), clienttest.APIKey)
			assert.NotContains(t, fmt.Sprint(response.Trailer), clienttest.APIKey)
		})
	}
}

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

func TestUnknownSuccessStatuses(t *testing.T) {
	t.Parallel()
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

// net/http follows redirects. It turns a POST into a GET that looks like a success, or repeats
// it on any host, and sends the key to subdomains and other ports.
func TestNoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{
		"https://other.example.test/x?token=t#f":          "https://other.example.test/x",
		"https://robot:s3cret@other.example.test/x":       "https://other.example.test/x",
		"https://api.example.test:8443/v1":                "https://api.example.test:8443/v1",
		"http://api.example.test" + clienttest.PolicyPath: "http://api.example.test" + clienttest.PolicyPath,
		"/v2/network-policies?token=t":                    "/v2/network-policies",
		clienttest.PolicyPath:                             clienttest.PolicyPath, // to itself
		"//other.example.test/a%2Fb":                      "//other.example.test/a%2Fb",
		"https://[::1?token=t":                            "an invalid URL",
	} {
		for _, status := range []int{300, 301, 302, 303, 307, 308} {
			for _, call := range []clienttest.PolicyCall{clienttest.GetCall, putCall} {
				api, client := clienttest.NewAPI(t)
				api.On(call.Method, call.Path,
					clienttest.RespondWith(status, ``, http.Header{"Location": {location}}), clienttest.Respond(200, call.Success))

				got, err := call.Do(t.Context(), client)

				assert.Nil(t, got)
				e := clienttest.AsAPIError(t, err)
				assert.Equal(t, status, e.StatusCode)
				assert.Equal(t, 1, e.Attempts)
				assert.Equal(t, "redirect to "+want+" not followed: check the base URL and the path", e.Message)
				assert.Equal(t, want, e.Header.Get("Location"))
				// A write may be applied before a redirect such as 303, but not before one that
				// asks for the same request elsewhere.
				assert.Equal(t, call.IsWrite() && status < 307, e.MaybeApplied, "%d", status)
				api.Only()
			}
		}
	}
	e := clienttest.AsAPIError(t, clienttest.FailWith(t, clienttest.GetCall, clienttest.Respond(307, `{"message": "moved"}`)))
	assert.Equal(t, "moved", e.Message, "a redirect without a Location")
}
