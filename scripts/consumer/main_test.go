package main

import (
	"testing"

	"github.com/runloop-community/runloop-go/runlooptest"
)

func TestEnsure(t *testing.T) {
	t.Parallel()
	server := runlooptest.NewTestServer(t)
	client, err := server.Client()
	if err != nil {
		t.Fatal(err)
	}
	if err := ensure(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	if policies := server.Policies(); len(policies) != 1 || policies[0].Name != "consumer" {
		t.Errorf("policies: %v, want consumer only", policies)
	}
}
