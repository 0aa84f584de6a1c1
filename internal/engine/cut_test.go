package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// Responses that are cut, or that are not HTTP.

// cuts returns responses of a status whose body is cut.
func cuts(status int) map[string]wiretest.Step {
	const begin = `{"message":"a network pol`
	head := fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Type: application/json\r\n", status)
	gzip := "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
	return map[string]wiretest.Step{
		"shorter than its length":  wiretest.Cut(wiretest.Response(status, begin, "Content-Length: 400")),
		"no byte of it":            wiretest.Cut(wiretest.Response(status, "", "Content-Length: 400")),
		"in a chunk":               wiretest.Cut(head + "Transfer-Encoding: chunked\r\n\r\n40\r\n" + begin),
		"before the last chunk":    wiretest.Cut(head + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
		"by a bad chunk length":    wiretest.Cut(head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
		"without a length":         wiretest.Cut(head + "Connection: close\r\n\r\n" + begin),
		"HTTP/1.0":                 wiretest.Cut(fmt.Sprintf("HTTP/1.0 %d X\r\n\r\n%s", status, begin)),
		"with the right length":    wiretest.Raw(wiretest.Response(status, begin)),
		"after the brace":          wiretest.Raw(wiretest.Response(status, `{`)),
		"in an array":              wiretest.Raw(wiretest.Response(status, `[{"message":"no"}`)),
		"within gzip":              wiretest.Cut(wiretest.Response(status, gzip+"\x52", "Content-Encoding: gzip")),
		"after the gzip header":    wiretest.Cut(wiretest.Response(status, gzip, "Content-Encoding: gzip", "Content-Length: 40")),
		"by a stall":               wiretest.Stall(wiretest.Response(status, begin, "Content-Length: 400")),
		"after all of the JSON":    wiretest.Cut(wiretest.Response(status, `{"message":"not found, in use, already exists"}`, "Content-Length: 400")),
		"a page":                   wiretest.Cut(wiretest.Response(status, "<html>", "Content-Type: text/html", "Content-Length: 400")),
		"text that quotes a title": wiretest.Cut(wiretest.Response(status, "policy not found, in use, already exists", "Content-Type: text/plain", "Content-Length: 400")),
	}
}

// A cut error response has lost its meaning. A refused request had no effect, so even a
// write that could take effect twice is retried.
func TestACutErrorIsRetried(t *testing.T) {
	for name, tt := range map[string]struct {
		call       clienttest.PolicyCall
		status     int
		body       string
		meaning    string // of the whole response
		persistent string // of one that is always cut
	}{
		"get/404":      {clienttest.GetCall, 404, notFoundJSON, "ErrNotFound", "ErrNotFound"},
		"get/400":      {clienttest.GetCall, 400, notFoundJSON, "ErrBadRequest ErrNotFound", "ErrBadRequest"},
		"list/422":     {clienttest.ListCall, 422, `{}`, "", ""},
		"create/400":   {clienttest.CreateCall, 400, takenJSON, "ErrBadRequest ErrNameTaken", "ErrBadRequest"},
		"create/409":   {clienttest.CreateCall, 409, takenJSON, "ErrConflict ErrNameTaken", "ErrConflict"},
		"update/409":   {clienttest.UpdateCall, 409, takenJSON, "ErrConflict ErrNameTaken", "ErrConflict"},
		"update/403":   {clienttest.UpdateCall, 403, `{}`, "ErrForbidden", "ErrForbidden"},
		"delete/400":   {clienttest.DeleteCall, 400, `{"message":"in use"}`, "ErrBadRequest ErrPolicyInUse", "ErrBadRequest"},
		"delete/404":   {clienttest.DeleteCall, 404, notFoundJSON, "ErrNotFound", "ErrNotFound"},
		"Do(PUT)/422":  {putCall, 422, `{}`, "", ""},
		"Do(POST)/400": {postCall, 400, `{}`, "ErrBadRequest", "ErrBadRequest"},
		"Do(POST)/403": {postCall, 403, `{}`, "ErrForbidden", "ErrForbidden"},
		"Do(POST)/409": {postCall, 409, `{}`, "ErrConflict", "ErrConflict"},
	} {
		for how, cut := range cuts(tt.status) {
			t.Run("once/"+name+"/"+how, clienttest.InBubble(func(t *testing.T) {
				server, client := newServer(t, cut, wiretest.Reply(tt.status, tt.body))

				_, err := tt.call.Do(t.Context(), client)

				assert.Equal(t, outcome{tt.status, 2, false, tt.meaning, 2}, outcomeOf(server, err))
				assert.Equal(t, tt.body, string(clienttest.AsAPIError(t, err).Body))
			}))
			t.Run("always/"+name+"/"+how, clienttest.InBubble(func(t *testing.T) {
				server, client := newServer(t, cut.Times(4))

				_, err := tt.call.Do(t.Context(), client)

				assert.Equal(t, outcome{tt.status, 4, false, tt.persistent, 4}, outcomeOf(server, err))
				if how == "by a stall" {
					assert.GreaterOrEqual(t, server.Now(), 2*time.Minute)
				} else {
					clienttest.AssertBackoff(t, server.Times())
				}
			}))
		}
	}
}

// A complete response is final, in any form.
func TestACompleteErrorIsFinal(t *testing.T) {
	for name, response := range map[string]string{
		"a page":                wiretest.Response(404, "<html><body>default backend - 404", "Content-Type: text/html"),
		"text":                  wiretest.Response(404, "404 page not found", "Content-Type: text/plain"),
		"text with a brace":     wiretest.Response(404, "no {route", "Content-Type: text/plain"),
		"no body":               wiretest.Response(404, ""),
		"invalid JSON":          wiretest.Response(404, `{"message":no}`),
		"text after JSON":       wiretest.Response(404, `{} {`),
		"a template's markers":  wiretest.Response(404, `{{ message }}`, "Content-Type: text/plain"),
		"text that ends a list": wiretest.Response(404, `]`),
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server, client := newServer(t, wiretest.Raw(response))

			assert.Equal(t, outcome{404, 1, false, "ErrNotFound", 1}, outcomeOf(server, clienttest.GetPolicy(t.Context(), client)))
		}))
	}
}

func TestACutSuccessIsRetried(t *testing.T) {
	faults := cuts(200)
	for _, final := range []string{"by a stall", "a page", "text that quotes a title"} { // see stalls, and the others are no JSON
		delete(faults, final)
	}
	faults["no body and no length"] = wiretest.Cut("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
	for name, cut := range faults {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server, client := newServer(t, cut.Times(2), policyOK)

			policy, err := client.NetworkPolicies.Get(t.Context(), "npol_1")

			require.NoError(t, err)
			assert.Equal(t, "build", policy.Name)
			require.Len(t, server.Requests(), 3)
			clienttest.AssertBackoff(t, server.Times())
		}))
	}
}

// Some cuts leave no trace on the connection, only in the JSON.
func TestASuccessThatIsAlwaysCut(t *testing.T) {
	t.Parallel()
	part := clienttest.PolicyJSON[:30]
	for name, cut := range map[string]wiretest.Step{
		"with the right length": wiretest.Reply(200, part),
		"without a length":      wiretest.Cut("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n" + part),
	} {
		for _, call := range []clienttest.PolicyCall{clienttest.GetCall, clienttest.UpdateCall, clienttest.DeleteCall} {
			t.Run(name+"/"+call.Name, clienttest.InBubble(func(t *testing.T) {
				script := []wiretest.Step{cut.Times(4), wiretest.Reply(403, "")} // the lookup of a write
				if !call.IsWrite() {
					script = script[:1]
				}
				server, client := newServer(t, script...)

				_, err := call.Do(t.Context(), client)

				requests := 3 + len(script)
				assert.Equal(t, outcome{200, 4, call.IsWrite(), "ErrInvalidResponse", requests}, outcomeOf(server, err))
				assert.ErrorContains(t, err, "unexpected EOF")
				assert.Equal(t, part, string(clienttest.AsAPIError(t, err).Body))
			}))
		}
	}
}

// garbled are responses without a valid head.
var garbled = map[string]wiretest.Step{
	"no byte":                   wiretest.HangUp(),
	"cut in the status line":    wiretest.Cut("HTTP/1.1 20"),
	"cut after the status line": wiretest.Cut("HTTP/1.1 200 OK\r\n"),
	"cut in a header":           wiretest.Cut("HTTP/1.1 200 OK\r\nContent-Ty"),
	"cut before the blank line": wiretest.Cut("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"),
	"two lengths":               wiretest.Raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}"),
	"negative length":           wiretest.Raw("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"),
	"another protocol":          wiretest.Raw("SSH-2.0-OpenSSH_9.6\r\n"),
	"status of letters":         wiretest.Raw("HTTP/1.1 OK 200\r\n\r\n"),
	"no colon":                  wiretest.Raw("HTTP/1.1 200 OK\r\nContent-Length 2\r\n\r\n{}"),
	"NUL in a name":             wiretest.Raw("HTTP/1.1 200 OK\r\nX\x00Y: 1\r\nContent-Length: 2\r\n\r\n{}"),
	"name with no end":          wiretest.Cut("HTTP/1.1 200 OK\r\nX\x00Y\r\n\r\n"),
}

func TestAGarbledResponse(t *testing.T) {
	t.Parallel()
	for name, fault := range garbled {
		for _, call := range clienttest.PolicyCalls {
			t.Run("once/"+name+"/"+call.Name, clienttest.InBubble(func(t *testing.T) {
				server, client := newServer(t, fault, wiretest.Reply(200, call.Success))

				_, err := call.Do(t.Context(), client)

				assert.Equal(t, outcome{status: 200, requests: 2}, outcomeOf(server, err))
				clienttest.AssertBackoff(t, server.Times())
			}))
			t.Run("always/"+name+"/"+call.Name, clienttest.InBubble(func(t *testing.T) {
				server, client := newServer(t, fault.Forever())

				_, err := call.Do(t.Context(), client)

				require.ErrorContains(t, err, "runloop: "+call.Op+": no usable response (4 attempts")
				assert.Less(t, len(err.Error()), 300)
				assert.Equal(t, call.IsWrite(), clienttest.AsTransportError(t, err).MaybeApplied)
				clienttest.AssertBackoff(t, server.Times()[:4])
			}))
		}
	}
}
