package wiretest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net/http"
	"sync"
)

// UseTLS makes the server and its Transport use TLS with one protocol, "h2" or "http/1.1".
// The URLs of the requests then begin with https.
func (s *Server) UseTLS(protocol string) {
	s.tls = &tls.Config{
		Certificates: []tls.Certificate{certificate()},
		NextProtos:   []string{protocol},
		// The server would write tickets while the client may write too, and a pipe has
		// no buffer.
		SessionTicketsDisabled: true,
	}
	s.Transport.DialTLSContext = nil
	s.Transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	s.Transport.Protocols = new(http.Protocols)
	s.Transport.Protocols.SetHTTP1(true)
	s.Transport.Protocols.SetHTTP2(true)
}

// certificate returns the certificate of all servers, which no client verifies.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})
