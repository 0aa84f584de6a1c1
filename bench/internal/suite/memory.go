package suite

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"runtime"

	"github.com/runloop-community/runloop-go/bench/internal/measure"
	"github.com/runloop-community/runloop-go/bench/internal/peer"
	"github.com/runloop-community/runloop-go/bench/internal/report"
	"github.com/runloop-community/runloop-go/bench/internal/server"
)

const (
	// MemoryArgument makes this program call MeasureMemory.
	MemoryArgument = "memory"

	memoryPolicies = 100_000
	memoryPageSize = 1000
)

// memory measures the memory of iterating over very many policies, in a process that does
// nothing else.
func (s *Suite) memory(ctx context.Context) error {
	s.Log.Print(report.Memory)
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, executable, MemoryArgument, s.Server.URL(server.API{Policies: memoryPolicies}))
	command.Stderr = os.Stderr
	command.Env = append(os.Environ(), measure.HeapEnvironment)
	output, err := command.Output()
	if err != nil {
		return err
	}
	task := report.Task{Name: report.Memory}
	err = json.Unmarshal(output, &task.Rows)
	s.results.Tasks = append(s.results.Tasks, task)
	return err
}

// MeasureMemory measures the memory of each peer, and writes the rows as JSON.
func MeasureMemory(ctx context.Context, w io.Writer, baseURL string) error {
	var subjects []measure.Subject
	for _, p := range peer.All() {
		subjects = append(subjects, measure.Subject{Client: p.Name, Run: func() (measure.Sample, error) {
			client, err := p.New(baseURL, nil)
			if err != nil {
				return nil, err
			}
			defer client.Close()
			return peak(ctx, client)
		}})
	}
	rows, err := measure.Interleave(1, subjects)
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(rows)
}

func peak(ctx context.Context, client peer.Client) (measure.Sample, error) {
	list := func() (any, error) {
		page, _, err := client.List(ctx, memoryPageSize, "", func(peer.Policy) {})
		return page, err
	}
	if _, err := list(); err != nil { // warms up
		return nil, err
	}
	measure.LiveHeap()
	before := measure.LiveHeap()
	page, err := list()
	if err != nil {
		return nil, err
	}
	measure.LiveHeap()
	// The policies as the client holds them, and the JSON from which they were decoded.
	pageBytes := float64(measure.LiveHeap() - before + memoryPageSize*server.PolicySize)
	runtime.KeepAlive(page)
	page = nil
	largest, err := measure.PeakLiveHeap(func() error { return iterate(ctx, client, memoryPageSize, memoryPolicies) })
	live := float64(largest - before)
	return measure.Sample{measure.PageBytes: pageBytes, measure.PeakLiveBytes: live, measure.PeakPages: live / pageBytes}, err
}
