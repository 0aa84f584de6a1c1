package runloop_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// The code blocks of the documents are parts of examples and tests, so that they compile
// and run.
func TestDocumentedCodeIsTested(t *testing.T) {
	t.Parallel()
	tested := sources(t, "*_test.go")
	for document, code := range map[string]*regexp.Regexp{
		"README.md":       regexp.MustCompile("(?s)```go\n(.*?)```"),
		"CONTRIBUTING.md": regexp.MustCompile("(?s)```go\n(.*?)```"),
		"doc.go":          regexp.MustCompile(`((?:\n\t.*)+)`),
	} {
		blocks := 0
		for _, match := range code.FindAllStringSubmatch(read(t, document), -1) {
			if block := match[1]; strings.Contains(block, ":=") || document != "doc.go" { // not a table
				blocks++
				assert.True(t, strings.Contains(tested, unindented(block)), "%s has untested code:\n%s", document, block)
			}
		}
		assert.NotZero(t, blocks, document)
	}
}

// The documents link files and run commands that exist, and name tests, sentinels, options and
// methods that exist.
func TestDocumentsNameWhatExists(t *testing.T) {
	t.Parallel()
	declared := map[string]bool{}
	declaration := regexp.MustCompile(`(?m)^(?:func (?:\(.*?\) )?|type |const |var )?([A-Z]\w+)`)
	for _, match := range declaration.FindAllStringSubmatch(sources(t, "*.go", "*/*.go", "*/*/*.go"), -1) {
		declared[match[1]] = true
	}
	link := regexp.MustCompile(`\[[^*\]]+\]\(([^)#:]+)\)`)
	file := regexp.MustCompile("`((?:internal|examples|contract|bench|scripts|cmd|\\.ci)/[\\w./-]+|[\\w-]+\\.(?:go|md|yaml|txt))`")
	command := regexp.MustCompile(`(?m)^    (?:[A-Z_]+=\S+ )*(?:go run |go test )?([\w./-]*/[\w./-]*\w)`)
	name := regexp.MustCompile(`\b(?:runloop\.|runlooptest\.|Devboxes\.|NetworkPolicies\.)([A-Z]\w+)|\b((?:Test|Err|With)[A-Z]\w+)`)
	for _, document := range []string{"README.md", "CONTRIBUTING.md", "AGENTS.md", "llms.txt", "SECURITY.md", "CHANGELOG.md", "doc.go"} {
		text := read(t, document)
		paths := slices.Concat(link.FindAllStringSubmatch(text, -1), file.FindAllStringSubmatch(text, -1), command.FindAllStringSubmatch(text, -1))
		for _, match := range paths {
			_, err := os.Stat(match[1])
			assert.NoError(t, err, document)
		}
		for _, match := range name.FindAllStringSubmatch(text, -1) {
			assert.True(t, declared[match[1]+match[2]], "%s names %s", document, match[0])
		}
	}
}

func TestTestingCodeOfTheREADME(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := runlooptest.NewTestServer(t)
		client, err := server.Client()
		if err != nil {
			t.Fatal(err)
		}

		// The next create succeeds, but its response is lost.
		server.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Disconnect().AfterCommit())

		_, err = client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build"})
		if err != nil {
			t.Fatal(err) // not reached: the client recovers the policy
		}

		assert.Len(t, server.Policies(), 1)
	})
}

func read(t *testing.T, name string) string {
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

// sources returns the text of all files that match, without indentation.
func sources(t *testing.T, patterns ...string) string {
	var text strings.Builder
	for _, pattern := range patterns {
		names, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, name := range names {
			text.WriteString(unindented(read(t, name)))
		}
	}
	return text.String()
}

// unindented returns the code without the space around its lines.
func unindented(code string) string {
	lines := strings.Split(strings.TrimSpace(code), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}
