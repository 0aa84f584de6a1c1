package suite

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"

	"github.com/runloop-community/runloop-go/bench/internal/fixture"
	"github.com/runloop-community/runloop-go/bench/internal/measure"
	"github.com/runloop-community/runloop-go/bench/internal/peer"
	"github.com/runloop-community/runloop-go/bench/internal/report"
	"github.com/runloop-community/runloop-go/bench/internal/server"
	"github.com/runloop-community/runloop-go/bench/internal/typescript"
)

const (
	// MemoryArgument makes this program call IterateForMemory.
	MemoryArgument = "memory"

	memoryPolicies = 100_000
	memoryPageSize = 1000
)

// memory measures what iterating over very many policies holds, each peer in a
// process of its own.
func (s *Suite) memory(ctx context.Context, results *report.Results) error {
	url := s.Server.URL(server.HTTP1, memoryPolicies, 0)
	for _, p := range peer.All() {
		s.Log.Printf("memory of iterating over %d policies: %s", memoryPolicies, p.Name)
		m := report.Memory{Peer: p.Name, Policies: memoryPolicies, PageSize: memoryPageSize}
		executable, err := os.Executable()
		if err != nil {
			return err
		}
		// Two processes, because looking at the heap all the time costs memory.
		for _, what := range []string{"heap", "resident"} {
			command := exec.CommandContext(ctx, executable, MemoryArgument, p.Name, url, what)
			command.Stderr = os.Stderr
			command.Env = append(os.Environ(), measure.HeapEnvironment)
			output, err := command.Output()
			if err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
			if err := json.Unmarshal(output, &m); err != nil {
				return err
			}
		}
		results.Memory = append(results.Memory, m)
	}
	if s.TypeScript == nil {
		return nil
	}
	s.Log.Printf("memory of iterating over %d policies: %s", memoryPolicies, peer.TypeScript)
	node, err := typescript.Start(s.TypeScript.Folder())
	if err != nil {
		return err
	}
	defer node.Stop()
	answer, err := node.Iterate(url, memoryPageSize, memoryPolicies)
	results.Memory = append(results.Memory, report.Memory{
		Peer: peer.TypeScript, Policies: memoryPolicies, PageSize: memoryPageSize, PeakResidentBytes: answer.PeakResident,
	})
	return err
}

// IterateForMemory iterates in this process, and writes what it looked at, the heap
// or the resident memory, as members of a report.Memory.
func IterateForMemory(ctx context.Context, w io.Writer, peerName, baseURL, what string) error {
	p, err := peer.Named(peerName)
	if err != nil {
		return err
	}
	client, err := p.New(baseURL, nil)
	if err != nil {
		return err
	}
	defer client.Close()
	work := func() error { return iterate(ctx, client, memoryPageSize, memoryPolicies) }
	members := map[string]uint64{}
	if what == "resident" {
		if err := work(); err != nil {
			return err
		}
		members["peak_resident_bytes"] = measure.PeakResident()
		return json.NewEncoder(w).Encode(members)
	}

	if _, err := client.Page(ctx, memoryPageSize); err != nil { // warms up
		return err
	}
	measure.LiveHeap()
	before := measure.LiveHeap()
	page, err := client.Page(ctx, memoryPageSize)
	if err != nil {
		return err
	}
	measure.LiveHeap()
	members["page_bytes"] = measure.LiveHeap() - before + memoryPageSize*fixture.PolicySize
	runtime.KeepAlive(page)
	page = nil
	peak, err := measure.PeakLiveHeap(work)
	if err != nil {
		return err
	}
	members["peak_live_bytes"] = peak - before
	return json.NewEncoder(w).Encode(members)
}
