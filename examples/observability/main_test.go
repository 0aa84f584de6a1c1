package main

import (
	"bytes"
	"strings"
	"testing"
)

// It reads the environment, so it is not parallel.
func TestRunShowsEachAttempt(t *testing.T) {
	t.Setenv("RUNLOOP_API_KEY", "")
	var out bytes.Buffer

	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}

	for _, want := range []string{
		`operation="list network policies" method=GET path=/v1/network-policies attempt=1`,
		`operation="list network policies" method=GET path=/v1/network-policies attempt=2`,
		`  child span "HTTP GET" 503 of trace `,
		`  child span "HTTP GET" 200 of trace `,
		`span "list policies" of trace `,
	} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("not once in the output: %s\n%s", want, out.String())
		}
	}
}
