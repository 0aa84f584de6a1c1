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

// A Process is node with the client in it.
type Process struct {
	folder  string
	command *exec.Cmd
	input   io.WriteCloser
	tasks   *json.Encoder
	answers *json.Decoder
}

// A task is what the script does for one line.
type task struct {
	Task     string   `json:"task"`
	BaseURL  string   `json:"baseURL"`
	IDs      []string `json:"ids,omitempty"`
	PageSize int      `json:"pageSize"`
}

// A Result is what the script says of a task. Its times are in nanoseconds.
type Result struct {
	Policies     int           `json:"policies"`
	Wall         time.Duration `json:"wall"`
	CPU          time.Duration `json:"cpu"`
	PeakResident uint64        `json:"peakResident"`
	Error        string        `json:"error"`
}

// Cost returns the times. Node does not tell its allocations.
func (a Result) Cost() measure.Cost { return measure.Cost{Wall: a.Wall, CPU: a.CPU} }

// Start runs node with the script in folder. It fails when node or the client is not
// installed.
func Start(folder string) (*Process, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, errors.New("node is not installed")
	}
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "@runloop", "api-client")); err != nil {
		return nil, errors.New("the client is not installed")
	}
	p := &Process{folder: folder, command: exec.Command(node, "peer.js")}
	p.command.Dir = folder
	p.command.Stderr = os.Stderr
	if p.input, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	output, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.tasks, p.answers = json.NewEncoder(p.input), json.NewDecoder(output)
	return p, p.command.Start()
}

// Folder returns the folder of the script.
func (p *Process) Folder() string { return p.folder }

// Get reads policies one by one.
func (p *Process) Get(baseURL string, ids []string) (Result, error) {
	return p.do(task{Task: "get", BaseURL: baseURL, IDs: ids}, len(ids))
}

// Iterate reads all policies; 0 is the client's own page size.
func (p *Process) Iterate(baseURL string, pageSize, policies int) (Result, error) {
	return p.do(task{Task: "iterate", BaseURL: baseURL, PageSize: pageSize}, policies)
}

func (p *Process) do(t task, policies int) (Result, error) {
	var a Result
	if err := p.tasks.Encode(t); err != nil {
		return a, err
	}
	if err := p.answers.Decode(&a); err != nil {
		return a, err
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	if a.Policies != policies {
		return a, fmt.Errorf("read %d policies, want %d", a.Policies, policies)
	}
	return a, nil
}

// Stop ends node.
func (p *Process) Stop() error {
	p.input.Close()
	return p.command.Wait()
}
