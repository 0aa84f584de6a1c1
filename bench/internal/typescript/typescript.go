// Package typescript runs the official TypeScript client on node.
package typescript

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/runloop-community/runloop-go/bench/internal/measure"
)

const folder = "internal/typescript" // as seen from bench, where the program runs

// A Process is node with the client.
type Process struct {
	command *exec.Cmd
	input   io.Closer
	tasks   *json.Encoder
	results *json.Decoder
}

// A Task is one of the script's: "get" reads the policies with the IDs, "iterate" reads all
// policies, and "ensure" makes concurrent calls for one policy.
type Task struct {
	Task     string   `json:"task"`
	BaseURL  string   `json:"baseURL"`
	IDs      []string `json:"ids,omitempty"`
	PageSize int      `json:"pageSize"` // 0 for the client's default
	Policies int      `json:"policies"` // that the task must return, one per call of "ensure"
}

// Start starts node with the script. It fails if node or the client is not installed.
func Start() (*Process, error) {
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "@runloop", "api-client")); err != nil {
		return nil, errors.New("not installed")
	}
	command := exec.Command("node", "peer.js")
	command.Dir, command.Stderr = folder, os.Stderr
	input, err1 := command.StdinPipe()
	output, err2 := command.StdoutPipe()
	if err := errors.Join(err1, err2, command.Start()); err != nil {
		return nil, err
	}
	return &Process{command, input, json.NewEncoder(input), json.NewDecoder(output)}, nil
}

// Run runs a task of a number of operations. Node does not report allocations.
func (p *Process) Run(operations int, task Task) (measure.Sample, error) {
	var result struct {
		Policies  int
		Wall, CPU time.Duration
		Error     string
	}
	if err := p.tasks.Encode(task); err != nil {
		return nil, err
	}
	if err := p.results.Decode(&result); err != nil {
		return nil, err
	}
	if result.Error != "" {
		return nil, errors.New(result.Error)
	}
	if result.Policies != task.Policies {
		return nil, fmt.Errorf("got %d policies, want %d", result.Policies, task.Policies)
	}
	return measure.Times(operations, result.Wall, result.CPU), nil
}

// Stop ends node.
func (p *Process) Stop() error {
	p.input.Close()
	return p.command.Wait()
}
