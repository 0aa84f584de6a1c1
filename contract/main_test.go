package contract_test

import (
	"os"
	"strings"
	"testing"
)

// TestMain takes away the environment that the SDK would read. The clients of
// these tests have no base URL either: they call the server of the document.
func TestMain(m *testing.M) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "RUNLOOP_") {
			os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}
