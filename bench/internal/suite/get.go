package suite

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"path"

	"github.com/runloop-community/runloop-go/bench/internal/fixture"
	"github.com/runloop-community/runloop-go/bench/internal/peer"
	"github.com/runloop-community/runloop-go/bench/internal/report"
	"github.com/runloop-community/runloop-go/bench/internal/server"
	"github.com/runloop-community/runloop-go/bench/internal/typescript"
)

// differentPolicies are read in turn: some decoders remember the strings of the
// policy before.
const differentPolicies = 400

// get measures reading policies by ID, one after another.
func (s *Suite) get(ctx context.Context, results *report.Results) error {
	ids := make([]string, differentPolicies)
	for i := range ids {
		ids[i] = fixture.ID(i)
	}
	task := func(client peer.Client) error {
		for _, id := range ids {
			p, err := client.Get(ctx, id)
			if err != nil {
				return err
			}
			if p.ID != id || len(p.Hostnames) != fixture.Hostnames {
				return fmt.Errorf("read %q with %d host names instead of %q", p.ID, len(p.Hostnames), id)
			}
		}
		return nil
	}

	costs := report.Costs{Name: report.GetInMemory, Operations: len(ids), Policies: len(ids)}
	costs, err := s.compare(costs, s.Effort.GetRounds, "https://api.example.com", newMemory(len(ids)), task, nil)
	if err != nil {
		return err
	}
	results.Costs = append(results.Costs, costs)

	costs = report.Costs{Name: report.GetLoopback, Operations: len(ids), Policies: len(ids)}
	url := s.Server.URL(server.HTTP1, len(ids), 0)
	costs, err = s.compare(costs, s.Effort.GetRounds, url, nil, task, func() (typescript.Result, error) {
		return s.TypeScript.Get(url, ids)
	})
	results.Costs = append(results.Costs, costs)
	return err
}

// A memory is a transport that answers with policies which it has ready.
type memory struct {
	policies map[string][]byte // by ID
	header   http.Header
}

func newMemory(policies int) *memory {
	m := &memory{map[string][]byte{}, http.Header{"Content-Type": {"application/json"}}}
	for i := range policies {
		m.policies[fixture.ID(i)] = fixture.Policy(i)
	}
	return m
}

// A body is a reader with a Close that does nothing, in one allocation.
type body struct{ bytes.Reader }

func newBody(text []byte) *body {
	b := new(body)
	b.Reset(text)
	return b
}

func (*body) Close() error { return nil }

func (m *memory) RoundTrip(r *http.Request) (*http.Response, error) {
	text := m.policies[path.Base(r.URL.Path)]
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: m.header, Body: newBody(text), ContentLength: int64(len(text)), Request: r,
	}, nil
}
