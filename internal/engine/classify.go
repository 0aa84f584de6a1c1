package engine

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
)

// hopeless reports whether a fault of the transport would meet every further
// attempt too: a name that does not exist, a peer that cannot be trusted or
// understood, a response over a limit.
func hopeless(err error) bool {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound
	}
	if refused, ok := errors.AsType[*ProxyRefused](err); ok {
		return !refused.mayPass()
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	return errors.Is(err, http.ErrSchemeMismatch) || hasHopelessText(err.Error())
}

// hasHopelessText knows the errors that net/http and crypto/tls export no value for.
func hasHopelessText(text string) bool {
	for _, part := range []string{
		"remote error: tls: ",
		"tls: server selected unsupported",
		"server response headers exceeded",
		"response header list larger than",
		"unsupported protocol scheme",
		"no Host in request URL",
		"invalid header field",
		http.StatusText(http.StatusProxyAuthRequired),
	} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}
