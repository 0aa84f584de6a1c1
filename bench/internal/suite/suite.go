// Package suite measures the clients, one task after another.
package suite

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptrace"
	"path"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/runloop-community/runloop-go/bench/internal/measure"
	"github.com/runloop-community/runloop-go/bench/internal/peer"
	"github.com/runloop-community/runloop-go/bench/internal/report"
	"github.com/runloop-community/runloop-go/bench/internal/server"
	"github.com/runloop-community/runloop-go/bench/internal/typescript"
)

// A Suite is a run in progress.
type Suite struct {
	Server     *server.Process
	TypeScript *typescript.Process // nil if it is not installed
	Rounds     int                 // of a task; those with latency have a tenth, because sleeping is steady
	Log        *log.Logger

	results report.Results
}

// Run measures everything.
func (s *Suite) Run(ctx context.Context) (*report.Results, error) {
	for _, part := range []func(context.Context) error{s.requests, s.get, s.iterate, s.load, s.memory} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	return &s.results, nil
}

// run measures a task with every subject.
func (s *Suite) run(name string, rounds int, subjects []measure.Subject) error {
	s.Log.Print(name)
	rows, err := measure.Interleave(rounds, subjects)
	s.results.Tasks = append(s.results.Tasks, report.Task{Name: name, Rows: rows})
	return err
}

// A comparison is a task for every peer. The TypeScript client has its own form of it, whose
// BaseURL is that of all peers.
type comparison struct {
	name       string
	rounds     int
	transport  http.RoundTripper // nil for the peer's own
	operations int               // of one run
	run        func(peer.Client) error
	typescript typescript.Task
}

// compare measures a task with every peer.
func (s *Suite) compare(c comparison) error {
	var subjects []measure.Subject
	for _, p := range peer.All() {
		client, err := p.New(c.typescript.BaseURL, c.transport)
		if err != nil {
			return err
		}
		defer client.Close()
		subjects = append(subjects, measure.Subject{Client: p.Name, Run: func() (measure.Sample, error) {
			if err := c.run(client); err != nil { // to fill its pools, which the other clients emptied
				return nil, err
			}
			return measure.Cost(c.operations, c.typescript.Policies, func() error { return c.run(client) })
		}})
	}
	if s.TypeScript != nil && c.transport == nil {
		subjects = append(subjects, measure.Subject{Client: peer.TypeScript, Run: func() (measure.Sample, error) {
			return s.TypeScript.Run(c.operations, c.typescript)
		}})
	}
	return s.run(c.name, c.rounds, subjects)
}

// differentPolicies are read in turn, because some decoders cache the strings of the
// previous policy.
const differentPolicies = 400

// get measures reading policies by ID, one after another.
func (s *Suite) get(ctx context.Context) error {
	ids := make([]string, differentPolicies)
	for i := range ids {
		ids[i] = server.ID(i)
	}
	c := comparison{
		name: report.GetLoopback, rounds: 2 * s.Rounds, operations: len(ids),
		run: func(client peer.Client) error {
			for _, id := range ids {
				p, err := client.Get(ctx, id)
				if err != nil {
					return err
				}
				if p.ID != id || len(p.Hostnames) != server.Hostnames {
					return fmt.Errorf("read %q with %d host names instead of %q", p.ID, len(p.Hostnames), id)
				}
			}
			return nil
		},
		typescript: typescript.Task{
			Task: "get", BaseURL: s.Server.URL(server.API{Policies: len(ids)}), IDs: ids, Policies: len(ids),
		},
	}
	if err := s.compare(c); err != nil {
		return err
	}
	c.name, c.transport = report.GetInMemory, newMemory(len(ids))
	return s.compare(c)
}

// A memory is a transport that responds with policies that it has ready.
type memory struct {
	policies map[string][]byte // by ID
	header   http.Header
}

func newMemory(policies int) *memory {
	m := &memory{map[string][]byte{}, http.Header{"Content-Type": {"application/json"}}}
	for i := range policies {
		m.policies[server.ID(i)] = server.Policy(i)
	}
	return m
}

// A body is a reader with a Close that does nothing, in one allocation.
type body struct{ bytes.Reader }

func (*body) Close() error { return nil }

func (m *memory) RoundTrip(r *http.Request) (*http.Response, error) {
	text, b := m.policies[path.Base(r.URL.Path)], new(body)
	b.Reset(text)
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: m.header, Body: b, ContentLength: int64(len(text)), Request: r,
	}, nil
}

// iterate measures reading all policies.
func (s *Suite) iterate(ctx context.Context) error {
	compare := func(api server.API, pageSize, rounds int) error {
		return s.compare(comparison{
			name: report.Iterate(api, pageSize), rounds: rounds, operations: 1,
			run:        func(client peer.Client) error { return iterate(ctx, client, pageSize, api.Policies) },
			typescript: typescript.Task{Task: "iterate", BaseURL: s.Server.URL(api), PageSize: pageSize, Policies: api.Policies},
		})
	}
	for _, api := range []server.API{report.Plain, report.Compressed} {
		for _, pageSize := range []int{20, 100, 1000, 5000} {
			if err := compare(api, pageSize, s.Rounds); err != nil {
				return err
			}
		}
	}
	return compare(report.Remote, 0, max(1, s.Rounds/10))
}

// iterate reads all policies, and fails if some are missing.
func iterate(ctx context.Context, client peer.Client, pageSize, want int) error {
	policies, hostnames := 0, 0
	err := client.Iterate(ctx, pageSize, func(p peer.Policy) {
		policies++
		hostnames += len(p.Hostnames)
	})
	if err == nil && (policies != want || hostnames != want*server.Hostnames) {
		err = fmt.Errorf("read %d policies with %d host names, want %d policies", policies, hostnames, want)
	}
	return err
}

const (
	burstPerGoroutine = 4
	loadRequests      = 8000
)

// load measures many goroutines that share one client. Peers differ in their connection
// pool, so only those are measured that have their own.
func (s *Suite) load(ctx context.Context) error {
	for _, latency := range []time.Duration{0, report.Slow} {
		var subjects []measure.Subject
		for _, p := range []peer.Peer{peer.Floor, peer.Pooled, peer.Runloop} {
			subjects = append(subjects, measure.Subject{Client: p.Name, Run: func() (measure.Sample, error) {
				client, err := p.New(s.Server.URL(server.API{Policies: differentPolicies, Latency: latency}), nil)
				if err != nil {
					return nil, err
				}
				defer client.Close()
				return load(ctx, client)
			}})
		}
		if err := s.run(report.Load(latency), s.Rounds, subjects); err != nil {
			return err
		}
	}
	return nil
}

// load measures a new client, from its first request on.
func load(ctx context.Context, client peer.Client) (measure.Sample, error) {
	var connections atomic.Int64
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{ConnectDone: func(_, _ string, err error) {
		if err == nil {
			connections.Add(1)
		}
	}})
	if err := send(ctx, client, burstPerGoroutine*report.Crowd); err != nil {
		return nil, err
	}
	burst := connections.Load()
	sample, err := measure.Cost(1, loadRequests, func() error { return send(ctx, client, loadRequests) })
	if err != nil {
		return nil, err
	}
	sample[measure.BurstConnections] = float64(burst)
	sample[measure.LoadConnections] = float64(connections.Load())
	return sample, nil
}

// send divides requests among the goroutines, which start together.
func send(ctx context.Context, client peer.Client, requests int) error {
	var next atomic.Int64
	start := make(chan struct{})
	group, ctx := errgroup.WithContext(ctx)
	for range report.Crowd {
		group.Go(func() error {
			<-start
			for i := next.Add(1); i <= int64(requests); i = next.Add(1) {
				id := server.ID(int(i) % differentPolicies)
				p, err := client.Get(ctx, id)
				if err != nil {
					return err
				}
				if p.ID != id {
					return fmt.Errorf("read %q instead of %q", p.ID, id)
				}
			}
			return nil
		})
	}
	close(start)
	return group.Wait()
}
