package server

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// A Process is a server in a process of its own, so that what it does is not counted
// as a client's.
type Process struct {
	Address

	command  *exec.Cmd
	commands io.WriteCloser
	answers  *json.Decoder
}

// Start runs this program again, with the argument that makes it call Serve.
func Start(argument string) (*Process, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Process{command: exec.Command(executable, argument)}
	p.command.Stderr = os.Stderr
	if p.commands, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	output, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.answers = json.NewDecoder(output)
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	if err := p.answers.Decode(&p.Address); err != nil {
		p.Stop()
		return nil, fmt.Errorf("the server did not start: %w", err)
	}
	return p, nil
}

// URL returns the base URL of an API as Path has it.
func (p *Process) URL(protocol Protocol, policies int, latency time.Duration) string {
	return p.URLs[protocol] + Path(policies, latency)
}

// Connections returns how many were opened so far.
func (p *Process) Connections(protocol Protocol) (int64, error) {
	if _, err := io.WriteString(p.commands, "connections\n"); err != nil {
		return 0, err
	}
	var counts map[Protocol]int64
	err := p.answers.Decode(&counts)
	return counts[protocol], err
}

// Stop ends the process.
func (p *Process) Stop() error {
	p.commands.Close() // which ends Serve
	return p.command.Wait()
}

// Trust makes every TLS connection of this program trust the server, and nobody else.
// It needs the setting x509usefallbackroots=1.
func (p *Process) Trust() error {
	certificate, err := x509.ParseCertificate(p.Certificate)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	x509.SetFallbackRoots(roots)
	return nil
}
