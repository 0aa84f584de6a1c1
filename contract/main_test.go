package contract_test

import (
	"os"
	"strings"
	"testing"
)

// TestMain unsets the variables that the SDK reads. Clients without a base URL then send to the
// server of the document.
func TestMain(m *testing.M) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "RUNLOOP_") {
			os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}
