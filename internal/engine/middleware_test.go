package engine_test

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// Middleware can send requests of its own under the context of a request. Those are not
// repeats of the request.

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

// tokenOn401 gets a token after a 401, and sends the request again.
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

var tokenURLs = map[string]string{
	"another host": "http://auth.example.test/token",
	"same host":    "http://localhost/token",
	"another port": "http://localhost:8080/token",
}

func TestRequestsOfMiddlewareAreNotRepeats(t *testing.T) {
	forbidden, limited := wiretest.Reply(403, `{}`), wiretest.Reply(429, `{}`)
	for name, tt := range map[string]struct {
		call    clienttest.PolicyCall
		replies []wiretest.Step // each after a token
		want    outcome         // without the requests
	}{
		"create of a taken name": {clienttest.CreateCall, []wiretest.Step{wiretest.Reply(400, takenJSON)}, outcome{400, 1, false, "ErrBadRequest ErrNameTaken", 0}},
		"create, a conflict":     {clienttest.CreateCall, []wiretest.Step{wiretest.Reply(409, takenJSON)}, outcome{409, 1, false, "ErrConflict ErrNameTaken", 0}},
		"delete of unknown ID":   {clienttest.DeleteCall, []wiretest.Step{wiretest.Reply(404, notFoundJSON)}, outcome{404, 1, false, "ErrNotFound", 0}},
		"forbidden create":       {clienttest.CreateCall, []wiretest.Step{forbidden}, outcome{403, 1, false, "ErrForbidden", 0}},
		"forbidden update":       {clienttest.UpdateCall, []wiretest.Step{forbidden}, outcome{403, 1, false, "ErrForbidden", 0}},
		"forbidden delete":       {clienttest.DeleteCall, []wiretest.Step{forbidden}, outcome{403, 1, false, "ErrForbidden", 0}},
		"forbidden Do(POST)":     {postCall, []wiretest.Step{forbidden}, outcome{403, 1, false, "ErrForbidden", 0}},
		"Do(POST) after 429":     {postCall, []wiretest.Step{limited, wiretest.Reply(200, `{}`)}, outcome{200, 0, false, "", 0}},
		"update after 429":       {clienttest.UpdateCall, []wiretest.Step{limited, policyOK}, outcome{200, 0, false, "", 0}},
		"delete after 429":       {clienttest.DeleteCall, []wiretest.Step{limited, wiretest.Reply(404, notFoundJSON)}, outcome{404, 2, false, "ErrNotFound", 0}},
	} {
		for where, url := range tokenURLs {
			t.Run(name+"/"+where, clienttest.InBubble(func(t *testing.T) {
				server := wiretest.NewServer(t, afterTokens(tt.replies...)...) // without a lookup

				_, err := tt.call.Do(t.Context(), clienttest.NewClientOver(t, tokenFirst(server.Transport, url)))

				tt.want.requests = 2 * len(tt.replies)
				assert.Equal(t, tt.want, outcomeOf(server, err))
			}))
		}
	}
}

// afterTokens returns a script with a token before each step.
func afterTokens(steps ...wiretest.Step) (script []wiretest.Step) {
	for _, step := range steps {
		script = append(script, wiretest.Reply(200, "tok_1", "Content-Type: text/plain"), step)
	}
	return script
}

func TestALostWriteBehindMiddleware(t *testing.T) {
	for where, url := range tokenURLs {
		for name, tt := range map[string]struct {
			call    clienttest.PolicyCall
			replies []wiretest.Step
			want    outcome
		}{
			"delete": {clienttest.DeleteCall, []wiretest.Step{wiretest.HangUp(), // the policy is deleted, the response lost
				wiretest.Reply(404, notFoundJSON), wiretest.Reply(200, clienttest.EmptyPageJSON)}, outcome{200, 0, false, "", 6}},
			"POST": {postCall, []wiretest.Step{wiretest.HangUp()}, outcome{0, 1, true, "", 2}},
		} {
			t.Run(name+"/"+where, clienttest.InBubble(func(t *testing.T) {
				server := wiretest.NewServer(t, afterTokens(tt.replies...)...)

				_, err := tt.call.Do(t.Context(), clienttest.NewClientOver(t, tokenFirst(server.Transport, url)))

				assert.Equal(t, tt.want, outcomeOf(server, err))
			}))
		}
	}
	t.Run("not sent after a token of another host", clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, afterTokens(wiretest.Refuse(), wiretest.Reply(200, `{}`))...)

		_, err := doPost(t.Context(), clienttest.NewClientOver(t, tokenFirst(server.Transport, tokenURLs["another host"])))

		require.NoError(t, err, "the write certainly was not received")
	}))
}

// Only the API knows whether it processed the first of two requests of the middleware. So the
// client looks the policy up.
func TestAWriteThatMiddlewareRepeatsIsLookedUp(t *testing.T) {
	for name, tt := range map[string]struct {
		call   clienttest.PolicyCall
		script []wiretest.Step // after the 401 and the token
		want   outcome
	}{
		"create": {createCall, []wiretest.Step{wiretest.Reply(400, takenJSON), wiretest.Reply(200, clienttest.PageJSON)}, outcome{400, 1, true, "ErrBadRequest ErrNameTaken", 4}}, // an older policy
		"delete": {clienttest.DeleteCall, []wiretest.Step{wiretest.Reply(404, notFoundJSON), wiretest.Reply(200, clienttest.PageJSON)}, outcome{404, 1, true, "", 4}},             // it exists
		"PUT":    {putCall, []wiretest.Step{policyOK}, outcome{200, 0, false, "", 3}},
	} {
		for where, url := range tokenURLs {
			t.Run(name+"/"+where, clienttest.InBubble(func(t *testing.T) {
				script := append([]wiretest.Step{wiretest.Reply(401, `{}`)}, afterTokens(tt.script[0])...)
				server := wiretest.NewServer(t, append(script, tt.script[1:]...)...)

				_, err := tt.call.Do(t.Context(), clienttest.NewClientOver(t, tokenOn401(server.Transport, url)))

				sent := server.Requests()
				assert.Equal(t, sent[0].Header["X-Request-Id"], sent[2].Header["X-Request-Id"])
				assert.Equal(t, tt.want, outcomeOf(server, err))
			}))
		}
	}
}
