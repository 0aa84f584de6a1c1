package engine

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
)

// hopelessTexts are in the errors that net/http and crypto/tls do not export.
var hopelessTexts = []string{
	"remote error: tls: ",
	"tls: server selected unsupported",
	"server response headers exceeded",
	"response header list larger than",
	"unsupported protocol scheme",
	"no Host in request URL",
	"invalid header field",
	http.StatusText(http.StatusProxyAuthRequired),
}

// hopeless reports whether a fault of the transport would recur on every retry: a name that
// does not exist, a peer that cannot be trusted or understood, a header over a limit.
func hopeless(err error) bool {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound
	}
	if refused, ok := errors.AsType[*ProxyRefused](err); ok {
		return !isTransientStatus(refused.StatusCode)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	text := err.Error()
	return errors.Is(err, http.ErrSchemeMismatch) ||
		slices.ContainsFunc(hopelessTexts, func(part string) bool { return strings.Contains(text, part) })
}
