package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
)

// Serve writes the server's URL as a line, and serves until the input ends.
func Serve(input io.Reader, output io.Writer) error {
	s := httptest.NewUnstartedServer(NewHandler())
	// A burst dials more connections than it needs, and drops them.
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	defer s.Close()
	if _, err := fmt.Fprintln(output, s.URL); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, input)
	return err
}

// A Process is a server in a separate process, so that its work does not count as a
// client's.
type Process struct {
	command *exec.Cmd
	input   io.Closer
	url     string
}

// Start starts this program with the argument that makes it call Serve.
func Start(argument string) (*Process, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(executable, argument)
	command.Stderr = os.Stderr
	input, err1 := command.StdinPipe()
	output, err2 := command.StdoutPipe()
	if err := errors.Join(err1, err2, command.Start()); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	p := &Process{command, input, strings.TrimSpace(line)}
	if err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

// URL returns the base URL of an API.
func (p *Process) URL(api API) string { return p.url + api.Path() }

// Stop ends the process.
func (p *Process) Stop() error {
	p.input.Close()
	return p.command.Wait()
}
