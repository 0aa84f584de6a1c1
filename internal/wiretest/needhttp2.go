package wiretest

import (
	"os"
	"strings"
	"testing"
)

// NeedHTTP2 skips a test if HTTP/2 is disabled in this process.
func NeedHTTP2(t testing.TB) {
	t.Helper()
	if debug := os.Getenv("GODEBUG"); strings.Contains(debug, "http2client=0") || strings.Contains(debug, "http2server=0") {
		t.Skip("GODEBUG disables HTTP/2")
	}
}
