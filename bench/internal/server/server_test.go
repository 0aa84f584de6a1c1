package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"
)

func TestPolicies(t *testing.T) {
	for _, i := range []int{0, 1, 47, 48, 99_999} {
		text := Policy(i)
		if len(text) != PolicySize {
			t.Errorf("policy %d has %d bytes, want %d", i, len(text), PolicySize)
		}
		if j, ok := index(ID(i)); !ok || j != i || !bytes.Contains(text, []byte(`"`+ID(i)+`"`)) {
			t.Errorf("policy %d does not have the ID %q: %s", i, ID(i), text)
		}
		names := hostnames(i)
		slices.Sort(names)
		if len(slices.Compact(names)) != Hostnames {
			t.Errorf("policy %d does not have %d different host names: %v", i, Hostnames, names)
		}
	}
}

func TestServe(t *testing.T) {
	input, stop := io.Pipe()
	receive, output := io.Pipe()
	served := make(chan error)
	go func() { served <- Serve(input, output) }()
	var url string
	if _, err := fmt.Fscanln(receive, &url); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	for _, page := range []struct {
		query  string
		gzip   bool
		count  int
		more   bool
		status int
	}{
		{"?limit=2", false, 2, true, 200}, {"?limit=2", true, 2, true, 200}, {"?limit=2", true, 2, true, 200}, {"", false, 5, false, 200},
		{"?limit=2&starting_after=" + ID(2), false, 2, false, 200}, {"?limit=2&starting_after=" + ID(3), false, 1, false, 200},
		{"?limit=2&starting_after=" + ID(4), false, 0, false, 200}, {"?limit=2&starting_after=" + ID(8), false, 0, false, 200},
		{"/" + ID(4), true, 0, false, 200}, {"/" + ID(5), false, 0, false, 404},
	} {
		resp, err := client.Get(url + API{5, time.Millisecond, page.gzip}.Path() + "/v1/network-policies" + page.query)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			NetworkPolicies []any `json:"network_policies"`
			HasMore         bool  `json:"has_more"`
			TotalCount      int   `json:"total_count"`
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil && page.status == 200 {
			err = json.Unmarshal(body, &got)
		}
		if err != nil || resp.StatusCode != page.status || resp.Uncompressed != page.gzip || len(got.NetworkPolicies) != page.count || got.HasMore != page.more || got.NetworkPolicies != nil && got.TotalCount != 5 {
			t.Errorf("%+v: %s, compressed %t, error %v, %+v", page, resp.Status, resp.Uncompressed, err, got)
		}
	}
	stop.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
