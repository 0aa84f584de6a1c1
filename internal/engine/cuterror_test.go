package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// An error response whose body broke off has lost its meaning. A refused request did
// nothing, so it is retried, even a write that may do its work twice.

// cutErrors are responses of a status whose body has no end.
func cutErrors(status int) map[string]wiretest.Step {
	const begin = `{"message":"a network pol`
	head := fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Type: application/json\r\n", status)
	return map[string]wiretest.Step{
		"shorter than its length":  wiretest.Cut(wiretest.Response(status, begin, "Content-Length: 400")),
		"nothing of it":            wiretest.Cut(wiretest.Response(status, "", "Content-Length: 400")),
		"in a chunk":               wiretest.Cut(head + "Transfer-Encoding: chunked\r\n\r\n40\r\n" + begin),
		"before the last chunk":    wiretest.Cut(head + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
		"by a bad chunk length":    wiretest.Cut(head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
		"without a length":         wiretest.Cut(head + "Connection: close\r\n\r\n" + begin),
		"and its length too":       wiretest.Raw(wiretest.Response(status, begin)),
		"after the brace":          wiretest.Raw(wiretest.Response(status, `{`)),
		"in an array":              wiretest.Raw(wiretest.Response(status, `[{"message":"no"}`)),
		"within gzip":              wiretest.Cut(wiretest.Response(status, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x52", "Content-Encoding: gzip")),
		"by silence":               wiretest.Stall(wiretest.Response(status, begin, "Content-Length: 400")),
		"after all of the JSON":    wiretest.Cut(wiretest.Response(status, `{"message":"not found, in use, already exists"}`, "Content-Length: 400")),
		"a page, before its end":   wiretest.Cut(wiretest.Response(status, "<html>", "Content-Type: text/html", "Content-Length: 400")),
		"text that quotes a title": wiretest.Cut(wiretest.Response(status, "policy not found, in use, already exists", "Content-Type: text/plain", "Content-Length: 400")),
	}
}

func TestACutErrorIsRetried(t *testing.T) {
	post := clienttest.PolicyCall{Name: "Do(POST)", Op: "POST /v1/devboxes", Method: "POST", Do: doPost}
	put := clienttest.PolicyCall{Name: "Do(PUT)", Method: "PUT", Do: func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
		return nil, clienttest.UpdatePolicy(ctx, c, opts...)
	}}
	for name, tt := range map[string]struct {
		call       clienttest.PolicyCall
		status     int
		body       string
		meaning    []string // of the whole response
		persistent []string // of one that is always cut
	}{
		"get/404":      {clienttest.GetCall, 404, notFoundJSON, []string{"ErrNotFound"}, []string{"ErrNotFound"}},
		"get/400":      {clienttest.GetCall, 400, notFoundJSON, []string{"ErrBadRequest", "ErrNotFound"}, []string{"ErrBadRequest"}},
		"list/422":     {clienttest.ListCall, 422, `{}`, []string{}, []string{}},
		"create/400":   {clienttest.CreateCall, 400, takenJSON, []string{"ErrBadRequest", "ErrNameTaken"}, []string{"ErrBadRequest"}},
		"create/409":   {clienttest.CreateCall, 409, takenJSON, []string{"ErrConflict", "ErrNameTaken"}, []string{"ErrConflict"}},
		"update/409":   {clienttest.UpdateCall, 409, takenJSON, []string{"ErrConflict", "ErrNameTaken"}, []string{"ErrConflict"}},
		"update/403":   {clienttest.UpdateCall, 403, `{}`, []string{"ErrForbidden"}, []string{"ErrForbidden"}},
		"delete/400":   {clienttest.DeleteCall, 400, `{"message":"in use"}`, []string{"ErrBadRequest", "ErrPolicyInUse"}, []string{"ErrBadRequest"}},
		"delete/404":   {clienttest.DeleteCall, 404, notFoundJSON, []string{"ErrNotFound"}, []string{"ErrNotFound"}},
		"Do(PUT)/422":  {put, 422, `{}`, []string{}, []string{}},
		"Do(POST)/400": {post, 400, `{}`, []string{"ErrBadRequest"}, []string{"ErrBadRequest"}},
		"Do(POST)/403": {post, 403, `{}`, []string{"ErrForbidden"}, []string{"ErrForbidden"}},
		"Do(POST)/409": {post, 409, `{}`, []string{"ErrConflict"}, []string{"ErrConflict"}},
	} {
		for how, cut := range cutErrors(tt.status) {
			t.Run(name+"/"+how, clienttest.InBubble(func(t *testing.T) {
				server := wiretest.NewServer(t, cut, wiretest.Reply(tt.status, tt.body))
				client := clienttest.NewWireClient(t, server)

				_, err := tt.call.Do(t.Context(), client)

				e := clienttest.AsAPIError(t, err)
				assert.Equal(t, tt.status, e.StatusCode)
				assert.Equal(t, 2, e.Attempts)
				assert.False(t, e.MaybeApplied, "it was refused twice")
				assert.Equal(t, tt.meaning, clienttest.Sentinels(err))
				assert.Equal(t, tt.body, string(e.Body))
				assert.Len(t, server.Requests(), 2)
			}))
			t.Run(name+"/"+how+"/always", clienttest.InBubble(func(t *testing.T) {
				server := wiretest.NewServer(t, cut.Times(4))
				client := clienttest.NewWireClient(t, server)

				_, err := tt.call.Do(t.Context(), client)

				e := clienttest.AsAPIError(t, err)
				assert.Equal(t, tt.status, e.StatusCode, "the status tells what happened")
				assert.Equal(t, 4, e.Attempts)
				assert.False(t, e.MaybeApplied)
				assert.Equal(t, tt.persistent, clienttest.Sentinels(err))
				if how == "by silence" {
					assert.GreaterOrEqual(t, server.Now(), 2*time.Minute)
				} else {
					clienttest.AssertBackoff(t, server.Times())
				}
			}))
		}
	}
}

// A response that is whole is final, whatever form it has.
func TestAWholeErrorIsFinal(t *testing.T) {
	for name, response := range map[string]string{
		"a page":                wiretest.Response(404, "<html><body>default backend - 404", "Content-Type: text/html"),
		"text":                  wiretest.Response(404, "404 page not found", "Content-Type: text/plain"),
		"text with a brace":     wiretest.Response(404, "no {route", "Content-Type: text/plain"),
		"nothing":               wiretest.Response(404, ""),
		"invalid JSON":          wiretest.Response(404, `{"message":no}`),
		"JSON, and more":        wiretest.Response(404, `{} {`),
		"a template's markers":  wiretest.Response(404, `{{ message }}`, "Content-Type: text/plain"),
		"text that ends a list": wiretest.Response(404, `]`),
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Raw(response))
			client := clienttest.NewWireClient(t, server)

			e := clienttest.AsAPIError(t, clienttest.GetPolicy(t.Context(), client))

			assert.Equal(t, 404, e.StatusCode)
			assert.Equal(t, 1, e.Attempts)
		}))
	}
}

// A 408 may hide an effect, cut or not: a careful write is not repeated.
func TestACutTimeoutStatusIsNotARefusal(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Cut(wiretest.Response(408, `{`, "Content-Length: 9")))
		client := clienttest.NewWireClient(t, server)

		_, err := doPost(t.Context(), client)

		assert.True(t, clienttest.AsAPIError(t, err).MaybeApplied)
		assert.Len(t, server.Requests(), 1)
	})(t)
}
