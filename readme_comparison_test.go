package runloop_test

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the README says of the official client stands in a test of the module contract,
// row for row, with what both clients really do.
func TestREADMEComparison(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("contract/comparison_test.go")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("a release of this module is without the module contract")
	}
	require.NoError(t, err)
	var tested []string
	for _, literal := range regexp.MustCompile(`"\| .* \|"`).FindAllString(string(source), -1) {
		row, err := strconv.Unquote(literal)
		require.NoError(t, err)
		tested = append(tested, row)
	}

	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(readme), "## Beside the official client\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var said []string
	for line := range strings.Lines(section) {
		if strings.HasPrefix(line, "|") && line != "| --- | --- | --- |\n" {
			said = append(said, strings.TrimSuffix(line, "\n"))
		}
	}

	assert.NotEmpty(t, said)
	assert.Equal(t, tested, said)
}
