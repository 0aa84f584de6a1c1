package main

import (
	"bytes"
	"regexp"
	"testing"
	"testing/synctest"

	"github.com/runloop-community/runloop-go/runlooptest"
)

const want = `  child span "HTTP GET" /v1/network-policies 503 of trace TRACE
level=DEBUG msg="runloop: attempt" operation="ensure network policy" method=GET path=/v1/network-policies attempt=1 status=503
  child span "HTTP GET" /v1/network-policies 200 of trace TRACE
level=DEBUG msg="runloop: attempt" operation="ensure network policy" method=GET path=/v1/network-policies attempt=2 status=200
  child span "HTTP POST" /v1/network-policies 200 of trace TRACE
level=DEBUG msg="runloop: attempt" operation="ensure network policy" method=POST path=/v1/network-policies attempt=1 request_id=ID status=200
  child span "HTTP POST" /v1/devboxes 200 of trace TRACE
level=DEBUG msg="runloop: attempt" operation="launch devbox" method=POST path=/v1/devboxes attempt=1 request_id=ID status=200
  child span "HTTP POST" /v1/devboxes/dbx_000001/wait_for_status 200 of trace TRACE
level=DEBUG msg="runloop: attempt" operation="launch devbox" method=POST path=/v1/devboxes/{id}/wait_for_status attempt=1 status=200
  child span "HTTP POST" /v1/devboxes/dbx_000001/shutdown 200 of trace TRACE
level=DEBUG msg="runloop: attempt" operation="shut down devbox" method=POST path=/v1/devboxes/{id}/shutdown attempt=1 request_id=ID status=200
span "task" of trace TRACE
`

func TestOutput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := runlooptest.NewTestServer(t)
		var out bytes.Buffer

		if err := run(t.Context(), server, &out); err != nil {
			t.Fatal(err)
		}

		text := out.String()
		for _, r := range [][2]string{
			{`time=\S+ `, ""}, {` duration=\S+`, ""}, {`request_id=\S+`, "request_id=ID"}, {`trace \w+`, "trace TRACE"},
		} {
			text = regexp.MustCompile(r[0]).ReplaceAllString(text, r[1])
		}
		if text != want {
			t.Errorf("got:\n%s", text)
		}
		if left := server.Running(); len(left) > 0 {
			t.Errorf("%d devboxes are still running", len(left))
		}
	})
}
