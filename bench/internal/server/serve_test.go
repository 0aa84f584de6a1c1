package server

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"
)

func TestServe(t *testing.T) {
	commands, send := io.Pipe()
	receive, answers := io.Pipe()
	served := make(chan error)
	go func() { served <- Serve(commands, answers) }()
	decoder := json.NewDecoder(receive)
	var address Address
	if err := decoder.Decode(&address); err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(address.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()

	for protocol, major := range map[Protocol]int{HTTP1: 1, TLS: 1, HTTP2: 2} {
		resp, err := (&http.Client{Transport: transport}).Get(address.URLs[protocol] + Path(3, time.Millisecond) + "/v1/network-policies?limit=2")
		if err != nil {
			t.Fatal(err)
		}
		var page struct {
			NetworkPolicies []any `json:"network_policies"`
			HasMore         bool  `json:"has_more"`
			TotalCount      int   `json:"total_count"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.ProtoMajor != major || len(page.NetworkPolicies) != 2 || !page.HasMore || page.TotalCount != 3 {
			t.Errorf("%s: %s, %+v", protocol, resp.Proto, page)
		}
	}

	var opened map[Protocol]int
	if _, err := io.WriteString(send, "connections\n"); err != nil {
		t.Fatal(err)
	}
	if err := decoder.Decode(&opened); err != nil {
		t.Fatal(err)
	}
	for _, protocol := range Protocols {
		if opened[protocol] != 1 {
			t.Errorf("%s: %d connections, want 1", protocol, opened[protocol])
		}
	}
	send.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
