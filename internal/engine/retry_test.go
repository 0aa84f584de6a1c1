package engine_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// Which responses are retried, how often, and when.

func TestStatusesThatAreRetried(t *testing.T) {
	for status, attempts := range map[int]int{
		400: 1, 401: 1, 402: 1, 403: 1, 404: 1, 405: 1, 409: 1, 410: 1, 412: 1, 413: 1, 418: 1, 422: 1, 499: 1,
		408: 4, 425: 4, 429: 4,
		500: 4, 501: 1, 502: 4, 503: 4, 504: 4, 505: 1, 507: 4, 520: 4, 529: 4, 599: 4, 600: 4, 999: 4,
	} {
		for _, call := range []clienttest.PolicyCall{clienttest.GetCall, putCall} {
			t.Run(call.Name+"/"+strconv.Itoa(status), clienttest.InBubble(func(t *testing.T) {
				server, client := newServer(t, wiretest.Reply(status, `{"message":"no"}`).Times(attempts))

				_, err := call.Do(t.Context(), client)

				e := clienttest.AsAPIError(t, err)
				assert.Equal(t, status, e.StatusCode)
				assert.Equal(t, attempts, e.Attempts)
				assert.Equal(t, "no", e.Message)
				clienttest.AssertBackoff(t, server.Times())
			}))
		}
	}
}

func TestTheHeaderOnRetries(t *testing.T) {
	for name, tt := range map[string]struct {
		status   int
		header   string
		attempts int
	}{
		"true, of a client error":    {400, "true", 4},
		"true, of a conflict":        {409, "TRUE", 4},
		"true, of a redirect":        {302, "true", 1},
		"false, of a server error":   {503, "false", 1},
		"false, of a rate limit":     {429, "false", 1},
		"another, of a server error": {503, "maybe", 4},
		"another, of a client error": {400, "1", 1},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			_, client := newServer(t, wiretest.Reply(tt.status, `{}`, "x-should-retry: "+tt.header).Times(tt.attempts))

			err := clienttest.GetPolicy(t.Context(), client)

			assert.Equal(t, tt.attempts, clienttest.AsAPIError(t, err).Attempts)
		}))
	}
}

func TestTheLastResponseOutlivesTheLastAttempt(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server, client := newServer(t, wiretest.HangUp(), wiretest.Reply(500, `{}`).Times(2),
			wiretest.Reply(503, `{"message":"in maintenance","code":"maintenance"}`, "X-Runloop-Request-Id: req_7"))

		err := clienttest.UpdatePolicy(t.Context(), client)

		assert.Equal(t, outcome{503, 4, true, "ErrServer", 4}, outcomeOf(server, err))
		e := clienttest.AsAPIError(t, err)
		assert.Equal(t, "in maintenance maintenance req_7", e.Message+" "+e.Code+" "+e.RequestID)
		assert.JSONEq(t, `{"message":"in maintenance","code":"maintenance"}`, string(e.Body))
		assert.NotContains(t, err.Error(), "giving up")
	})(t)
}

// An earlier attempt may have been applied although the last one reached no server.
func TestTheDoubtOfAnEarlierAttemptRemains(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server, client := newServer(t, busy(503, "Connection: close"), wiretest.Refuse().Times(3))

		err := clienttest.UpdatePolicy(t.Context(), client)

		require.ErrorIs(t, err, syscall.ECONNREFUSED, "the last cause")
		assert.ErrorContains(t, err, "(4 attempts; may have been applied): dial tcp: connection refused")
		assert.Equal(t, outcome{0, 4, true, "", 1}, outcomeOf(server, err))
	})(t)
}

func TestConcurrentCallsCountTheirOwnAttempts(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		const calls = 50
		var sent [calls]atomic.Int32
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			i, _ := strconv.Atoi(r.Header.Get("X-Call"))
			time.Sleep(time.Second)
			if int(sent[i].Add(1)) <= i%4 {
				return clienttest.Respond(503, clienttest.BusyJSON)(r)
			}
			return clienttest.Respond(404, notFoundJSON)(r)
		}))

		errs := concurrently(calls, func(i int) error {
			return clienttest.GetPolicy(t.Context(), client, runloop.WithHeader("X-Call", strconv.Itoa(i)))
		})

		for i, err := range errs {
			assert.Equal(t, 1+i%4, clienttest.AsAPIError(t, err).Attempts, "call %d", i)
		}
	})(t)
}

// What a call does with Retry-After. TestRetryAfter has the values that are read of it. The
// clock of a bubble starts at midnight of 2000-01-01, UTC.

func TestRetryAfterIsTheNextWait(t *testing.T) {
	for name, tt := range map[string]struct {
		headers []string
		wait    time.Duration
	}{
		"seconds":                     {[]string{"Retry-After: 2"}, 2 * time.Second},
		"blanks around":               {[]string{"Retry-After:   7  "}, 7 * time.Second},
		"the maximum":                 {[]string{"Retry-After: 60"}, time.Minute},
		"milliseconds before seconds": {[]string{"Retry-After: 9", "Retry-After-Ms: 1500"}, 1500 * time.Millisecond},
		"the first of two":            {[]string{"Retry-After: 3", "Retry-After: 9"}, 3 * time.Second},
		"a date":                      {[]string{"Retry-After: Sat, 01 Jan 2000 00:00:30 GMT"}, 30 * time.Second},
		"a clock ahead":               {[]string{"Date: Sat, 01 Jan 2000 05:00:00 GMT", "Retry-After: Sat, 01 Jan 2000 05:00:20 GMT"}, 20 * time.Second},
		"a clock behind":              {[]string{"Date: Fri, 31 Dec 1999 19:00:00 GMT", "Retry-After: Fri, 31 Dec 1999 19:00:20 GMT"}, 20 * time.Second},
	} {
		for _, status := range []int{408, 425, 429, 500, 502, 503, 504, 599} {
			t.Run(name+"/"+strconv.Itoa(status), clienttest.InBubble(func(t *testing.T) {
				server, client := newServer(t, busy(status, tt.headers...), policyOK)

				require.NoError(t, clienttest.GetPolicy(t.Context(), client))

				assert.Equal(t, []time.Duration{0, tt.wait}, server.Times())
			}))
		}
	}
}

func TestTheBackoffIsTheShortestWait(t *testing.T) {
	for name, header := range map[string]string{"zero": "0", "short": "0.1", "invalid": "abc", "a past date": "Fri, 31 Dec 1999 23:00:00 GMT"} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server, client := newServer(t, busy(429, "Retry-After: "+header).Times(3), policyOK)

			require.NoError(t, clienttest.GetPolicy(t.Context(), client))

			require.Len(t, server.Times(), 4)
			clienttest.AssertBackoff(t, server.Times())
		}))
	}
}

func TestRetryAfterOfMoreThanAMinuteEndsTheCall(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"Retry-After: 61":                            61 * time.Second,
		"Retry-After: 60.001":                        60001 * time.Millisecond,
		"Retry-After: 9223372037":                    1<<63 - 1, // more than a Duration
		"Retry-After: Sat, 01 Jan 2000 05:00:00 GMT": 5 * time.Hour,
		"Retry-After-Ms: 60001":                      60001 * time.Millisecond,
	} {
		t.Run(header, clienttest.InBubble(func(t *testing.T) {
			server, client := newServer(t, busy(429, header))

			err := clienttest.UpdatePolicy(t.Context(), client)

			assert.Equal(t, outcome{429, 1, false, "ErrRateLimited", 1}, outcomeOf(server, err))
			e := clienttest.AsAPIError(t, err)
			assert.Equal(t, want, e.RetryAfter)
			assert.Equal(t, "come back later", e.Message)
			assert.ErrorContains(t, err, "the API asks the client to wait "+want.String())
			assert.Zero(t, server.Now())
		}))
	}
}

func TestACallDoesNotWaitBeyondItsDeadline(t *testing.T) {
	limited := outcome{429, 1, false, "ErrRateLimited", 1}
	for name, tt := range map[string]struct {
		deadline   time.Duration
		script     []wiretest.Step
		want       outcome
		text       string
		isDeadline bool
	}{
		"before Retry-After":       {5 * time.Second, []wiretest.Step{busy(429, "Retry-After: 20")}, limited, "come back later", true},
		"at Retry-After":           {2 * time.Second, []wiretest.Step{busy(429, "Retry-After: 2")}, limited, "come back later", true},
		"after Retry-After":        {2001 * time.Millisecond, []wiretest.Step{busy(429, "Retry-After: 2"), policyOK}, outcome{status: 200, requests: 2}, "", false},
		"before the backoff":       {250 * time.Millisecond, []wiretest.Step{busy(429)}, limited, "come back later", true},
		"after a refused dial":     {250 * time.Millisecond, []wiretest.Step{wiretest.Refuse()}, outcome{0, 1, false, "", 0}, "connection refused", true},
		"before a too long header": {300 * time.Millisecond, []wiretest.Step{busy(429, "Retry-After: 3600")}, limited, "come back later", false},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server, client := newServer(t, tt.script...)
			ctx, cancel := context.WithTimeout(t.Context(), tt.deadline)
			defer cancel()

			err := clienttest.UpdatePolicy(ctx, client)

			assert.Equal(t, tt.want, outcomeOf(server, err))
			assert.Equal(t, tt.isDeadline, errors.Is(err, context.DeadlineExceeded))
			if err != nil {
				assert.ErrorContains(t, err, tt.text)
				assert.Zero(t, server.Now())
			}
		}))
	}
}

// Whether a request is retried depends on its method, and on whether it was received: a POST
// or PATCH is retried only if it certainly was not.
func TestWhichMethodsDoRetries(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault    wiretest.Step
		received int     // requests
		careful  outcome // of a POST or PATCH, zero if it is retried
	}{
		"429":                  {busy(429), 1, outcome{}},
		"connection refused":   {wiretest.Refuse(), 0, outcome{}},
		"connection lost":      {wiretest.HangUp(), 1, outcome{0, 1, true, "", 1}},
		"no response in time":  {wiretest.Stall(""), 1, outcome{0, 1, true, "", 1}},
		"a cut response":       {wiretest.Cut(wiretest.Response(200, `{"id": "dbx`, "Content-Length: 99")), 1, outcome{0, 1, true, "", 1}},
		"408":                  {busy(408), 1, outcome{408, 1, true, "", 1}},
		"425":                  {busy(425), 1, outcome{425, 1, false, "", 1}},
		"500":                  {busy(500), 1, outcome{500, 1, true, "ErrServer", 1}},
		"503":                  {busy(503), 1, outcome{503, 1, true, "ErrServer", 1}},
		"503 that asks for it": {busy(503, "X-Should-Retry: true"), 1, outcome{503, 1, true, "ErrServer", 1}},
	} {
		for method, isCareful := range map[string]bool{"POST": true, "PATCH": true, "GET": false, "OPTIONS": false, "PUT": false, "DELETE": false} {
			t.Run(name+"/"+method, clienttest.InBubble(func(t *testing.T) {
				want, id, script := outcome{status: 200, requests: tt.received + 1}, "dbx_1", []wiretest.Step{tt.fault, wiretest.Reply(200, `{"id": "dbx_1"}`)}
				if isCareful && tt.careful.attempts > 0 {
					want, id, script = tt.careful, "", script[:1]
				}
				server, client := newServer(t, script...)

				var box struct {
					ID string `json:"id"`
				}
				err := client.Do(t.Context(), method, "/v1/devboxes", map[string]int{"a": 1}, &box)

				assert.Equal(t, want, outcomeOf(server, err))
				assert.Equal(t, id, box.ID)
				for _, r := range server.Requests() {
					assert.Equal(t, method+` {"a":1}`, r.Method+" "+r.Body)
				}
			}))
		}
	}
}

func TestRetriesOfAPost(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		script []wiretest.Step
		want   outcome
	}{
		"refused each time":                   {[]wiretest.Step{busy(429).Times(4)}, outcome{429, 4, false, "ErrRateLimited", 4}},
		"never connected":                     {[]wiretest.Step{wiretest.Refuse().Times(4)}, outcome{0, 4, false, "", 0}},
		"a cut 408 may hide an effect":        {[]wiretest.Step{wiretest.Cut(wiretest.Response(408, `{`, "Content-Length: 9"))}, outcome{408, 1, true, "", 1}},
		"none once it may have been received": {[]wiretest.Step{wiretest.Refuse(), busy(429), busy(500)}, outcome{500, 3, true, "ErrServer", 2}},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server, client := newServer(t, tt.script...)

			_, err := doPost(t.Context(), client)

			assert.Equal(t, tt.want, outcomeOf(server, err))
		}))
	}
}
