package engine_test

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// A RoundTripper of the caller's can send requests of its own under the context of a
// request. Those are no repeats of it.

// tokenFirst gets a token before each request, through the same transport.
func tokenFirst(base http.RoundTripper, url string) clienttest.RoundTripper {
	return func(r *http.Request) (*http.Response, error) {
		token, err := fetchToken(base, r, url)
		if err != nil {
			return nil, err
		}
		r.Header.Set("X-Token", token)
		return base.RoundTrip(r)
	}
}

// tokenOn401 gets a token when the API asks for one, and sends the request again.
func tokenOn401(base http.RoundTripper, url string) clienttest.RoundTripper {
	return func(r *http.Request) (*http.Response, error) {
		resp, err := base.RoundTrip(r)
		if err != nil || resp.StatusCode != http.StatusUnauthorized {
			return resp, err
		}
		resp.Body.Close()
		token, err := fetchToken(base, r, url)
		if err != nil {
			return nil, err
		}
		again := r.Clone(r.Context())
		if again.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
		again.Header.Set("X-Token", token)
		return base.RoundTrip(again)
	}
}

func fetchToken(base http.RoundTripper, r *http.Request, url string) (string, error) {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodPost, url, http.NoBody)
	if err != nil {
		return "", err
	}
	request.Header.Set("X-Request-Id", "of-the-token")
	resp, err := base.RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	token, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		err = errors.Join(err, errors.New("no token"))
	}
	return string(token), err
}

var token = wiretest.Reply(200, "tok_1", "Content-Type: text/plain")

var tokenURLs = map[string]string{
	"another host": "http://auth.example.test/token",
	"same host":    "http://localhost/token",
	"another port": "http://localhost:8080/token",
}

func TestRequestsOfAMiddlewareAreNotRepeats(t *testing.T) {
	post := clienttest.PolicyCall{Name: "Do(POST)", Do: doPost}
	for name, tt := range map[string]struct {
		call      clienttest.PolicyCall
		script    []wiretest.Step
		sentinels []string
	}{
		"create of a taken name": {clienttest.CreateCall, []wiretest.Step{token, wiretest.Reply(400, takenJSON)}, []string{"ErrBadRequest", "ErrNameTaken"}},
		"create, a conflict":     {clienttest.CreateCall, []wiretest.Step{token, wiretest.Reply(409, takenJSON)}, []string{"ErrConflict", "ErrNameTaken"}},
		"delete of unknown ID":   {clienttest.DeleteCall, []wiretest.Step{token, wiretest.Reply(404, notFoundJSON)}, []string{"ErrNotFound"}},
		"forbidden create":       {clienttest.CreateCall, []wiretest.Step{token, wiretest.Reply(403, `{}`)}, []string{"ErrForbidden"}},
		"forbidden update":       {clienttest.UpdateCall, []wiretest.Step{token, wiretest.Reply(403, `{}`)}, []string{"ErrForbidden"}},
		"forbidden delete":       {clienttest.DeleteCall, []wiretest.Step{token, wiretest.Reply(403, `{}`)}, []string{"ErrForbidden"}},
		"forbidden Do(POST)":     {post, []wiretest.Step{token, wiretest.Reply(403, `{}`)}, []string{"ErrForbidden"}},
		"Do(POST) after 429":     {post, []wiretest.Step{token, wiretest.Reply(429, `{}`), token, wiretest.Reply(200, `{}`)}, []string{}},
		"update after 429":       {clienttest.UpdateCall, []wiretest.Step{token, wiretest.Reply(429, `{}`), token, wiretest.Reply(200, clienttest.PolicyJSON)}, []string{}},
		"delete after 429":       {clienttest.DeleteCall, []wiretest.Step{token, wiretest.Reply(429, `{}`), token, wiretest.Reply(404, notFoundJSON)}, []string{"ErrNotFound"}},
	} {
		for where, url := range tokenURLs {
			t.Run(name+"/"+where, clienttest.InBubble(func(t *testing.T) {
				server := wiretest.NewServer(t, tt.script...) // which has no lookup
				client := clienttest.NewClientOver(t, tokenFirst(server.Transport, url))

				_, err := tt.call.Do(t.Context(), client)

				assert.Equal(t, tt.sentinels, clienttest.Sentinels(err))
				assert.False(t, clienttest.MaybeApplied(err))
				assert.Len(t, server.Requests(), len(tt.script))
			}))
		}
	}
}

// What became of the write itself is still noticed.
func TestALostWriteBehindAMiddlewareIsAmbiguous(t *testing.T) {
	for where, url := range tokenURLs {
		t.Run("lost/"+where, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t,
				token, wiretest.HangUp(), // the policy is deleted, the response lost
				token, wiretest.Reply(404, notFoundJSON),
				token, wiretest.Reply(200, clienttest.EmptyPageJSON))
			client := clienttest.NewClientOver(t, tokenFirst(server.Transport, url))

			_, err := clienttest.DeleteCall.Do(t.Context(), client)

			require.NoError(t, err)
		}))
		t.Run("lost POST/"+where, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, token, wiretest.HangUp())
			client := clienttest.NewClientOver(t, tokenFirst(server.Transport, url))

			_, err := doPost(t.Context(), client)

			assert.True(t, clienttest.AsTransportError(t, err).MaybeApplied)
		}))
	}
	t.Run("refused after a token from another host", clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, token, wiretest.Refuse(), token, wiretest.Reply(200, `{}`))
		client := clienttest.NewClientOver(t, tokenFirst(server.Transport, tokenURLs["another host"]))

		_, err := doPost(t.Context(), client)

		require.NoError(t, err, "the write certainly was not received")
	}))
}

// What a middleware sends twice, the API may have processed twice: whether the first
// response was a 401 or a 503, it alone knows. So the client looks.
func TestAWriteThatAMiddlewareRepeatsIsLookedUp(t *testing.T) {
	for where, url := range tokenURLs {
		t.Run("create/"+where, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Reply(401, `{}`), token, wiretest.Reply(400, takenJSON),
				wiretest.Reply(200, clienttest.PageJSON)) // a stranger's policy: of another time
			client := clienttest.NewClientOver(t, tokenOn401(server.Transport, url))

			_, err := createPolicy(t, client)

			require.ErrorIs(t, err, runloop.ErrNameTaken)
			assert.True(t, clienttest.MaybeApplied(err))
			assert.Equal(t, server.Requests()[0].Header["X-Request-Id"], server.Requests()[2].Header["X-Request-Id"])
		}))
		t.Run("delete/"+where, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Reply(401, `{}`), token, wiretest.Reply(404, notFoundJSON),
				wiretest.Reply(200, clienttest.PageJSON)) // it is there
			client := clienttest.NewClientOver(t, tokenOn401(server.Transport, url))

			_, err := clienttest.DeleteCall.Do(t.Context(), client)

			assert.Equal(t, 404, clienttest.AsAPIError(t, err).StatusCode)
			assert.True(t, clienttest.MaybeApplied(err))
		}))
		t.Run("the first token/"+where, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Reply(401, `{}`), token, wiretest.Reply(200, clienttest.PolicyJSON))
			client := clienttest.NewClientOver(t, tokenOn401(server.Transport, url))

			require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))
		}))
	}
}
